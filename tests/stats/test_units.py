"""Units of any size, one blow-up among ordinary runs, and stages that differ."""

import math

import numpy as np
import pytest

from ablate.stats.aa_test import compare_aa
from ablate.stats.components import variance_components
from ablate.stats.effects import factor_effects
from ablate.stats.replication import needed_replicates
from ablate.stats.spread import spread
from ablate.stats.units import unit_of
from ablate.stats.verdicts import compare_to_baseline

SIZES = [1e-300, 1e-170, 1e170, 1e300]


def study(seed, num_cells=4, num_seeds=5):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(num_cells, num_seeds)) + 3 * rng.normal(size=num_seeds)
    values[1] -= 8
    return values


@pytest.mark.parametrize("size", SIZES)
class TestAnySize:
    def test_verdicts(self, size):
        values = study(0)
        plain = compare_to_baseline(values, 0, "min", 0.5)
        found = compare_to_baseline(values * size, 0, "min", 0.5 * size)
        assert [c.verdict for c in found.each] == [c.verdict for c in plain.each]
        assert found.residual_sd == pytest.approx(plain.residual_sd * size)
        for one, other in zip(found.each[1:], plain.each[1:], strict=True):
            assert one.p == pytest.approx(other.p)
            assert (one.low, one.high) == pytest.approx((other.low * size, other.high * size))

    def test_effects_spread_and_seeds(self, size):
        codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
        plain, found = (
            factor_effects(v, codes, [2, 2], [0, 0], "min") for v in (study(1), study(1) * size)
        )
        assert [m.p for m in found.mains] == pytest.approx([m.p for m in plain.mains])
        assert found.interactions[0].p == pytest.approx(plain.interactions[0].p)
        assert found.shares.factors == pytest.approx(plain.shares.factors)
        assert found.mains[0].level_means == pytest.approx(plain.mains[0].level_means * size)
        assert spread(study(1)[0] * size).sd == pytest.approx(spread(study(1)[0]).sd * size)
        seeds = [needed_replicates(study(2) * s, 0, 0.7 * s).num for s in (1.0, size)]
        assert seeds[0] == seeds[1] > 5
        again = [compare_aa(*(study(3)[:2] * s)).p for s in (1.0, size)]
        assert again[0] == pytest.approx(again[1])


def test_a_unit_is_exact():
    for size in SIZES:
        unit = unit_of(np.array([size, math.nan]))
        assert size / unit * unit == size
        assert math.frexp(unit)[0] == 0.5
    assert unit_of(np.zeros(3)) == unit_of(np.full(2, math.nan)) == 1
    assert np.isfinite(variance_components(study(4)).sum)


@pytest.mark.parametrize("size", [1e3, 1e11, 1e15])
def test_one_blow_up_hides_no_difference_of_other_cells(size):
    """Rounding is that of the two cells compared, not of the largest value of the study."""
    rng = np.random.default_rng(5)
    values = 0.05 + 1e-3 * rng.normal(size=(6, 6))
    values[1] += 0.012
    values[2] += np.array([1, -1, 1, -1, 1, -1]) * 0.05 + 0.012
    values[4, 3] = size
    found = compare_to_baseline(values, 0, "min", 0.005)
    assert [c.verdict.text for c in found.each[1:4]] == ["worse", "within noise", "equivalent"]
    assert found.each[2].high > 0.03
    assert found.each[4].verdict.text == "within noise"
    assert found.groups[0].spreads.outlying == [(4, 3)]


class TestStages:
    def test_a_second_stage_that_varies_more_counts(self):
        values = np.random.default_rng(7).normal(size=(6, 12))
        values[:, 3:] *= 5
        first = compare_to_baseline(values[:, :3], 0, "min")
        found = compare_to_baseline(values, 0, "min", first_seeds=3)
        assert found.groups[0].spreads.later_larger
        assert found.residual_sd > 2.5 * first.residual_sd
        centred = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
        whole, early = (centred**2).sum(), first.residual_sd**2 * 10
        assert found.residual_sd == pytest.approx(math.sqrt((whole - early) / (5 * 9)))
        assert found.df == 45

    def test_one_that_does_not_leaves_steins_interval(self):
        values = study(7, 6, 12)
        found = compare_to_baseline(values, 0, "min", first_seeds=3)
        assert not found.groups[0].spreads.later_larger
        assert found.residual_sd == compare_to_baseline(values[:, :3], 0, "min").residual_sd
