"""Cells that repeat the numbers of others are no further runs, wherever runs are counted."""

import math
import random
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from reports import rows_of
from studies import toy_study

from ablate.analysis.build import study_record
from ablate.analysis.forecast import visible
from ablate.analysis.seed_rule import plan_so_far
from ablate.plan.plan import plan_study
from ablate.stats.dunnett import Family
from ablate.stats.judge_table import judge_table
from ablate.stats.repeats import counted_once
from ablate.stats.verdicts import Cause, VerdictKind, compare_to_baseline

AUG = {"aug": ["none", "mix", "cut"]}
NETS = {**AUG, "net": ["a", "b", "c"]}
SEEDS = [1, 2, 3, 4]


def noise(*key):
    """The same for the same key, with all its digits."""
    return 10 + random.Random(str(key)).gauss(0, 1)


def by_aug(labels, seed):
    return noise(labels["aug"], seed) + 3 * (labels["aug"] == "mix")


def plan_of(tmp_path, factors, **changes):
    return plan_study(toy_study(tmp_path, **{"factors": factors, "seeds": SEEDS, **changes}))


def found(tmp_path, factors, value=by_aug, **changes):
    """The study's metric, with such results."""
    plan = plan_of(tmp_path, factors, **changes)
    return study_record(plan, rows_of(plan, value)).metric


def numbers(comparison):
    return (comparison.difference, comparison.low, comparison.high, comparison.p, comparison.df)


@pytest.mark.parametrize("pairing", ["seed", "none"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"baseline": {"aug": "none"}},  # a baseline for each net, all of the same numbers
        {  # nets b and c have none: their cells are compared with nothing
            "baseline": {"aug": "none"},
            "exclude": [{"aug": "none", "net": "b"}, {"aug": "none", "net": "c"}],
        },
        {"baseline": {"aug": "none"}, "compare": [{"aug": "mix"}, {"aug": "cut", "net": "c"}]},
    ],
)
def test_an_idle_factor_changes_no_comparison_of_cells(tmp_path, changes, pairing):
    alone = found(tmp_path, AUG, pairing=pairing)
    again = found(tmp_path, NETS, pairing=pairing, **changes)
    one = {cell.labels["aug"]: cell.comparison for cell in alone.cells}
    judged = [cell for cell in again.cells if not math.isnan(cell.comparison.p)]
    assert {cell.labels["aug"] for cell in judged} == {"mix", "cut"}
    for cell in judged:
        assert numbers(cell.comparison) == pytest.approx(numbers(one[cell.labels["aug"]]))
        assert cell.comparison.verdict == one[cell.labels["aug"]].verdict


def idle_at_mix(labels, seed):
    net = labels["net"] if labels["aug"] == "none" else "any"
    return noise(net, labels["aug"], seed, "p")


def test_one_training_against_several_baselines_counts_once(tmp_path):
    """Of 2 x 3 cells four were trained: three comparisons of one of them, by statsmodels."""
    factors = {"aug": ["none", "mix"], "net": ["a", "b", "c"]}
    metric = found(tmp_path, factors, idle_at_mix, baseline={"aug": "none"})
    trained = [("none", "a"), ("none", "b"), ("none", "c"), ("mix", "a")]
    data = pd.DataFrame([
        {"cell": "".join(key), "seed": str(seed),
         "y": idle_at_mix({"aug": key[0], "net": key[1]}, seed)}
        for key in trained for seed in SEEDS
    ])  # fmt: skip
    fit = smf.ols("y ~ cell + seed", data).fit()
    assert (metric.comparisons.residual_sd**2, metric.comparisons.df) == pytest.approx(
        (fit.mse_resid, fit.df_resid)
    )
    means = data.groupby("cell")["y"].mean()
    half = Family(3, 0.5, fit.df_resid).critical_value() * math.sqrt(fit.mse_resid * 2 / len(SEEDS))
    for cell in metric.cells[3:]:
        difference = means["mixa"] - means[f"none{cell.labels['net']}"]
        expected = (difference, difference - half, difference + half)
        assert numbers(cell.comparison)[:3] == pytest.approx(expected)
        assert cell.comparison.pooled


def test_where_nothing_differs_it_makes_no_more_tables_wrong():
    rng, wrong, num = np.random.default_rng(1), 0, 400
    same, references = np.array([0, 1, 2, 3, 3, 3]), np.array([0, 1, 2, 0, 1, 2])
    once = counted_once(same, references, [True] * 6)
    for _ in range(num):
        values = (rng.normal(size=(6, 3)) + 3 * rng.normal(size=3))[same]
        found = compare_to_baseline(
            once.of(values), once.references, "min", family=once.family, same=once.same
        )
        wrong += any(one.verdict.is_different for one in once.for_all(found).each)
    assert wrong < 0.05 * num + 3 * math.sqrt(num * 0.05 * 0.95)


@pytest.mark.parametrize("baseline", [{"aug": "none"}, {"aug": "none", "net": "b"}])
def test_unpaired_factor_tables_do_not_count_the_runs_again(tmp_path, baseline):
    alone = found(tmp_path, AUG, pairing="none")
    [block] = found(tmp_path, NETS, pairing="none", baseline=baseline).blocks
    aug, net = block.effects.mains
    for one, cell in zip(aug.comparisons.each[1:], alone.cells[1:], strict=True):
        assert numbers(one) == pytest.approx(numbers(cell.comparison))
    assert {one.verdict.gist for one in net.comparisons.each} == {"baseline", Cause.SAME_NUMBERS}
    assert np.isfinite(net.level_means).all()
    assert block.effects.interactions[0].estimable


def test_unpaired_an_idle_factor_at_one_level_of_another_is_counted_once_there(tmp_path):
    def value(labels, seed):
        return noise(labels["aug"], labels["net"] if labels["aug"] == "none" else "any", seed)

    [block] = found(tmp_path, NETS, value, pairing="none").blocks
    num_distinct = 3 + 1 + 1
    assert block.effects.mains[0].comparisons.df == num_distinct * (len(SEEDS) - 1)


class TestLostRuns:
    """A cell that diverges where another one does not is not the same training."""

    def test_a_level_that_loses_its_runs_is_compared(self, tmp_path):
        def value(labels, seed):
            return math.nan if labels["clip"] == "none" and seed > 1 else noise(seed)

        metric = found(tmp_path, {"clip": ["none", 5, 10]}, value)
        assert [same.levels for same in metric.same] == [["5", "10"]]
        verdicts = [cell.comparison.verdict for cell in metric.cells[1:]]
        assert [one.text for one in verdicts] == ["within noise, of the runs that ended"] * 2

    def test_runs_that_both_lose_refute_nothing(self, tmp_path):
        metric = found(tmp_path, {"a": [1, 2]}, lambda c, s: math.nan if s > 2 else noise(s))
        assert metric.cells[1].comparison.verdict.cause is Cause.SAME_NUMBERS

    def test_of_a_table_a_result_that_is_nothing_is_lost_and_a_row_that_is_not_there_is_not(self):
        rows = [{"x": x, "seed": s, "y": noise(s)} for x in "ab" for s in range(3)]
        rows += [{"x": "c", "seed": s, "y": noise("c", s)} for s in range(3)]
        gone = judge_table(rows[:2] + rows[3:], metric="y", cell="x")
        lost = judge_table([*rows[:2], {**rows[2], "y": None}, *rows[3:]], metric="y", cell="x")
        assert gone["b"].verdict.cause is Cause.SAME_NUMBERS
        assert lost["b"].verdict.kind is VerdictKind.WITHIN_NOISE


def test_of_cells_with_the_same_numbers_none_differ_from_each_other():
    rows = [{"x": "base", "seed": 0, "y": noise(0)}]
    for x in "ab":
        rows += [{"x": x, "seed": s, "y": noise(x, s) if s else noise(0)} for s in range(4)]
    verdicts = [one.verdict for one in judge_table(rows, metric="y", cell="x").values()]
    assert sum(one.cause is Cause.SAME_NUMBERS for one in verdicts) < 2


def test_the_cell_with_most_results_stands_for_all_with_its_numbers(tmp_path):
    plan = plan_of(tmp_path, {"aug": ["none", "mix"], "net": ["a", "b"]})
    rows = rows_of(plan, by_aug)
    whole = study_record(plan, rows).metric.cells[3].comparison
    for run in plan.runs:
        if run.cell.labels == {"aug": "mix", "net": "a"} and run.seed > 1:
            del rows[run.run_id]
    cells = study_record(plan, rows).metric.cells
    assert [numbers(cell.comparison) for cell in cells[2:]] == [numbers(whole)] * 2


class TestBeforeTheReport:
    """An idle factor adds no certainty to what is planned from the first results either."""

    @pytest.mark.parametrize("changes", [{}, {"pairing": "none"}, {"compare": "pairs"}])
    def test_the_rule_for_seeds(self, tmp_path, changes):
        def num_seeds(factors):
            rule = {"min": 4, "max": 900, "until": {"half_width": 0.5}}
            plan = plan_of(tmp_path, factors, seeds=rule, **changes)
            ledger = SimpleNamespace(rows=rows_of(plan, by_aug), started_names=dict)
            return len(plan_so_far(plan.study, ledger).seeds)

        assert num_seeds(NETS) == num_seeds(AUG) > 4

    def test_what_a_plan_can_see(self, tmp_path):
        def sd_so_far(factors):
            plan = plan_of(tmp_path, factors)
            return (
                visible(plan, rows_of(plan, by_aug)).partition("seed sd so far ")[2].split(",")[0]
            )

        assert sd_so_far(NETS) == sd_so_far(AUG) != ""
