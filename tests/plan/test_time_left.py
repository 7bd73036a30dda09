"""The time left: by what runs of a cell took, in the slots that are in use, packs as one trial."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from studies import flow_study, toy_study

from ablate.plan.glance import Glance, TimeLeft, glance_at, left_text
from ablate.plan.plan import plan_study
from ablate.plan.time_left import Durations, seconds_left, trials_running
from ablate.run_row import RunRow, RunRows

NOW = datetime.now(UTC)


def rows_of(plan, **told):
    """Rows by `gain=1-s1`: seconds of training of a run that ended, or columns of any other."""
    names = {run.run_name.replace("-", "_").replace("=", "_"): run for run in plan.runs}
    rows = RunRows()
    for name, columns in told.items():
        run = names[name]
        if not isinstance(columns, dict):
            ended = {
                "status": "ok",
                "started_at": NOW,
                "ended_at": NOW + timedelta(seconds=columns),
            }
            columns = {**ended, "seconds": float(columns), "trial": name}
        rows[run.run_id] = RunRow(run_id=run.run_id, **columns)
    return rows


def under_way(seconds, trial="t", started_at=NOW):
    return {"status": "pending", "started_at": started_at, "seconds": seconds, "trial": trial}


def left(plan, rows, slots=1):
    return TimeLeft(plan, plan.runs, rows).seconds(slots)


@pytest.fixture
def plan(tmp_path):
    return plan_study(toy_study(tmp_path, seeds=[1, 2, 3]))


def test_nothing_is_said_before_a_run_has_ended_well(plan):
    assert math.isnan(left(plan, rows_of(plan)))
    failed = {"status": "failed", "seconds": 9.0}
    assert math.isnan(left(plan, rows_of(plan, gain_1_s1=failed, gain_2_s1=under_way(1.0))))


def test_runs_take_what_others_of_their_cell_took_and_go_to_the_slot_that_is_free_first(plan):
    rows = rows_of(plan, gain_1_s1=100, gain_2_s1=10)
    assert left(plan, rows) == 100 + 10 + 100 + 10
    assert left(plan, rows, slots=2) == 110
    rows = rows_of(plan, gain_1_s1=100, gain_2_s1=10, gain_1_s2=under_way(40.0))
    assert left(plan, rows, slots=2) == 110  # 60 and 10 | 10 and 100


def test_of_a_cell_that_has_not_ended_the_ones_most_like_it_count(tmp_path):
    plan = plan_study(toy_study(tmp_path, factors={"gain": [1, 2], "length": [4, 8]}, seeds=[1]))
    durations = Durations.of(plan.runs, rows_of(plan, gain_1_length_4_s1=10, gain_2_length_4_s1=30))
    of = {run.run_name: durations.of_cell(run.cell) for run in plan.runs}
    assert of["gain=1-length=8-s1"] == 10
    assert of["gain=2-length=8-s1"] == 30


def test_a_start_takes_time_and_a_night_between_two_commands_does_not(plan):
    whole = {"status": "ok", "seconds": 10.0, "started_at": NOW, "trial": "a"}
    rows = rows_of(plan, gain_1_s1={**whole, "ended_at": NOW + timedelta(seconds=13)})
    assert left(plan, rows) == 5 * 13
    rows = rows_of(plan, gain_1_s1={**whole, "ended_at": NOW + timedelta(hours=9)})
    assert left(plan, rows) == 5 * 10


def test_until_the_next_trial_starts_its_slot_is_empty(plan):
    ended = {"status": "ok", "seconds": 10.0, "launch": 1}
    times = {
        name: {"started_at": NOW + timedelta(seconds=20 * n), "trial": name,
               "ended_at": NOW + timedelta(seconds=20 * n + 10)}
        for n, name in enumerate(("gain_1_s1", "gain_2_s1"))
    }  # fmt: skip
    rows = rows_of(plan, **{name: {**ended, **at} for name, at in times.items()})
    assert left(plan, rows) == 4 * (10 + 10)


def test_a_run_past_its_time_still_needs_some_and_one_that_tells_nothing_goes_by_the_clock(plan):
    ended = {f"gain_{gain}_s{seed}": 10 for gain in (1, 2) for seed in (1, 2, 3)}
    assert left(plan, rows_of(plan, **ended | {"gain_2_s3": under_way(50.0)})) == 5
    began = NOW - timedelta(seconds=4)
    silent = rows_of(plan, **ended | {"gain_2_s3": under_way(None, started_at=began)})
    durations, running = Durations.of(plan.runs, silent), trials_running(plan.runs, silent)
    assert seconds_left(durations, silent, running, [], now=NOW) == 6


def test_runs_of_a_pack_wait_for_one_slot_together(tmp_path):
    plan = plan_study(flow_study(tmp_path, pack=3, seeds=[1, 2, 3, 4]))
    rows = RunRows()
    for run in plan.runs[:2]:
        rows[run.run_id] = RunRow(run_id=run.run_id, status="ok", seconds=10.0)
    assert left(plan, rows, slots=8) == 30


def test_a_glance_is_of_the_ledger_alone(plan):
    rows = rows_of(plan, gain_1_s1=60, gain_2_s1={"status": "diverged"})
    assert glance_at(plan, rows, has_driver=True).text == "2/6 done, 0 running, 1 failed"
    rows = rows_of(plan, gain_1_s1=60, gain_2_s1=60, gain_1_s2=under_way(0.5))
    assert glance_at(plan, rows, has_driver=True).text == "2/6 done, 1 running, about 4 min left"
    assert glance_at(plan, rows, has_driver=False).text == "2/6 done, 0 running"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(math.nan, ""), (3, "a few seconds left"), (41, "about 40 s left"), (57, "about 1 min left"),
     (725, "about 12 min left"), (3590, "about 1 h left"), (7800, "about 2 h 10 min left"),
     (40 * 3600, "about 40 h left"), (100 * 3600, "about 4 days left")],
)  # fmt: skip
def test_an_estimate_is_told_no_more_exactly_than_it_is(seconds, told):
    assert left_text(seconds) == told
    parts = Glance(planned=1, done=0, failed=0, running=1, left_s=seconds).parts
    assert parts == ["0/1 done", "1 running", *([told] if told else [])]
