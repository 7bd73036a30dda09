"""A factor within the levels of those that it interacts with: by hand, and where it fails."""

import itertools

import numpy as np
import pytest
from layouts import NAN
from scipy import stats

from ablate.stats.effects import factor_effects
from ablate.stats.simple_effects import interacting, simple_effects
from ablate.stats.verdicts import compare_to_baseline

CODES = np.array(list(itertools.product(range(2), range(3), range(2))))
"""Three factors, of 2, 3 and 2 levels."""


def made(seed=0, num_seeds=5, sd=1.0):
    """The first factor adds 6 at the first level of the second, and takes 6 away at the next."""
    rng = np.random.default_rng(seed)
    one, two, three = CODES.T
    means = one * np.array([6.0, -6.0, 0.0])[two] + 10 * two + 3 * three
    noise = rng.normal(size=(len(CODES), num_seeds))
    return means[:, None] + sd * noise + 4 * rng.normal(size=num_seeds)


def simple(values, factor=0, within=(1,), **options):
    return simple_effects(values, CODES, factor, within, 0, "max", **options)


def test_it_is_each_level_within_each_of_the_others_over_the_rest():
    values = made()
    effects = factor_effects(values, CODES, (2, 3, 2), [0, 0, 0], "max")
    assert interacting(effects) == [(1,), (0,), ()]
    found = simple(values)
    assert found.levels.tolist() == [0, 1] * 3
    assert found.places.ravel().tolist() == [0, 0, 1, 1, 2, 2]
    by_hand = values.reshape(2, 3, 2, -1).mean(axis=2).transpose(1, 0, 2).reshape(6, -1)
    assert found.table == pytest.approx(by_hand)
    assert found.means == pytest.approx(by_hand.mean(axis=1))
    verdicts = [one.verdict.text for one in found.comparisons.each]
    assert verdicts == ["baseline", "better", "baseline", "worse", "baseline", "within noise"]


def test_its_comparisons_are_one_family():
    """As many cells in as many pairs: they hold all at once, on one residual."""
    values = made()
    table = values.reshape(2, 3, 2, -1).mean(axis=2).transpose(1, 0, 2).reshape(6, -1)
    expected = compare_to_baseline(table, [0, 0, 2, 2, 4, 4], "max", codes=simple(values).places)
    for one, other in zip(simple(values).comparisons.each, expected.each, strict=True):
        assert (one.low, one.p) == pytest.approx((other.low, other.p), nan_ok=True)
    width = [c.high - c.low for c in simple(values).comparisons.each if c.high == c.high]
    alone = stats.t.ppf(0.975, 20)  # five seeds of six entries
    assert min(width) / 2 > alone * expected.residual_sd * np.sqrt(2 / 5)


def test_levels_that_are_left_out_at_a_place_are_not_compared_there():
    """Without the baseline's level a place has nothing to say."""
    kept = ~((CODES[:, 0] == 0) & (CODES[:, 1] == 2))
    found = simple_effects(made()[kept], CODES[kept], 0, (1,), 0, "max")
    assert found.places.ravel().tolist() == [0, 0, 1, 1]
    assert found.entries.tolist() == [0, 0, 2, 2, 1, 1, 3, 3, -1, -1]
    lone = CODES[:, 0] == 1
    assert simple_effects(made()[lone], CODES[lone], 0, (1,), 0, "max") is None


def test_a_factor_that_does_not_apply_is_a_place_of_its_own():
    codes = CODES.copy()
    codes[CODES[:, 2] == 0, 1] = -1
    keys = np.unique(codes, axis=0)
    found = simple_effects(made()[: len(keys)], keys, 0, (1,), 0, "max")
    assert sorted(set(found.places.ravel().tolist())) == [-1, 0, 1, 2]


@pytest.mark.parametrize("is_paired", [True, False])
def test_missing_runs_and_units(is_paired):
    values = made()
    values[0, 0] = values[5, 3] = NAN
    found = simple(values, is_paired=is_paired, margin=1.0)
    scaled = simple(1e-9 * values, is_paired=is_paired, margin=1e-9)
    for one, other in zip(found.comparisons.each, scaled.comparisons.each, strict=True):
        assert one.verdict == other.verdict
        assert 1e-9 * one.low == pytest.approx(other.low, nan_ok=True)
    assert found.means * 1e-9 == pytest.approx(scaled.means)
    gone = made()
    gone[(CODES[:, 0] == 0) & (CODES[:, 1] == 0)] = NAN
    verdicts = [c.verdict.text for c in simple(gone, is_paired=is_paired).comparisons.each]
    assert verdicts[:4] == ["baseline, failed", "no baseline", "baseline", "worse"]


def test_what_seeds_change_of_the_factor_widens_its_intervals():
    values = made(num_seeds=8)
    by_seed = values + 3 * np.random.default_rng(1).normal(size=8) * (CODES[:, :1] == 1)
    one, other = (simple(each).comparisons.each[1] for each in (values, by_seed))
    assert other.high - other.low > 2 * (one.high - one.low)
    # Of the other factor, which the two compared share, it does not.
    rest = values + 3 * np.random.default_rng(1).normal(size=8) * (CODES[:, 1:2] == 1)
    [*_, last] = (c for c in simple(rest).comparisons.each if c.low == c.low)
    assert last.high - last.low < 1.5 * (one.high - one.low)
