"""Seeds by rule, a second baseline: whole studies in this process."""

from dataclasses import replace

import numpy as np
import pytest
from reports import rows_of
from studies import by_name, flow_study, toy_study

from ablate.analysis.build import study_record
from ablate.analysis.forecast import visible
from ablate.analysis.seed_rule import plan_so_far
from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.numbers import rounded
from ablate.plan.plan import plan_study
from ablate.spec.seeds import SeedRule
from ablate.study_dir import StudyPaths

LOCAL = Options(local=True)


def noisy(tmp_path, half_width, most=9, **changes):
    """Two cells of unit noise."""
    seeds = {"min": 3, "max": most, "until": {"half_width": half_width}}
    return toy_study(tmp_path, trainable="toy:Noisy", seeds=seeds, **changes)


@pytest.fixture
def first_stage(tmp_path, console):
    """Residual sd and critical value after the first three seeds."""
    study = noisy(tmp_path / "first", 1e9)
    outcome = execute(study, LOCAL, console)
    comparisons = study_record(outcome.plan, outcome.ledger.rows).metric.comparisons
    assert len(outcome.plan.seeds) == 3
    found = comparisons.each[1]
    critical = (found.high - found.low) / 2 / (comparisons.residual_sd * np.sqrt(2 / 3))
    return comparisons.residual_sd, critical


def test_a_rule_adds_the_seeds_that_its_half_width_needs(tmp_path, console, first_stage):
    sd, critical = first_stage
    width = critical * sd * np.sqrt(2 / 5.5)  # between what 5 and 6 seeds give
    study = noisy(tmp_path, float(width))
    outcome = execute(study, LOCAL, console)
    assert outcome.plan.seeds == tuple(range(6))
    assert {row["status"] for row in outcome.ledger.rows.values()} == {"ok"}
    assert len(outcome.ledger.rows) == 12
    record = study_record(outcome.plan, outcome.ledger.rows)
    found = record.metric.comparisons.each[1]
    assert (found.high - found.low) / 2 == pytest.approx(critical * sd * np.sqrt(2 / 6))
    assert (found.high - found.low) / 2 <= width
    note, assumed = record.notes
    assert note.startswith("seeds: the first 3 seeds have a residual sd of ")
    assert note.endswith("needs 6 seeds: 3 added")
    assert "up to 10 % of tables are wrong" in assumed
    again = plan_so_far(study, Ledger(StudyPaths(study.directory)))
    assert again.seeds == outcome.plan.seeds


def test_a_retried_run_changes_no_number_of_seeds(tmp_path, console):
    """By then all results have been seen; a changed rule is said to be one."""
    seeds = {"min": 3, "max": 9, "until": {"half_width": 1.6}}
    base = {"fails_once": str(tmp_path / "marker"), "at": "2-1"}
    study = toy_study(tmp_path, trainable="toy:Noisy", base=base, retries=0, seeds=seeds)
    first = execute(study, LOCAL, console)
    assert "failed" in {row["status"] for row in first.ledger.rows.values()}
    again = execute(study, Options(local=True, retry_failed=True), console)
    assert again.exit_code == 0
    assert again.plan.seeds == first.plan.seeds
    wider = {"min": 3, "max": 9, "until": {"half_width": 99}}
    changed = execute(study.model_copy(update={"seeds": SeedRule(**wider)}), LOCAL, console)
    assert "The rule was changed after results were in" in changed.plan.seeding


def test_a_rule_stops_at_its_maximum_and_says_so(tmp_path, console):
    outcome = execute(noisy(tmp_path, 1e-6, most=4), LOCAL, console)
    assert outcome.plan.seeds == (0, 1, 2, 3)
    assert "more than max: limited to 4" in outcome.plan.seeding


def test_a_cell_that_ends_wider_than_asked_is_named(tmp_path):
    study = noisy(tmp_path, 1.0, most=12, factors={"gain": [1, 2, 3, 4]})
    plan = replace(plan_study(study, seeds=range(12)), seeds_decided=True)
    rng = np.random.default_rng(0)
    sd = {1: 0.5, 2: 0.5, 3: 0.5, 4: 5.0}
    rows = rows_of(plan, lambda labels, seed: rng.normal() * sd[labels["gain"]])
    [caution] = study_record(plan, rows).metric.cautions
    assert caution.startswith("intervals wider than the requested half-width of 1, because")
    assert caution.endswith(": gain=4")


def test_a_forecast_rests_on_the_first_seeds_as_verdicts_do(tmp_path):
    plan = replace(plan_study(noisy(tmp_path, 1.0, most=12), seeds=range(12)), seeds_decided=True)
    rng = np.random.default_rng(0)
    rows = rows_of(plan, lambda labels, seed: rng.normal())
    found = study_record(plan, rows).metric
    assert f"one of {rounded(found.detectable, found.detectable)} is found four times " in visible(
        plan, rows
    )


def test_a_rule_waits_for_its_first_stage(tmp_path, console):
    outcome = execute(noisy(tmp_path, 1e-6), Options(local=True, only="gain=1"), console)
    assert outcome.plan.seeds == (0, 1, 2)
    assert outcome.plan.seeding.startswith("the variance of the first 3 seeds decides how many")


def test_the_baseline_runs_again_on_other_seeds(tmp_path, console):
    study = flow_study(tmp_path, aa=True, seeds=[1, 2, 3])
    outcome = execute(study, LOCAL, console)
    assert len(outcome.ledger.rows) == 9
    record = study_record(outcome.plan, outcome.ledger.rows)
    assert record.metric.values.shape == (2, 3)
    assert record.metric.again is not None
    assert record.metric.again.verdict.text == "within noise"
    rows = by_name(outcome.ledger)
    mean = np.mean([rows[f"icfm-s{1_000_000 + s}"]["sliced_w2_best"] for s in (1, 2, 3)])
    base = np.mean([rows[f"icfm-s{s}"]["sliced_w2_best"] for s in (1, 2, 3)])
    assert record.metric.again.difference == pytest.approx(mean - base)


def test_seeds_added_by_hand_are_listed_by_launch(tmp_path, console):
    execute(toy_study(tmp_path, seeds=[1, 2]), LOCAL, console)
    outcome = execute(toy_study(tmp_path, seeds=[1, 2, 5]), LOCAL, console)
    [note] = study_record(outcome.plan, outcome.ledger.rows).notes
    assert note.startswith("seeds were added later (launch 1: 1, 2; launch 2: 5)")
