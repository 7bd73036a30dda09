"""What reports say where runs are lost, by what they were lost to."""

import io
import math
from dataclasses import replace

import pytest
from reports import grid, record, rows_of
from rich.console import Console
from studies import flow_study, toy_study

from ablate.analysis.build import study_record
from ablate.plan.plan import plan_study
from ablate.report.charts.forest import forest
from ablate.report.files import latex, markdown
from ablate.report.pair_table import pair_table
from ablate.report.tables import effects_table, metric_table
from ablate.report.terminal import print_report
from ablate.report.words import answers
from ablate.run_row import RunRow

NAN = math.nan
RESULTS = {1: [10.0, 12.1, 11.0, 10.5], 2: [12.0, 14.2, 13.0, NAN], 3: [10.1, 11.9, 11.0, 10.4]}


def of_cause(tmp_path, cause):
    """The best cell has lost one run."""
    plan = plan_study(toy_study(tmp_path, factors={"gain": list(RESULTS)}, seeds=[1, 2, 3, 4]))
    rows = rows_of(plan, lambda labels, seed: RESULTS[labels["gain"]][seed - 1])
    for run_id, row in rows.items():
        if row.status.has_failed:
            rows[run_id] = RunRow({**row, **cause})
    return study_record(plan, rows)


@pytest.mark.parametrize(
    "cause",
    [
        {"status": "diverged"},
        {"error_type": "OutOfMemoryError", "error": "CUDA out of memory"},
        {"error_type": "WorkerDied", "error": "the worker process died without an exception"},
        {"lost_to": "cell"},
    ],
)
def test_no_output_calls_a_cell_plainly_better_that_lost_runs(tmp_path, cause):
    found = of_cause(tmp_path, cause)
    said = answers(found)[0]
    assert said.startswith("gain=2 raises score by 2.0")
    assert "; of the runs that ended; " in said
    assert "->" not in said  # the means are of other runs than the difference
    assert "; worst case (lost runs = the table's worst value): within noise, " in said
    table = metric_table(found, found.metric)
    told = "better, of the runs that ended"
    assert [row.verdict_text for row in table.rows] == ["baseline", told, "within noise"]
    notes = [note.line for note in table.notes]
    assert "caution: runs lost by their own cells (failed or diverged): gain=2 1 of 4: " in "".join(
        note for note in notes if "lost by" in note
    )
    assert any(note.startswith("caution: worst case") and "gain=2: " in note for note in notes)
    for text in (markdown(found), latex(found)):
        assert told in text
    assert told in str(forest(found.metric))
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    print_report(found, console)
    assert f"\x1b[33m{told}" in console.file.getvalue()  # and not in the colour of success


@pytest.mark.parametrize("cause", [{"error_type": "NodeDiedError"}, {"lost_to": "infrastructure"}])
def test_what_machines_lost_is_missing_at_random(tmp_path, cause):
    found = of_cause(tmp_path, cause)
    table = metric_table(found, found.metric)
    assert [row.verdict_text for row in table.rows] == ["baseline", "better", "within noise"]
    assert not any("worst case" in note.text for note in table.notes)
    assert found.notes[0].startswith("1 run lost to the infrastructure (gain=2-s4): missing at ran")
    assert found.missing[0].cause.endswith(" (lost to the infrastructure)")


def test_a_finished_run_whose_metric_is_no_number_has_lost_it(tmp_path):
    results = {**RESULTS, 2: [12.0, 14.2, 13.0, math.inf]}
    found = record(tmp_path, results, seeds=[1, 2, 3, 4])
    assert found.metric.cells[1].comparison.verdict.of_those_that_ended


def test_a_metric_without_a_better_side_has_no_worst_case(tmp_path):
    judged = {"report_metrics": ["train_distance"], "verdicts": "all"}
    plan = plan_study(flow_study(tmp_path, seeds=[1, 2, 3, 4], **judged))
    rows = {
        run.run_id: {"status": "ok", "train_distance_best": run.cell.index + 0.01 * n**2}
        for n, run in enumerate(plan.runs)
    }
    rows[plan.runs[-1].run_id] = {"status": "diverged"}
    found = study_record(plan, rows, "train_distance")
    assert found.metric.cells[1].comparison.verdict.text == "differs, of the runs that ended"
    assert not found.metric.at_worst


def test_levels_rest_on_cells_that_lost_runs(tmp_path):
    plan = plan_study(toy_study(tmp_path, factors={"a": [1, 2], "b": ["x", "y", "z"]}, seeds=4))
    noise = iter(0.01 * ((7 * n) % 5) for n in range(24))

    def value(labels, seed):
        lost = labels == {"a": 2, "b": "y"} and seed == plan.seeds[1]
        return NAN if lost else 20 + 5 * labels["a"] + seed + next(noise)

    found = study_record(plan, rows_of(plan, value))
    [block] = found.metric.blocks
    table = effects_table(block, block.effects, found.metric)
    ended = ", of the runs that ended"
    assert [row.verdict_text for row in table.rows] == [
        "baseline", f"better{ended}", "baseline", f"within noise{ended}", "within noise",
    ]  # fmt: skip
    [worst] = [note.line for note in table.notes if "worst case" in note.text]
    assert "a=2: " in worst
    assert "b=y: worse" not in worst
    assert "b=z" not in worst
    assert answers(found)[0].startswith("a, over all others: 2 raises score by ")
    assert "; of the runs that ended" in answers(found)[0]


def test_a_cell_that_lost_runs_alone_is_not_all_that_is_bold(tmp_path):
    plan = plan_study(toy_study(tmp_path, factors={"gain": [1, 2, 3]}, seeds=4))
    noise = iter(0.01 * ((7 * n) % 5) for n in range(12))

    def value(labels, seed):
        lost = labels["gain"] == 3 and seed == plan.seeds[1]
        return NAN if lost else {1: 0, 2: 5, 3: 6}[labels["gain"]] + seed + next(noise)

    found = study_record(plan, rows_of(plan, value))
    assert [cell.may_be_best for cell in found.metric.cells] == [False, True, True]


def test_pairs_of_factors_are_of_the_runs_that_ended_too(tmp_path):
    found = grid(tmp_path)
    [block] = found.metric.blocks
    assert ", of the runs that ended" not in " ".join(answers(found))
    effects = block.effects
    lost = replace(block, of_those_that_ended=True, at_worst=effects)
    table = effects_table(lost, effects, found.metric)
    [said] = [note.text for note in table.notes if " interact (" in note.text]
    assert "(adj. p < 0.001, of the runs that ended; worst case < 0.001)" in said


def test_no_pair_is_called_plainly_better_that_lost_runs(tmp_path):
    plan = plan_study(
        toy_study(tmp_path, factors={"gain": list(RESULTS)}, seeds=[1, 2, 3, 4], compare="pairs")
    )
    found = study_record(plan, rows_of(plan, lambda c, seed: RESULTS[c["gain"]][seed - 1]))
    said = answers(found)
    assert said[0].startswith("gain=2: better than gain=3, of the runs that ended, +2.0")
    assert "; worst case (lost runs = the table's worst value): gain=2 against gain=3: " in said[0]
    assert said[2] == "1 of 3 pairs: within noise: this study cannot tell the two apart"
    table = pair_table(found.metric, found.metric.pairs)
    told = ["better, of the runs that ended"] * 2
    assert sorted(row.verdict_text for row in table.rows) == [*told, "within noise"]
    notes = [note.line for note in table.notes if note.is_caution]
    assert len(notes) == 1
    assert notes[0].count("gain=2 against") == 2
    for text in (markdown(found), latex(found)):
        assert told[0] in text
