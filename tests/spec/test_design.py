"""Designs: which cells a study has, and what each is compared with."""

import pytest

from ablate.errors import InputError
from ablate.plan.plan import plan_study
from ablate.spec.load import read_study
from ablate.spec.models import AA_SEED_OFFSET

TOY = {"study": "t", "metric": "score", "trainable": "toy:Counter", "seeds": [1, 2]}
FLOW = {"study": "f", "metric": "sliced_w2", "base": {"epochs": 2}, "seeds": [1]}


def plan(raw=TOY, **changes):
    return plan_study(read_study({**raw, **changes}, "grid.yaml"))


def names(planned):
    return [cell.name for cell in planned.cells]


def mistakes(raw=TOY, **changes):
    with pytest.raises(InputError) as error:
        read_study({**raw, **changes}, "grid.yaml")
    return str(error.value)


AB = {"a": [1, 2, 3], "b": ["x", "y"]}


def test_one_at_a_time_changes_each_level_alone():
    planned = plan(factors=AB, baseline={"a": 2, "b": "y"}, design="one_at_a_time")
    assert names(planned) == ["a=2, b=y", "a=1, b=y", "a=3, b=y", "a=2, b=x"]
    assert planned.baseline.labels == {"a": 2, "b": "y"}
    assert planned.references == (0, 0, 0, 0)
    left_out = plan(factors=AB, design="one_at_a_time", exclude=[{"a": 3}])
    assert names(left_out) == ["a=1, b=x", "a=2, b=x", "a=1, b=y"]


def test_chosen_cells_are_filled_up_from_the_baseline():
    cells = [{"a": 3, "b": "y"}, {"a": 1}, {"b": "y"}]
    planned = plan(factors=AB, design="cells", cells=cells)
    assert names(planned) == ["a=3, b=y", "a=1, b=y"]  # the third says what the first says
    named = plan(factors=AB, design="cells", cells=cells[1:], baseline={"a": 1, "b": "x"})
    assert names(named) == ["a=1, b=x", "a=1, b=y"]


def test_factors_apply_only_under_their_conditions():
    factors = {"flow": ["icfm", "si", "vp"], "gamma": [0.0, 0.1], "interpolant": ["gvp", "linear"]}
    when = {"gamma": {"flow": ["si"]}, "interpolant": {"flow": "si", "gamma": 0.1}}
    planned = plan(FLOW, factors=factors, when=when)
    assert names(planned) == [
        "flow=icfm", "flow=si, gamma=0",
        "flow=si, gamma=0.1, interpolant=gvp", "flow=si, gamma=0.1, interpolant=linear",
        "flow=vp",
    ]  # fmt: skip
    assert [run.run_name for run in planned.runs][:2] == ["icfm-s1", "si-gamma=0-s1"]
    assert planned.blocks[0].levels[0] == {"flow": 0}


def test_blocks_share_cells_that_coincide_and_have_baselines_of_their_own():
    planned = plan(
        FLOW,
        factors={"flow": ["icfm", "vp"]},
        blocks=[
            {"name": "rate", "factors": {"lr": [0.001, 0.01]}},
            {"base": {"arch": "dit", "scale": "tiny"}, "factors": {"flow": ["icfm", "vp"]}},
        ],
    )
    assert names(planned) == [
        "flow=icfm, lr=0.001", "flow=vp", "lr=0.01", "2: flow=icfm", "2: flow=vp",
    ]  # fmt: skip
    assert [block.name for block in planned.blocks] == ["", "rate", "2"]
    assert [block.members for block in planned.blocks] == [(0, 1), (0, 2), (3, 4)]
    assert planned.references == (0, 0, 0, 3, 3)
    archs = [run.config["arch"] for run in planned.runs]
    assert archs == ["mlp"] * 3 + ["dit"] * 2
    assert [run.run_name for run in planned.runs] == [
        "icfm-lr=0.001-s1", "vp-s1", "lr=0.01-s1", "2-icfm-s1", "2-vp-s1",
    ]  # fmt: skip
    alone = plan(FLOW, blocks=[{"factors": {"lr": [0.01, 0.1]}}])
    assert names(alone) == ["lr=0.01", "lr=0.1"]


def test_a_comparison_may_be_named_beforehand():
    planned = plan(factors=AB, compare=[{"a": 2}, {"a": 3, "b": "y"}])
    assert [c.name for c, named in zip(planned.cells, planned.compared, strict=True) if named] == [
        "a=2, b=x", "a=2, b=y", "a=3, b=y",
    ]  # fmt: skip


def test_all_cells_may_be_compared_in_pairs():
    rates = {"name": "rate", "factors": {"lr": [0.001, 0.01]}}
    planned = plan(FLOW, factors={"flow": ["icfm", "vp"]}, compare="pairs", blocks=[rates])
    assert planned.study.compares_pairs
    assert not any(planned.compared)


def test_seeds_may_be_a_count():
    assert plan(seeds=3).seeds == (0, 1, 2)
    rule = {"min": 2, "max": 9, "until": {"half_width": 0.1}}
    assert plan(seeds=rule).seeds == (0, 1)


def test_baselines_may_have_more_seeds():
    """Those of blocks, too, and the baseline that is run again."""
    blocks = [{"name": "long", "base": {"length": 9}, "factors": {"b": ["x", "y"]}}]
    seeds = {"baseline": 3, "others": [1]}
    planned = plan(factors={"a": [1, 2]}, blocks=blocks, seeds=seeds, aa=True)
    assert [(run.cell.name, run.seed % AA_SEED_OFFSET) for run in planned.runs] == [
        ("a=1", 0), ("long: b=x", 0), ("a=1 again", 0),
        ("a=1", 1), ("a=2", 1), ("long: b=x", 1), ("long: b=y", 1), ("a=1 again", 1),
        ("a=1", 2), ("long: b=x", 2), ("a=1 again", 2),
    ]  # fmt: skip
    in_full = plan(factors={"a": [1, 2]}, blocks=blocks, seeds=3, aa=True)
    assert {run.run_id for run in planned.runs} < {run.run_id for run in in_full.runs}


@pytest.mark.parametrize(
    ("changes", "is_paired"),
    [
        ({}, False),
        ({"pairing": "seed"}, True),
        ({"trainable": "flow_matching", "metric": "sliced_w2", "base": {"epochs": 2}}, True),
        ({"trainable": "flow_matching", "metric": "sliced_w2", "base": {"epochs": 2},
          "pairing": "none"}, False),
    ],
)  # fmt: skip
def test_runs_are_paired_where_they_share_draws_or_the_study_says_so(changes, is_paired):
    assert plan(**changes).is_paired == is_paired


def test_a_second_baseline_runs_on_other_seeds():
    planned = plan(factors={"a": [1, 2]}, aa=True)
    again = [run for run in planned.runs if run.cell is planned.aa_cell]
    assert [run.seed for run in again] == [AA_SEED_OFFSET + 1, AA_SEED_OFFSET + 2]
    assert [run.run_name for run in planned.runs][:3] == ["a=1-s1", "a=2-s1", "a=1-s1000001"]
    assert {run.run_id for run in planned.runs} > {run.run_id for run in again}
    assert len(planned.cells) == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"design": "cells"}, "design = 'cells': go together: design: cells and a list of cells\n"
         "      fix: add cells: [...]"),
        ({"cells": [{"a": 1}]}, "fix: add design: cells"),
        ({"design": "cells", "cells": [{"a": 1}, {"a": 4}]}, "cells[1].a = 4: is not a level"),
        ({"when": {"c": {"a": 1}}}, "when.c: is not a factor\n      choices: a, b"),
        ({"when": {"b": {"a": 7}}}, "when.b.a = 7: is not a level of the factor"),
        ({"when": {"b": {"a": 3}}, "design": "one_at_a_time"},
         "when.b = {'a': 3}: does not hold at the baseline"),
        ({"when": {"b": {"a": 3}}, "exclude": [{"a": 3}]},
         "when.b = {'a': 3}: holds in no cell of the design"),
        ({"compare": "all"}, "compare = 'all': should be a list or should be 'pairs'"),
        ({"compare": "pairs", "blocks": [{"base": {"length": 9}, "factors": AB}]},
         "compare = 'pairs': blocks with baselines of their own have no pairs in common"),
        ({"verdicts": "every"}, "verdicts = 'every': not a valid choice"),
        ({"compare": [{"a": 9}]}, "compare[0].a = 9: is not a level of the factor"),
        ({"compare": [{"a": 2, "b": "y"}], "design": "one_at_a_time"},
         "compare[0] = {'a': 2, 'b': 'y'}: matches no cell"),
        ({"blocks": [{"factors": {"a": 1}}]}, "blocks[0].factors.a = 1: is neither a list"),
        ({"blocks": [{"factors": {"d": [1]}, "baseline": {"d": 2}}]},
         "blocks[0].baseline.d = 2: is not a level of the factor"),
        ({"blocks": [{"factor": {}}]}, "blocks[0].factor: unknown key\n      choices: base"),
        ({"seeds": {"min": 5, "max": 3, "until": {"half_width": 1}}},
         "seeds: min 5 is above max 3: raise max"),
        ({"seeds": {"max": 3, "until": {"half_with": 1}}}, "seeds.until.half_width: missing"),
        ({"seeds": {"max": 3}}, "seeds.until: missing"),
        ({"seeds": {"baseline": 5}}, "seeds.others: missing"),
        ({"seeds": {"baseline": 5, "other": 1}}, "seeds.other: unknown key"),
        ({"seeds": {"baseline": 5, "others": 0}},
         "seeds.others = 0: a number of seeds is between 1 and 10000"),
        ({"seeds": {"baseline": 3, "others": [5, 6]}}, "baseline and others share no seed"),
        ({"seeds": {"baseline": [1, 1], "others": [1]}},
         "seeds.baseline[1] = 1: the seed is listed twice"),
        ({"pairing": "seeds"}, "pairing = 'seeds': not a valid choice\n      choices: seed, none"),
        ({"report_metrics": 3}, "report_metrics = 3: should be a list"),
        ({"factors": {"score_best": [1]}}, "factors.score_best: has the name of a metric's column"),
        ({"factors": {"a": [1, "1"]}}, "factors.a[1] = '1': the level is listed twice"),
        ({"when": {"a": {"a": 1}}}, "when.a = 'a -> a': depends on itself"),
        ({"when": {"a": {"b": "x"}, "b": {"a": 1}}}, "when.a = 'a -> b -> a': depends on itself"),
        ({"seeds": 0}, "seeds = 0: a number of seeds is between 1 and 10000"),
        ({"seeds": [1, 1_000_001], "aa": True}, "aa = 1000001: the second baseline of seed 1"),
        ({"factors": {}, "blocks": [{"factors": AB}], "exclude": [{"a": 1}]},
         "applies to the study's own factors, and there are none"),
        ({"blocks": [{"name": "n", "factors": {"d": [1, 2]}}] * 2}, "another block has this name"),
        ({"factors": {"a": [0, 1, 2]}, "blocks": [{"factors": {"a": [5, 1]}}]},
         "blocks[0].baseline = {'a': 5}: cell a=1 is also in the first block, with another"),
        ({"blocks": [{"factors": {"b": {"x": {"a": 3}}}}]},
         "blocks[0].factors.b = 'x': the level sets different keys than in factors.b"),
    ],
)  # fmt: skip
def test_mistakes_of_designs(changes, told):
    assert told in mistakes(**{"factors": AB, **changes})


def test_mistakes_in_configs_are_told_at_the_block_that_makes_them():
    text = mistakes(
        FLOW,
        report_metrics=["slcd_w2"],
        factors={"flow": ["icfm"]},
        blocks=[{"base": {"lr": "x"}, "factors": {"flow": ["vpp"]}}],
    )
    assert text.startswith("grid.yaml: 3 mistakes")
    assert "blocks[0].base.lr = 'x': should be a valid number" in text
    assert "blocks[0].factors.flow[0] = 'vpp': not a valid choice" in text
    assert "report_metrics[0] = 'slcd_w2': the trainable reports no such metric" in text


def partners(planned):
    """By cell what it is compared with; nothing of those that are compared with none."""
    pairs = zip(planned.cells, planned.references, strict=True)
    return {c.name: planned.cells[r].name for c, r in pairs if c.index not in planned.alone}


class TestBaselinesOfSomeFactors:
    def test_cells_are_compared_with_the_one_that_has_its_levels_all_else_being_equal(self):
        planned = plan(factors=AB, baseline={"b": "y"})
        assert partners(planned) == {
            f"a={a}, b={b}": f"a={a}, b=y" for a in (1, 2, 3) for b in ("x", "y")
        }
        assert planned.baselines == {1, 3, 5}
        assert planned.blocks[0].baseline_levels == (0, 1)
        assert all(planned.compared)

    @pytest.mark.parametrize("baseline", [{}, {"b": "x"}, {"a": 2}, {"a": 2, "b": "x"}])
    def test_all_factors_or_none_are_one_cell(self, baseline):
        planned = plan(factors=AB, baseline=baseline)
        assert (len(planned.baselines) == 1) == (len(baseline) != 1)

    def test_factors_apply_where_the_baseline_lets_them(self):
        factors = {"flow": ["icfm", "si", "vp"], "gamma": [0.0, 0.1], "arch": ["mlp", "dit"]}
        when = {"gamma": {"flow": "si"}}
        of_flow = partners(plan(FLOW, factors=factors, when=when, baseline={"flow": "icfm"}))
        assert of_flow["flow=si, gamma=0.1, arch=dit"] == "flow=icfm, arch=dit"
        # What applies to the baseline alone is at its first level.
        of_si = partners(plan(FLOW, factors=factors, when=when, baseline={"flow": "si"}))
        assert of_si["flow=vp, arch=dit"] == "flow=si, gamma=0, arch=dit"
        assert of_si["flow=si, gamma=0.1, arch=dit"] == "flow=si, gamma=0.1, arch=dit"
        # A factor that does not apply makes no baseline of a cell.
        planned = plan(FLOW, factors=factors, when=when, baseline={"gamma": 0.1})
        assert set(partners(planned)) == {
            f"flow=si, gamma={gamma}, arch={arch}" for gamma in (0, 0.1) for arch in ("mlp", "dit")
        }

    @pytest.mark.parametrize(
        "changes",
        [
            {"exclude": [{"a": 2, "b": "x"}]},
            {"design": "cells", "cells": [{"a": 1, "b": b} for b in "xy"] + [{"a": 2, "b": "y"}]},
        ],
    )
    def test_cells_without_a_partner_are_told(self, changes):
        planned = plan(factors={"a": [1, 2], "b": ["x", "y"]}, baseline={"b": "x"}, **changes)
        assert [planned.cells[cell].name for cell in planned.alone] == ["a=2, b=y"]
        assert [planned.cells[c].name for c, named in enumerate(planned.compared) if not named] == [
            "a=2, b=y"
        ]
        [note] = [note for note in planned.notes if note.startswith("not compared: a=2, b=y: ")]
        assert "there is no cell with the baseline's levels" in note

    def test_listed_comparisons_hold_of_cells_with_a_partner_alone(self):
        alone = {"factors": AB, "baseline": {"b": "x"}, "exclude": [{"a": 2, "b": "x"}]}
        planned = plan(**alone, compare=[{"b": "y"}])
        assert [planned.cells[c].name for c, named in enumerate(planned.compared) if named] == [
            "a=1, b=y", "a=3, b=y"
        ]  # fmt: skip
        told = mistakes(**alone, compare=[{"b": "y"}, {"a": 2, "b": "y"}])
        assert "compare[1] = {'a': 2, 'b': 'y'}: matches only cells that are compared with " in told
        assert "1 mistake" in told
        # Another block compares the cell.
        block = {"name": "z", "base": {"b": "y"}, "factors": {"a": [1, 2]}}
        assert plan(**alone, compare=[{"a": 2, "b": "y"}], blocks=[block]).compared[2]

    @pytest.mark.parametrize(
        "changes",
        [
            {"baseline": {"b": "x"}, "exclude": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"},
                                                 {"a": 3, "b": "y"}]},
            {"baseline": {"b": "x"}, "exclude": [{"b": "y"}]},
        ],
    )  # fmt: skip
    def test_a_baseline_that_compares_nothing_is_a_mistake(self, changes):
        told = mistakes(factors=AB, **changes)
        assert "baseline = {'b': 'x'}: leaves nothing to compare" in told
        assert "fix: name all factors" in told
        assert "1 mistake" in told

    def test_one_at_a_time_starts_from_one_recipe(self):
        planned = plan(factors=AB, baseline={"b": "y"}, design="one_at_a_time")
        assert partners(planned) == dict.fromkeys(
            ["a=1, b=y", "a=2, b=y", "a=3, b=y", "a=1, b=x"], "a=1, b=y"
        )

    def test_all_baselines_have_the_seeds_of_baselines_and_the_first_is_run_again(self):
        planned = plan(factors=AB, baseline={"b": "y"}, seeds={"baseline": 3, "others": 1}, aa=True)
        nums = {cell.name: len(planned.runs_of[cell.index]) for cell in planned.cells}
        assert nums == {f"a={a}, b={b}": 3 if b == "y" else 1 for a in (1, 2, 3) for b in "xy"}
        assert planned.aa_cell.name == "a=1, b=y again"

    def test_ids_do_not_depend_on_it(self):
        one, other = (plan(factors=AB, baseline=b) for b in ({}, {"b": "y"}))
        assert [run.run_id for run in one.runs] == [run.run_id for run in other.runs]

    def test_blocks_may_share_cells_that_both_compare_alike(self):
        same = {"name": "n", "factors": AB, "baseline": {"b": "x"}}
        planned = plan(factors=AB, baseline={"b": "x"}, blocks=[same])
        assert planned.baselines == {0, 2, 4}
        told = mistakes(factors=AB, blocks=[same])
        assert "blocks[0].baseline = {'b': 'x'}: 2 cells are, a=2, b=y for one, also in" in told


def test_a_wrong_value_is_told_where_cells_are_compared_in_pairs_too():
    told = mistakes(FLOW, base={"lr": "x"}, factors={"flow": ["icfm", "vp"]}, compare="pairs")
    assert told.startswith("grid.yaml: 1 mistake\n")
    assert "base.lr = 'x': should be a valid number" in told
