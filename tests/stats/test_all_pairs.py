"""All pairs: Tukey against SciPy, statsmodels and by hand; letters."""

import math

import numpy as np
import pytest
from layouts import NAN, PAINT, layout, one_way
from scipy import stats
from statsmodels.stats.multicomp import pairwise_tukeyhsd

from ablate.stats.all_pairs import compare_pairs, pairs_of
from ablate.stats.tukey import StudentizedRange


@pytest.mark.parametrize(("num", "df"), [(2, 3), (3, 2), (4, 20), (9, 16), (40, 200)])
def test_the_studentized_range_is_scipys(num, df):
    found = StudentizedRange(num, df)
    assert found.critical_value() * math.sqrt(2) == pytest.approx(
        stats.studentized_range.ppf(0.95, num, df), rel=1e-6
    )
    for t in (0.5, 2.0, 4.0):
        p = stats.studentized_range.sf(t * math.sqrt(2), num, df)
        assert found.adjusted_p(t) == pytest.approx(p, abs=1e-7)


def test_published_p_values():
    """Minitab's help on Tukey's comparisons of the same four blends."""
    found = {(p.one, p.other): p.comparison for p in pairs_of(one_way(*PAINT), "max").pairs}
    assert found[3, 1].p == pytest.approx(0.002, abs=5e-4)
    assert found[0, 1].p == pytest.approx(0.061, abs=5e-4)
    assert (found[3, 1].low, found[3, 1].high) == pytest.approx((3.11, 15.89), abs=0.01)
    assert pairs_of(one_way(*PAINT), "max").letters == ["ab", "b", "ab", "a"]


@pytest.mark.parametrize("nums", [[5, 5, 5, 5], [3, 8, 5, 4]])
def test_a_one_way_layout_is_statsmodels(nums):
    rng = np.random.default_rng(1)
    groups = [rng.normal(0.8 * i, 1, num) for i, num in enumerate(nums)]
    df = sum(nums) - 4
    sd = math.sqrt(sum(((g - g.mean()) ** 2).sum() for g in groups) / df)
    oracle = pairwise_tukeyhsd(np.concatenate(groups), np.repeat(np.arange(4), nums))
    expected = dict(zip([(i, j) for i in range(4) for j in range(i + 1, 4)],
                        zip(oracle.confint, oracle.pvalues, strict=True), strict=True))  # fmt: skip
    for pair in pairs_of(one_way([g.mean() for g in groups], sd, df, nums), "max").pairs:
        ends, p = expected[min(pair.one, pair.other), max(pair.one, pair.other)]
        found, sign = pair.comparison, 1 if pair.one > pair.other else -1
        assert sorted((sign * found.low, sign * found.high)) == pytest.approx(ends, abs=1e-4)
        assert found.p == pytest.approx(p, abs=1e-4)


def test_blocks_by_hand():
    values = layout(4, 5, 2, shifts=[0, 1, 4, 8])
    centred = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    se = math.sqrt((centred**2).sum() / 12 * 2 / 5)
    half = stats.studentized_range.ppf(0.95, 4, 12) / math.sqrt(2) * se
    found = compare_pairs(values, "min")
    assert len(found.pairs) == 6
    for pair in found.pairs:
        difference = values[pair.one].mean() - values[pair.other].mean()
        assert pair.comparison.difference == pytest.approx(difference)
        assert difference < 0
        assert pair.comparison.high == pytest.approx(difference + half)
        assert (pair.comparison.verdict.text == "better") == (-difference > half)


def test_two_cells_are_a_paired_t_test():
    values = layout(2, 6, 3, shifts=[0, 1])
    [pair] = compare_pairs(values, "min").pairs
    assert pair.comparison.p == pytest.approx(stats.ttest_rel(*values).pvalue)


@pytest.mark.parametrize("num_families", [1, 3])
@pytest.mark.parametrize("seed", range(8))
def test_interval_p_verdict_and_letters_never_contradict_each_other(seed, num_families):
    rng = np.random.default_rng(seed)
    values = layout(7, 8, seed, missing=((1, 2), (3, 0)), shifts=rng.normal(size=7))
    values[5] *= rng.choice([1, 6])
    found = compare_pairs(values, "min", num_families=num_families)
    for pair in found.pairs:
        c = pair.comparison
        outside = c.low > 0 or c.high < 0
        assert outside == (c.p < 0.05) == c.verdict.is_different
        one, other = (found.letters[cell] for cell in (pair.one, pair.other))
        assert outside == (not set(one) & set(other))
        assert not c.difference > 0


def test_a_noisy_cell_costs_the_others_its_own_pairs_alone():
    values = layout(5, 10, 4)
    values[4] += 30 * np.random.default_rng(8).normal(size=10)
    pairs = {frozenset((p.one, p.other)): p for p in compare_pairs(values, "min").pairs}
    own = pairs[frozenset((4, 0))].comparison
    ends = stats.ttest_rel(values[4], values[0]).confidence_interval(1 - 0.05 / 10)
    assert sorted(map(abs, (own.low, own.high))) == pytest.approx(sorted(map(abs, ends)))
    assert not own.pooled
    pooled = pairs[frozenset((1, 0))].comparison
    calm = values[:4] - values[:4].mean(axis=0) - values[:4].mean(axis=1, keepdims=True)
    sd = math.sqrt(((calm + values[:4].mean()) ** 2).sum() / 27)
    half = (
        stats.studentized_range.ppf(1 - 0.05 * 6 / 10, 4, 27) / math.sqrt(2) * sd * math.sqrt(0.2)
    )
    assert (pooled.high - pooled.low) / 2 == pytest.approx(half)


def test_what_has_no_results_has_no_letter():
    values = layout(4, 3, 5, shifts=[0, 0, 50, 0])
    values[3] = NAN
    found = compare_pairs(values, "min")
    assert found.letters == ["a", "a", "b", ""]
    assert len(found.pairs) == 3
    assert compare_pairs(layout(3, 1, 6), "min").pairs == []


def test_equivalence_of_pairs_is_of_all_at_once():
    values = layout(5, 10, 7)
    kinds = [
        {p.comparison.verdict.text for p in compare_pairs(values, "min", margin).pairs}
        for margin in (0.2, 50.0)
    ]
    assert kinds == [{"within noise"}, {"equivalent"}]
