"""Which of a run's values a number is: said once in each heading, and truly."""

import io
import json

import numpy as np
import pytest
from reports import record
from rich.console import Console
from studies import flow_study, toy_study

from ablate.analysis.build import study_record
from ablate.analysis.curves import _curve
from ablate.cli.judge import asked_by, build_parser
from ablate.plan.plan import plan_study
from ablate.plan.reconcile import Remaining
from ablate.report.charts.factors import factor_panels, interaction
from ablate.report.charts.forest import forest
from ablate.report.charts.training import learning_curves
from ablate.report.methods import methods
from ablate.report.paper import paper
from ablate.report.plan_table import print_plan
from ablate.report.tables import tables_of
from ablate.report.terminal import print_report
from ablate.run_row import RunRow, RunRows
from ablate.sources.plan import foreign_study
from ablate.sources.read import read_source

TWO = {"a": [1, 2], "b": ["x", "y"]}
FLOW = {"factors": {"lr": [1e-3, 1e-2], "arch": ["mlp", "unet"]}, "seeds": [1, 2, 3]}


def rows_of(plan, **ends):
    """Ledger rows in which each metric has the ends that are named: best, final or both."""
    rows = RunRows()
    for n, run in enumerate(plan.runs):
        values = {f"{metric}_{end}": 10 + run.cell.index + run.seed + 0.01 * (7 * n % 5)
                  for metric, own in ends.items() for end in own}  # fmt: skip
        rows[run.run_id] = RunRow(run_id=run.run_id, run_name=run.run_name, status="ok", **values)
    return rows


def own(tmp_path, **changes):
    plan = plan_study(toy_study(tmp_path, factors=TWO, seeds=[1, 2, 3], **changes))
    ends = {"score": ("best", "final"), "other": ("final",), "evaluated": ("best",)}
    return plan, rows_of(plan, **ends)


def flow(tmp_path, **changes):
    plan = plan_study(flow_study(tmp_path, **{**FLOW, **changes}))
    return plan, rows_of(plan, sliced_w2=("best", "final"), mmd=("best",))


KINDS = {
    "last": (own, {}, "last value"),
    "best": (own, {"value": "best"}, "best value"),
    "best weights": (flow, {}, "best weights by val_loss"),
    "final weights": (flow, {"value": "last"}, "final weights"),
}


@pytest.fixture(params=KINDS, name="kind")
def _kind(request, tmp_path):
    make, changes, told = KINDS[request.param]
    return *make(tmp_path, **changes), told


def titles(spec):
    """What the axes of a chart are called, and its subtitle."""
    if isinstance(spec, dict):
        if isinstance(spec.get("axis"), dict):
            title = spec["axis"].get("title")
            yield ", ".join(title) if isinstance(title, list) else str(title)
        yield from spec.get("subtitle", []) if isinstance(spec.get("subtitle"), list) else []
    inner = spec.values() if isinstance(spec, dict) else spec if isinstance(spec, list) else []
    for item in inner:
        yield from titles(item)


def test_every_heading_says_it(kind):
    plan, rows, told = kind
    record = study_record(plan, rows)
    metric, [block] = record.metric, record.metric.blocks
    assert len(tables_of(record)) == 2
    assert all(told in table.title for table in tables_of(record))
    drawn = (
        forest(metric),
        factor_panels(metric, block, record.seeds),
        interaction(metric, block, 0),
    )
    for spec in drawn:
        assert any(f"{metric.name}, {told}" in title for title in titles(spec))
    tex = told.replace("_", "\\_")
    assert f". {tex[0].upper()}{tex[1:]}. " in paper(record)
    assert f"better), {tex}." in methods(record)


def test_a_screen_says_it_twice_at_most(kind):
    plan, rows, told = kind
    console = Console(file=io.StringIO(), width=120)
    print_report(study_record(plan, rows), console)
    first = console.file.getvalue().strip().split("\n\n")[0]
    assert 1 <= first.count(told) <= 2


def test_a_plan_says_it_before_there_is_a_result(kind):
    plan, _, told = kind
    console = Console(file=io.StringIO(), width=120)
    print_plan(plan, Remaining([], frozenset(), [], []), RunRows(), {}, 1, console)
    assert f"better), {told}\n" in console.file.getvalue()


def test_all_pairs_say_it(tmp_path):
    plan, rows = own(tmp_path, compare="pairs")
    assert tables_of(study_record(plan, rows))[1].title == "score, last value: all pairs"


@pytest.mark.parametrize(("make", "changes", "metric", "told"), [
    (flow, {"value": "last"}, "mmd", "best weights by val_loss"),
    (own, {"value": "best"}, "other", "last value"),
    (own, {"value": "last"}, "evaluated", "best weights"),
])  # fmt: skip
def test_a_further_metric_that_has_one_value_says_which(tmp_path, make, changes, metric, told):
    """`ablate evaluate` measures best weights; of further metrics the last value is kept."""
    plan, rows = make(tmp_path, report_metrics=[metric], **changes)
    record = study_record(plan, rows)
    assert record.further[0].value_text == told != record.metric.value_text
    assert f"; {metric}, {told.replace('_', chr(92) + '_')}." in paper(record)


@pytest.mark.parametrize(("column", "options", "told"), [
    ("step,", ["--step", "last"], "last value"),
    ("step,", ["--step", "1"], "at step 1"),
    ("epoch,", ["--step", "2"], "at epoch 2"),
    ("", [], "as given"),
])  # fmt: skip
def test_judged_tables_say_what_was_asked_for(tmp_path, column, options, told):
    lines = [f"gain,seed,{column}loss"]
    lines += [
        f"{gain},{seed},{f'{step},' if column else ''}{gain + seed + step}"
        for gain in (1, 2) for seed in (1, 2, 3) for step in ((1, 2) if column else (1,))
    ]  # fmt: skip
    file = tmp_path / "runs.csv"
    file.write_text("\n".join(lines), encoding="utf-8")
    words = [str(file), "--factors", "gain", "--metric", "loss", *options]
    asked = asked_by(build_parser().parse_args(words))
    judged = foreign_study("runs", str(file), read_source(str(file), asked), asked)
    [table] = tables_of(study_record(judged.plan, judged.rows))
    assert table.title == f"loss (lower is better), {told}, 3 seeds, each cell against gain=1"


def test_enormous_values_have_charts_of_what_is_finite(tmp_path):
    far = {1: [1.7e308, 1.6e308, 1.5e308], 2: [-1.7e308, -1.6e308, -1.5e308]}
    metric = record(tmp_path, far).metric
    steps = np.array([1.0, 2.0])
    curve = _curve(0, [(steps, np.array([1.0, 1.7e308])), (steps, np.array([3.0, 1.6e308]))])
    drawn = learning_curves("score", metric, [curve])
    assert drawn["datasets"]["rows"][0]["mean"] == [2.0, None]
    for spec in (drawn, forest(metric)):
        json.dumps(spec, allow_nan=False)
