"""The cells of a plan on the screen."""

import io

import pytest
from reports import NAN, rows_of
from rich.console import Console
from studies import toy_study

from ablate.plan.plan import plan_study
from ablate.plan.reconcile import reconcile
from ablate.report.plan_table import print_plan
from ablate.run_row import RunRows

BLOCKS = [
    {"factors": {"gain": [1, 2]}, "baseline": {"gain": 2}},
    {"name": "long", "base": {"length": 7}, "factors": {"gain": [1, 3]}, "baseline": {"gain": 3}},
]


def printed(plan, rows=None, width=80):
    rows = RunRows() if rows is None else rows
    console = Console(file=io.StringIO(), width=width)
    print_plan(plan, reconcile(plan, rows, plan.runs, {}), rows, {}, 1, console)
    return console.file.getvalue().splitlines()


def marked(lines):
    """The labels of the rows that are baselines, and what else is said of them."""
    table = lines[1 : next(n for n, line in enumerate(lines) if " cells" in line)]
    told = [line.split("baseline") for line in table if "baseline" in line]
    return {" ".join(row.split()[:-1]): more.strip() for row, more in told}


def test_every_baseline_is_marked_whatever_became_of_its_runs(tmp_path):
    plan = plan_study(toy_study(tmp_path, factors={}, blocks=BLOCKS))
    assert marked(printed(plan)) == {"2": "", "long 3": ""}
    rows = rows_of(plan, lambda labels, seed: NAN if labels["gain"] == 3 else 1.0)
    assert marked(printed(plan, rows)) == {"2": "", "long 3": ", 2 failed"}


def test_what_is_compared_in_pairs_has_no_baseline(tmp_path):
    assert marked(printed(plan_study(toy_study(tmp_path, compare="pairs")))) == {}


def test_one_that_is_not_shown_is_counted(tmp_path):
    first = {"factors": {"gain": list(range(1, 70))}}
    plan = plan_study(toy_study(tmp_path, factors={}, blocks=[first, BLOCKS[1]]))
    lines = printed(plan)
    assert marked(lines) == {"1": ""}
    assert "... and 11 more cells, 1 of them baseline" in lines


@pytest.mark.parametrize("num", [2, 70])
def test_what_all_cells_share_goes_where_there_is_no_room(tmp_path, num):
    factors = {"a-long-name": ["全部数据", *map(str, range(num))], "another": ["x" * 60]}
    lines = printed(plan_study(toy_study(tmp_path, factors=factors)), width=60)
    is_told = f"every row: another {'x' * 60}" in "".join(lines)
    assert is_told == (num < 60)  # of cells that are not shown no row says anything


def test_a_factor_may_be_called_as_a_column_is(tmp_path):
    """Its levels stand beside what cells are compared with."""
    blocks = [{"name": "z", "factors": {"aug": ["none", "mix"], "lr": [1, 2]}}]
    factors = {"against": ["p", "q"], "aug": ["none", "mix"]}
    lines = printed(plan_study(toy_study(tmp_path, factors=factors, blocks=blocks)), width=120)
    assert lines[1].split() == ["against", "aug", "lr", "against", "done"]
    assert lines[5].split() == ["q", "mix", "–", "against=p,", "aug=none", "0/2"]


def test_numbers_agree(tmp_path):
    plan = plan_study(toy_study(tmp_path, seeds=[1]))
    assert any(line.startswith("2 cells x 1 seed (1) = 2 runs") for line in printed(plan))
