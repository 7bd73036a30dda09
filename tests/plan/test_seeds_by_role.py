"""More seeds of the baselines than of other cells: plans, parts of them, what they can find."""

import io

import pytest
from rich.console import Console
from studies import toy_study

from ablate.analysis.forecast import visible
from ablate.analysis.resolution import further_visible
from ablate.plan.analysis_changes import changes_text, differences
from ablate.plan.analysis_plan import AnalysisPlan
from ablate.plan.plan import plan_study
from ablate.plan.reconcile import reconcile
from ablate.plan.select import select_runs
from ablate.report.plan_table import print_plan
from ablate.run_row import RunRow, RunRows
from ablate.stats.dunnett import Family
from ablate.stats.replication import visible_differences

MORE = {"factors": {"gain": [1, 2, 3]}, "seeds": {"baseline": 5, "others": 1}}


def plan_of(tmp_path, **changes):
    return plan_study(toy_study(tmp_path, **{**MORE, **changes}))


def printed(plan, rows):
    console = Console(file=io.StringIO(), width=100)
    print_plan(plan, reconcile(plan, rows, plan.runs, {}), rows, {}, 1, console)
    return console.file.getvalue()


def test_the_plan_counts_each_cells_own_runs(tmp_path):
    plan = plan_of(tmp_path)
    rows = RunRows()
    for run in plan.runs[:2]:
        rows[run.run_id] = RunRow(run_id=run.run_id, status="ok")
    told = printed(plan, rows)
    assert "3 cells, seeds: 5 of baselines (0, 1, 2, 3, 4), 1 of others (0) = 7 runs" in told
    assert "5 to do, 2 done" in told
    assert [told.count(done) for done in ("1/5", "1/1", "0/1")] == [1, 1, 1]


def test_only_names_the_cells_that_have_a_seed(tmp_path):
    plan = plan_of(tmp_path)
    assert [len(select_runs(plan, f"seed={seed}")) for seed in (0, 3)] == [3, 1]


def test_what_it_finds_rests_on_the_replicated_cells(tmp_path):
    """Four degrees of freedom, and a standard error of sqrt(1 + 1 / 5) sd; by seed of sqrt(2).

    Two differences share the baseline's variance: 1 / 5 of 1 + 1 / 5, or 1 of 2.
    """
    alone, paired = (plan_of(tmp_path, pairing=p) for p in ("none", "seed"))
    for plan, num, shared in ((alone, 2 / (1 + 1 / 5), 1 / 6), (paired, 1, 1 / 2)):
        critical = Family(2, shared, 4).critical_value()
        least = visible_differences(1.0, 4, 2, num, critical=critical).found
        told = visible(plan, RunRows())
        assert f"can see differences of {least:.2g} seed standard deviations (very large" in told
        assert "four times in five (df 4)" in told
        assert further_visible(plan, RunRows()) == []


def test_unpaired_designs_have_the_degrees_of_freedom_of_runs(tmp_path):
    grid = {"factors": {"a": [1, 2, 3], "b": ["x", "y"]}, "seeds": 4}
    plan = plan_of(tmp_path, pairing="none", **grid)
    assert "(df 18)" in visible(plan, RunRows())
    [factors, cells] = further_visible(plan, RunRows())
    assert factors.count(", df 18)") == 2
    assert "24 runs in place of 24" in cells
    assert ", df 21)" in cells


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"pairing": "none"}, ["pairing changed after 9 results (seed -> none)"]),
        ({"seeds": {"baseline": 5, "others": 2}},
         ["seed 1 (of other cells than baselines) added after 9 results"]),
        ({"seeds": {"baseline": 4, "others": 1}}, ["seed 4 dropped after 9 results"]),
        ({}, []),
    ],
)  # fmt: skip
def test_changes_of_the_analysis_are_told(tmp_path, changes, told):
    before, after = (AnalysisPlan.of(plan_of(tmp_path, **c)) for c in ({}, changes))
    assert changes_text(differences(before, after), 9) == told
    again = AnalysisPlan.model_validate_json(after.model_dump_json())
    assert differences(after, again) == []
