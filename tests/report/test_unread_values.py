"""A value that was read for the last time long before its run ended does not pass silently."""

import pytest
from commanded_studies import READ, command_study, project
from reports import rows_of
from studies import toy_study

from ablate.analysis.build import study_record
from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.ledger.history import History
from ablate.plan.plan import plan_study
from ablate.report.first_screen import first_screen
from ablate.study_dir import StudyPaths

TRAIN = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--seed", type=int)
args = parser.parse_args()
for step in (1, 2, 3):
    print(f"step={step} loss={1 / step} acc={2 - step if args.lr == 1 else step}.0")
"""


def told(plan, rows, metric="score"):
    """Cautions of values that are old."""
    record = study_record(plan, rows, metric)
    return [note for note in record.metric.cautions if "measured last" in note]


def test_a_pattern_that_misses_negative_numbers(tmp_path, console):
    """The rate of 1 prints 1, 0 and -1; the other one 1, 2 and 3."""
    folder = project(tmp_path / "p", {"train.py": TRAIN})
    read = {**READ, "acc": "acc=([0-9.]+)", "loss": "loss=([0-9.]+)"}
    study = command_study(
        folder, trainable={"read": read}, factors={"lr": [2, 1]}, report_metrics=["loss"], seeds=1
    )
    outcome = execute(study, Options(local=True), console)
    plan, rows = plan_study(study), outcome.ledger.rows
    assert told(plan, rows, "acc") == [
        "acc of lr=1-s0 was measured last at step 2, its run went on to step 3, and others "
        "have later values: are all of its values read?"
    ]
    assert told(plan, rows, "loss") == [], "measured to the end by all runs"


# Steps of each of two runs' measurements, and where the runs ended.
WITHOUT_CAUSE = {
    "each 10th step": ([10, 20, 30], 39, [10, 20, 30, 40], 40),
    "a chosen step": ([50], 80, [50], 100),
    "a warm-up": ([10, 20], 60, [10, 20], 100),
    "half of the way": ([10, 20], 40, [10, 20, 30, 40], 80),
    "a cadence of its own": ([50, 100], 105, [*range(1, 106)], 105),
    "what is printed as it improves": ([1, 2, 3], 9, [1, 2, 4, 8, 9], 10),
    "a late start of longer runs": ([10], 60, [70, 80, 90], 100),
    "by the clock": ([97, 204, 290], 300, [98, 199, 297], 300),
}


@pytest.mark.parametrize(("one", "end", "other", "its_end"), WITHOUT_CAUSE.values(),
                         ids=WITHOUT_CAUSE)  # fmt: skip
def test_what_runs_do_not_measure_anyway_is_no_cause(tmp_path, one, end, other, its_end):
    assert told(*curves(tmp_path, [(one, end), (other, its_end)])) == []


def test_runs_that_miss_what_others_have_are_counted(tmp_path):
    each = [*range(10, 110, 10)]
    found = told(*curves(tmp_path, [(each, 109), ([10, 30], 109), ([10], 105), ([10], 19)]))
    [note] = found
    assert note.startswith("score of gain=1-s1 was measured last at step 30, its run went on to ")
    assert "step 109 (so of 1 run more)" in note


def test_it_is_seen_on_the_first_screen(tmp_path):
    plan, rows = curves(tmp_path, [([1, 2, 3], 3), ([1], 3)])
    flags = first_screen(study_record(plan, rows)).flags
    assert any("measured last at step 1" in str(flag) for flag in flags)


def test_a_result_that_is_not_of_the_curve_is_none_of_its_values(tmp_path):
    plan, rows = curves(tmp_path, [([1, 2, 3], 3), ([1], 3)])
    for row in rows.values():
        row["score_final"] = 77.0
    assert told(plan, rows) == []


def curves(tmp_path, runs):
    """A plan with a run for each list of steps and end; the values are the steps."""
    plan = plan_study(toy_study(
        tmp_path, factors={"gain": [*range(len(runs))]}, seeds=[1], value="last"
    ))  # fmt: skip
    rows, history = rows_of(plan, lambda labels, seed: 1.0), StudyPaths(plan.study.directory)
    history.history.mkdir(parents=True)
    for run, (steps, end) in zip(plan.runs, runs, strict=True):
        del rows[run.run_id]["score_best"]
        rows[run.run_id] |= {"score_final": float(steps[-1]), "step": end}
        points = [(step, {"score": float(step)}) for step in steps]
        History(history).append(run.run_id, points)
        History(history).finish(run.run_id)
    return plan, rows
