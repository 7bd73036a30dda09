"""Random splits overlap: what rests on them is wider by one factor, whatever it is."""

import numpy as np
import pytest
from layouts import layout

from ablate.stats.all_pairs import compare_pairs
from ablate.stats.best import against_the_best
from ablate.stats.effects import factor_effects
from ablate.stats.splits import widening
from ablate.stats.verdicts import compare_to_baseline

BY_HAND = np.array([[1.0, 2.0, 3.0], [2.0, 3.0, 4.3], [1.0, 2.0, 3.3]])
WIDER = widening(3, 0.2 / 0.7)


def half(found):
    return (found.high - found.low) / 2


def test_the_variance_of_a_mean_is_that_of_nadeau_and_bengio():
    """Of 3 splits 70 : 20 it is 1/3 + 2/7, not 1/3."""
    assert pytest.approx((1 / 3 + 2 / 7) / (1 / 3)) == WIDER**2
    assert pytest.approx(1.363, abs=0.001) == WIDER
    assert widening(10, 0) == 1


@pytest.mark.parametrize("own_pairs", [False, True])
def test_intervals_are_wider_by_that_factor(own_pairs):
    plain = compare_to_baseline(BY_HAND, 0, "min", own_pairs=own_pairs).each[1:]
    wide = compare_to_baseline(BY_HAND, 0, "min", own_pairs=own_pairs, widening=WIDER).each[1:]
    for before, after in zip(plain, wide, strict=True):
        assert after.difference == before.difference
        assert half(after) == pytest.approx(WIDER * half(before))
        assert (after.p < 0.05) == (after.low > 0 or after.high < 0)


def test_a_difference_is_lost_and_a_margin_too():
    values = layout(3, 4, seed=3, shifts=[0, 8, 0])
    assert compare_to_baseline(values, 0, "min").each[1].verdict.text == "worse"
    assert compare_to_baseline(values, 0, "min", widening=4).each[1].verdict.text == "within noise"
    alike = compare_to_baseline(values, 0, "min", 8.0).each[2].verdict.text
    wide = compare_to_baseline(values, 0, "min", 8.0, widening=5).each[2].verdict.text
    assert (alike, wide) == ("equivalent", "within noise")


@pytest.mark.parametrize("missing", [(), ((2, 1),)])
def test_pairs_and_the_best_are_wider_alike(missing):
    values = layout(4, 3, seed=1, missing=missing, shifts=[0, 1, 2, 9])
    plain, wide = (compare_pairs(values, "min", widening=w).pairs for w in (1, WIDER))
    for before, after in zip(plain, wide, strict=True):
        assert half(after.comparison) == pytest.approx(WIDER * half(before.comparison))
    plain, wide = (against_the_best(values, "min", widening=w) for w in (1, WIDER))
    assert wide[3].high - wide[3].difference == pytest.approx(
        WIDER * (plain[3].high - plain[3].difference)
    )
    assert [best.may_be_best for best in wide] >= [best.may_be_best for best in plain]


def test_factors_and_interactions_are_tested_over_splits():
    values = layout(6, 3, seed=2, shifts=[0, 3, 0, 3, 0, 5])
    codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]])
    plain, wide = (
        factor_effects(values, codes, [3, 2], [0, 0], "min", widening=w) for w in (1, WIDER)
    )
    for before, after in zip(plain.mains, wide.mains, strict=True):
        assert half(after.comparisons.each[1]) == pytest.approx(
            WIDER * half(before.comparisons.each[1])
        )
        assert after.f == pytest.approx(before.f / WIDER**2)
    assert wide.interactions[0].f == pytest.approx(plain.interactions[0].f / WIDER**2)
    assert wide.interactions[0].p > plain.interactions[0].p
    assert wide.shares.seeds == plain.shares.seeds
