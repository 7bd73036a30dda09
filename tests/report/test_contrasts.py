"""Factors that interact are compared within each other, and every row says with what."""

import io
import re
from itertools import pairwise

import numpy as np
import pytest
from reports import NAN, rows_of
from rich.console import Console
from studies import toy_study

from ablate.analysis.build import study_record
from ablate.plan.plan import plan_study
from ablate.report.files import markdown
from ablate.report.methods import methods
from ablate.report.paper import paper
from ablate.report.tables import effects_table, metric_table
from ablate.report.terminal import print_report
from ablate.report.words import answers

FACTORS = {"aug": ["none", "mixup"], "size": [500, "all"], "net": ["mlp", "unet"]}
MIXUP = {500: -0.3, "all": 0.15}
"""What it adds to a loss: it helps with few rows, and hurts with all."""


def loss(labels, rng):
    """Of one run, by the cell's labels; the sizes of rows and network matter most."""
    mixup = MIXUP[labels.get("size", 500)] if labels.get("aug") == "mixup" else 0.0
    size, net = labels.get("size") == "all", labels.get("net") == "unet"
    return 20 + mixup - 8 * size - 3 * net + 0.02 * rng.normal()


def found(tmp_path, value_of=loss, **changes):
    """The record of the question whether mixup helps."""
    rng = np.random.default_rng(0)
    raw = {"factors": FACTORS, "seeds": [1, 2, 3], "mode": "min", **changes}
    plan = plan_study(toy_study(tmp_path, **raw))
    return study_record(plan, rows_of(plan, lambda labels, seed: value_of(labels, rng)))


def rows_by_level(record, block=0):
    """Of the table of factors, by factor, place and level: the verdict."""
    [*blocks] = [block for block in record.metric.blocks if block.effects]
    table = effects_table(blocks[block], blocks[block].effects, record.metric)
    told, factor, place = {}, "", ""
    for row in table.rows:
        *names, level = row.labels
        place = "" if names[0] else place
        factor = names[0] or factor
        place = (names[1:] or [""])[0] or place
        told[factor, place, level] = row.verdict.text
    return told


def verdicts(record):
    return {cell.name: cell.comparison.verdict.text for cell in record.metric.cells}


def shown(record, width=80):
    console = Console(file=io.StringIO(), width=width)
    print_report(record, console)
    return console.file.getvalue()


OF_MIXUP = {("aug", "size=500", "mixup"): "better", ("aug", "size=all", "mixup"): "worse"}


@pytest.mark.parametrize("changes", [{}, {"baseline": {"aug": "none"}}, {"pairing": "none"}])
def test_a_factor_is_compared_within_what_it_interacts_with(tmp_path, changes):
    record = found(tmp_path, **changes)
    assert OF_MIXUP.items() <= rows_by_level(record).items()
    assert ("aug", "", "mixup") not in rows_by_level(record)
    assert rows_by_level(record)["net", "", "unet"] == "better"
    first, second, third, fourth, *cells = answers(record)
    assert re.fullmatch(
        r"aug, within size: at size=500 mixup lowers score by 0\.\d+ \[0\.2\d+, 0\.3\d+\]; "
        r"at size=all mixup raises it by 0\.\d+ \[.*\]; worse; 3 seeds",
        first,
    )
    assert second.startswith("size, within aug: at aug=none all lowers score by 7.98")
    assert third.startswith("net, over all others: unet lowers score by 2.9")
    assert fourth.startswith("aug and size interact (p ")
    assert len(cells) <= 3  # two cells, and how many others
    assert "aug, over all others" not in shown(record) + markdown(record) + methods(record)
    assert "at size=500 mixup" in shown(record)


def test_a_baseline_of_one_factor_is_compared_with_in_its_place(tmp_path):
    record = found(tmp_path, baseline={"aug": "none"})
    assert verdicts(record) == {
        **{f"aug=none, size={size}, net={net}": "baseline"
           for size in (500, "all") for net in ("mlp", "unet")},
        "aug=mixup, size=500, net=mlp": "better", "aug=mixup, size=500, net=unet": "better",
        "aug=mixup, size=all, net=mlp": "worse", "aug=mixup, size=all, net=unet": "worse",
    }  # fmt: skip
    title = (
        "score (lower is better), best value, 3 seeds, each cell against aug=none, all else equal"
    )
    assert metric_table(record, record.metric).title == title
    assert title in " ".join(shown(record).split())
    assert "against" not in metric_table(record, record.metric).labels
    assert "baseline: each cell against aug=none, all else equal" in " ".join(paper(record).split())
    assert "Each cell is compared with aug=none, all else equal." in methods(record)
    assert "aug=mixup, size=500, net=mlp (against aug=none) lowers score" in answers(record)[4]


def test_a_cell_whose_partner_is_left_out_is_not_compared(tmp_path):
    left_out = [{"aug": "none", "size": "all", "net": "unet"}]
    record = found(tmp_path, baseline={"aug": "none"}, exclude=left_out)
    assert verdicts(record)["aug=mixup, size=all, net=unet"] == "not compared"
    assert verdicts(record)["aug=mixup, size=all, net=mlp"] == "worse"
    assert [cell.is_baseline for cell in record.metric.cells] == [True] * 3 + [False] * 4
    told = rows_by_level(record)
    assert [v for key, v in told.items() if key[0] == "aug" and key[2] == "mixup"][-1] == "worse"
    assert all(place != "size=all, net=unet" for factor, place, _ in told if factor == "aug")


def test_factors_that_apply_to_some_cells_interact_with_others(tmp_path):
    """alpha applies to mixup alone: more of it helps an MLP, and hurts a U-Net."""
    factors = {"aug": ["none", "mixup"], "alpha": [0.1, 0.2], "net": ["mlp", "unet"]}

    def value(labels, rng):
        more = {"mlp": -1.0, "unet": 0.5}[labels["net"]] * (labels.get("alpha") == 0.2)
        return 10 + more + 0.02 * rng.normal()

    when = {"alpha": {"aug": "mixup"}}
    record = found(tmp_path, value, factors=factors, when=when, baseline={"alpha": 0.1})
    assert verdicts(record) == {
        "aug=none, net=mlp": "not compared", "aug=none, net=unet": "not compared",
        "aug=mixup, alpha=0.1, net=mlp": "baseline", "aug=mixup, alpha=0.1, net=unet": "baseline",
        "aug=mixup, alpha=0.2, net=mlp": "better", "aug=mixup, alpha=0.2, net=unet": "worse",
    }  # fmt: skip
    told = rows_by_level(record)
    assert told["alpha", "net=mlp", "0.2"] == "better"
    assert told["alpha", "net=unet", "0.2"] == "worse"
    assert (
        "net",
        "aug=none, alpha=–",
        "unet",
    ) in told  # where alpha does not apply it is compared, too


def test_each_block_has_what_it_compares(tmp_path):
    blocks = [{"name": "long", "base": {"length": 9}, "factors": FACTORS,
               "baseline": {"size": 500}}]  # fmt: skip
    record = found(tmp_path, baseline={"aug": "none"}, blocks=blocks)
    assert OF_MIXUP.items() <= rows_by_level(record).items()
    assert OF_MIXUP.items() <= rows_by_level(record, 1).items()
    table = metric_table(record, record.metric)
    assert table.labels == ["block", "aug", "size", "net", "against"]
    assert [row.labels[-1] for row in table.rows] == (
        [""] * 4 + ["aug=none"] * 4 + [*[""] * 2, *["size=500"] * 2] * 2
    )
    told = answers(record)
    assert [line.split(", ")[0] for line in told[:3]] == ["aug", "size", "net"]
    assert [line.split(", ")[0] for line in told[4:7]] == [f"{f} of long" for f in FACTORS]
    assert len(told) == 11  # and interactions, two cells, how many others
    screen = shown(record).split("\n\n")[0]
    assert max(map(len, screen.splitlines())) <= 80


def test_lost_runs_are_told_of_where_they_were_lost(tmp_path):
    """A level at one place is of the runs that ended; the same level elsewhere is of all."""
    lost = iter([NAN])

    def value(labels, rng):
        is_there = labels == {"aug": "mixup", "size": 500, "net": "unet"}
        return next(lost, loss(labels, rng)) if is_there else loss(labels, rng)

    record = found(tmp_path, value)
    [block] = record.metric.blocks
    assert set(block.within) == set(block.within_at_worst) == {0, 1}
    told = rows_by_level(record)
    assert told["aug", "size=500", "mixup"] == "better, of the runs that ended"
    assert told["aug", "size=all", "mixup"] == "worse"
    assert "; worst case (lost runs = the table's worst value): " in answers(record)[0]
    notes = [note.text for note in effects_table(block, block.effects, record.metric).notes]
    assert any("aug=mixup at size=500: " in note for note in notes)


def test_many_cells_have_a_line_a_factor_and_few_cells(tmp_path):
    """24 cells: no line a cell, whatever they are compared with."""
    factors = {**FACTORS, "size": [500, "all", *range(4)]}

    def value(labels, rng):
        return 10 + 2 * (labels["net"] == "unet") + 0.3 * rng.normal()

    for changes in ({}, {"baseline": {"aug": "none"}}):
        told = answers(found(tmp_path, value, factors=factors, **changes))
        heads = ["aug, over all others: ", "size, over all others: ", "net, over all others: ",
                 "interactions: none found in 3 pairs"]  # fmt: skip
        assert all(line.startswith(head) for line, head in zip(told, heads, strict=False))
        assert told[0].startswith("aug, over all others: mixup within noise, ")
        assert len(told) <= 4 + 3


def test_one_at_a_time_has_a_line_a_factor(tmp_path):
    record = found(tmp_path, design="one_at_a_time", baseline={"aug": "none"})
    told = answers(record)
    assert told[0].startswith("aug, all else equal: mixup lowers score by 0.299 [")
    assert told[1].startswith("size, all else equal: all lowers score by ")
    assert told[2].startswith("net, all else equal: unet lowers score by ")
    assert len(told) == 3
    same = answers(found(tmp_path, lambda _, rng: rng.normal(), design="one_at_a_time"))
    assert all(re.match(r"\w+, all else equal: \w+ within noise, [-+]", line) for line in same)


def test_costs_are_beside_the_level_that_is_compared_with(tmp_path):
    """Ratios of cells have many baselines, those of levels have one."""
    plan = plan_study(toy_study(tmp_path, factors=FACTORS, seeds=[1, 2, 3], mode="min",
                                baseline={"aug": "none"}))  # fmt: skip
    rng = np.random.default_rng(0)
    rows = rows_of(plan, lambda labels, seed: loss(labels, rng))
    for run in plan.runs:
        rows[run.run_id].update(num_parameters=100 + 300 * (run.cell.labels["net"] == "unet"))
    record = study_record(plan, rows)
    [line] = [line for line in answers(record) if line.startswith("net, ")]
    assert "at +300 % parameters" in line


def test_the_table_of_factors_lists_places_in_the_order_of_their_levels(tmp_path):
    places = [key[1] for key in rows_by_level(found(tmp_path)) if key[0] == "aug"]
    assert places == ["size=500", "size=500", "size=all", "size=all"]
    assert any(one != other for one, other in pairwise(places))


@pytest.mark.parametrize("is_missing", [True, False])
def test_means_are_told_beside_a_difference_that_is_theirs(tmp_path, is_missing):
    """Where a run is missing levels are compared seed by seed, and their means are adjusted."""

    def value(labels, rng):
        return 20 + 3.0 * (labels["net"] == "unet") + 0.1 * rng.normal()

    factors = {"net": ["mlp", "unet"], "size": [500, "all"]}
    plan = plan_study(toy_study(tmp_path, factors=factors, seeds=[1, 2, 3], mode="min"))
    rng = np.random.default_rng(0)

    def result(labels, seed):
        drawn = value(labels, rng)
        lost = is_missing and (labels["net"], labels["size"], seed) == ("unet", "all", 2)
        return NAN if lost else drawn

    record = study_record(plan, rows_of(plan, result))
    [block] = [block for block in record.metric.blocks if block.effects]
    [answer] = [line for line in answers(record) if line.startswith("net, over")]
    notes = [note.text for note in effects_table(block, block.effects, record.metric).notes]
    assert "unet raises score by " in answer
    assert ("->" in answer) != is_missing
    assert any(note.startswith("runs are missing: a level") for note in notes) == is_missing
