"""The plan says what each cell is compared with, also where the study does not."""

import io

import pytest
from rich.console import Console
from studies import toy_study

from ablate.plan.analysis_changes import changes_text, differences
from ablate.plan.analysis_plan import AnalysisPlan
from ablate.plan.plan import plan_study
from ablate.plan.reconcile import reconcile
from ablate.report.plan_table import print_plan
from ablate.run_row import RunRows

AB = {"a": [1, 2], "b": ["x", "y"]}


def plan_of(tmp_path, **changes):
    return plan_study(toy_study(tmp_path, **{"factors": AB, **changes}))


def printed(tmp_path, width=80, **changes):
    plan = plan_of(tmp_path, **changes)
    console = Console(file=io.StringIO(), width=width)
    print_plan(plan, reconcile(plan, RunRows(), plan.runs, {}), RunRows(), {}, 1, console)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(
    ("changes", "told", "num_baselines"),
    [
        ({}, "each cell against a=1, b=x (first levels: no baseline is named)", 1),
        ({"baseline": {"a": 2, "b": "y"}}, "each cell against a=2, b=y", 1),
        ({"baseline": {"b": "y"}}, "each cell against b=y, all else equal", 2),
        ({"baseline": {"b": "y"}, "design": "one_at_a_time"},
         "each cell against a=1, b=y (a at the first level: not named)", 1),
    ],
)  # fmt: skip
def test_what_all_cells_are_compared_with_is_a_line(tmp_path, changes, told, num_baselines):
    lines = printed(tmp_path, **changes)
    assert told in lines
    assert sum(line.rstrip().endswith("baseline") for line in lines) == num_baselines
    assert "against" not in lines[1]


def test_where_cells_are_compared_with_unlike_ones_each_row_says_it(tmp_path):
    block = {"name": "long", "base": {"length": 9}, "factors": {"a": [2, 1]}}
    lines = printed(tmp_path, blocks=[block])
    assert lines[1].split() == ["block", "a", "b", "against", "done"]
    assert [line.split()[-2] for line in lines[2:8]] == [
        "0/2", "b=x", "a=1", "b=x", "0/2", "a=2",
    ]  # fmt: skip


def test_cells_without_a_partner_are_marked(tmp_path):
    lines = printed(tmp_path, baseline={"b": "y"}, exclude=[{"a": 2, "b": "y"}])
    assert lines[4].split() == ["2", "x", "0/2", "not", "compared"]


def test_pairs_are_compared_with_no_baseline(tmp_path):
    lines = printed(tmp_path, compare="pairs")
    assert not any("baseline" in line or "against" in line for line in lines[:6])


def test_an_analysis_that_meant_one_cell_for_all_is_told_to_be_another_now(tmp_path):
    """As earlier versions kept it: what a baseline did not name was at its first level."""
    now = plan_of(tmp_path, baseline={"b": "y"}, exclude=[{"a": 2, "b": "y"}])
    was = plan_of(tmp_path, baseline={"a": 1, "b": "y"}, exclude=[{"a": 2, "b": "y"}])
    old = AnalysisPlan.model_validate_json(AnalysisPlan.of(was).model_dump_json())
    told = changes_text(differences(old, AnalysisPlan.of(now)), 4)
    assert told == [
        "baseline of a=2, b=x changed after 4 results (a=1, b=y -> nothing)",
        "comparison of a=2, b=x dropped after 4 results",
    ]
    whole, part = (plan_of(tmp_path, baseline=b) for b in ({"a": 1, "b": "y"}, {"b": "y"}))
    assert changes_text(differences(AnalysisPlan.of(whole), AnalysisPlan.of(part)), 4) == [
        "baseline of a=2, b=x changed after 4 results (a=1, b=y -> a=2, b=y)",
        "baseline of a=2, b=y changed after 4 results (a=1, b=y -> a baseline itself)",
    ]
    assert differences(AnalysisPlan.of(part), AnalysisPlan.of(part)) == []
