"""What the verdicts of a study are said to be of."""

import io

import pytest
from ray.tune import Trainable
from reports import rows_of
from rich.console import Console
from studies import flow_study, toy_study

from ablate.analysis.build import study_record
from ablate.plan.plan import plan_study
from ablate.report.files import latex, markdown
from ablate.report.methods import methods
from ablate.report.page import page
from ablate.report.paper import paper
from ablate.report.terminal import print_report
from ablate.run_row import RunRow, RunRows
from ablate.trainable.contract import TrainableConfig


class Config(TrainableConfig):
    """Says whatever a test wants it to say."""

    gain: int = 1
    told: str = ""

    def scope(self, metric):
        return {
            "parts": {"fold": str(self.gain), "test": f"<b> {metric}"},
            "text": "held-out speakers",
            "wrong": 7,
            "empty": "",
        }[self.told] if self.told != "raises" else 1 / 0  # fmt: skip


class Telling(Trainable):
    """A trainable that says what its metric is of."""

    Config = Config


def of(tmp_path, told, gains=(1, 2), column="score"):
    study = toy_study(
        tmp_path, trainable="test_scope:Telling", base={"told": told}, seeds=[1, 2, 3],
        factors={"gain": list(gains)}, report_metrics=["other"],
    )  # fmt: skip
    plan, rows = plan_study(study), RunRows()
    for run in plan.runs:
        row = RunRow(run_id=run.run_id, run_name=run.run_name, status="ok", other=1.0)
        rows[run.run_id] = RunRow(row, **{column: run.cell.labels["gain"] + 0.1 * run.seed})
    return study_record(plan, rows)


@pytest.mark.parametrize(("told", "gains", "line"), [
    ("parts", (1,), "fold 1; test <b> score"),
    ("parts", (1, 2), "fold by cell: 1 | 2; test <b> score"),
    ("parts", range(1, 8), "fold by cell: 1 | 2 | 3 | 4 and 3 more; test <b> score"),
    ("text", (1, 2), "held-out speakers"),
    ("wrong", (1, 2), "7"),
    ("empty", (1, 2), ""),
    ("raises", (1, 2), "scope unknown: ZeroDivisionError: division by zero"),
])  # fmt: skip
def test_the_scope_is_what_the_trainable_says_of_its_cells(tmp_path, told, gains, line):
    assert of(tmp_path, told, gains).scope == line


@pytest.mark.parametrize(("column", "line"), [
    ("score", "held-out speakers"),
    ("score_best", "held-out speakers; the best value of each run"),
    ("score_final", "held-out speakers; the last value of each run"),
])  # fmt: skip
def test_the_scope_says_which_value_of_a_run_counts(tmp_path, column, line):
    assert of(tmp_path, "text", column=column).scope == line


def test_every_output_has_the_scope(tmp_path):
    found = of(tmp_path, "parts")
    told = "fold by cell: 1 | 2; test <b> score"
    console = Console(file=io.StringIO(), width=200)
    print_report(found, console)
    terminal = console.file.getvalue()
    assert f"scope: {told}\n" in terminal
    assert "its scope differs: test <b> other\n" in terminal, "another one is in its table"
    assert "scope: fold by cell: 1 | 2; test &lt;b&gt; score" in page(found, [], "")
    assert "Scope: fold by cell: 1 \\| 2; test &lt;b&gt; score" in markdown(found)
    assert f"% scope: {told}" in latex(found)
    shown = "fold by cell: 1 \\textbar{} 2; test \\textless{}b\\textgreater{} score."
    assert f"Scope: {shown}" in paper(found)
    assert f"Scope of score: {shown}" in methods(found)


def test_who_says_nothing_has_no_scope(tmp_path):
    plan = plan_study(toy_study(tmp_path))
    rows = rows_of(plan, lambda labels, seed: labels["gain"] + seed)
    found = study_record(plan, rows)
    assert not found.metric.scope.parts
    assert found.scope == "the best value of each run"


def test_cells_of_flow_studies_that_differ_in_solver_are_told(tmp_path):
    study = flow_study(tmp_path, factors={"solver": ["euler", "midpoint"]})
    found = study_record(plan_study(study), {})
    assert "; solver by cell: euler, 20 steps | midpoint, 20 steps; " in found.scope
    assert "split_seed 0, the same for all seeds; " in found.scope
    assert "; seeds vary initialisation, batches and noise" in found.scope
