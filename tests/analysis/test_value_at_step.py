"""`value: {at_step: N}`: what a metric was at a step, or last before it."""

import math

import pytest
from rich.console import Console
from studies import toy_study

from ablate.analysis.arrays import value_text, values_of
from ablate.analysis.seed_rule import plan_so_far
from ablate.cli.freeze import analysis_lines
from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.plan.analysis_changes import changes_text, differences
from ablate.plan.analysis_plan import AnalysisPlan
from ablate.study_dir import StudyPaths


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Four runs of four results, and one factor level with two results alone."""
    folder = tmp_path_factory.mktemp("at-step")
    levels = {"long": {"gain": 1, "length": 4}, "short": {"gain": 2, "length": 2}}
    study = toy_study(folder, factors={"way": levels})
    execute(study, Options(local=True), Console(quiet=True))
    return folder, levels


def read(finished, value, **changes):
    folder, levels = finished
    study = toy_study(folder, factors={"way": levels}, value=value, **changes)
    ledger = Ledger(StudyPaths(study.directory))
    return plan_so_far(study, ledger), ledger


def test_a_result_is_that_at_the_step_or_the_last_one_before_it(finished):
    plan, ledger = read(finished, {"at_step": 3})
    assert values_of(plan, ledger.rows, "score").tolist() == [[9.0, 12.0], [8.0, 10.0]]
    assert value_text(plan, ledger.rows, "score") == "value at step 3"

    plan, ledger = read(finished, {"at_step": 1})
    assert values_of(plan, ledger.rows, "score").tolist() == [[2.0, 3.0], [3.0, 4.0]]


def test_a_metric_without_a_curve_has_its_last_value_and_says_so(finished):
    plan, ledger = read(finished, {"at_step": 3}, report_metrics=["other"])
    for row in ledger.rows.values():
        row["other"] = 5.0  # as measured afterwards
    assert values_of(plan, ledger.rows, "other").tolist() == [[5.0, 5.0], [5.0, 5.0]]
    assert value_text(plan, ledger.rows, "other") == "last value"


def test_a_run_that_measured_nothing_by_then_has_no_result(finished):
    plan, ledger = read(finished, {"at_step": 3})
    first = plan.runs_of[0][1].run_id
    del ledger.rows[first]["score@3"]
    values = values_of(plan, ledger.rows, "score").tolist()
    assert math.isnan(values[0][0])
    assert values[0][1] == 12.0


def test_the_ledger_keeps_it_when_a_run_ends(tmp_path, console):
    study = toy_study(tmp_path, value={"at_step": 2})
    outcome = execute(study, Options(local=True), console)
    kept = Ledger(StudyPaths(study.directory))
    assert {row["score@2"] for row in kept.rows.values()} == {5.0, 7.0, 8.0, 10.0}
    assert "value: at step 2" in analysis_lines(AnalysisPlan.of(outcome.plan))


def test_another_step_is_another_analysis(finished):
    fixed, today = (
        AnalysisPlan.of(read(finished, value)[0]) for value in ({"at_step": 2}, {"at_step": 3})
    )
    assert AnalysisPlan.model_validate_json(fixed.model_dump_json()) == fixed
    [told] = changes_text(differences(fixed, today), 4)
    assert "at step 2 -> at step 3" in told
