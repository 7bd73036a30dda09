"""Data sets in one study: each has its own seed effects and residual."""

import itertools
import math
from dataclasses import asdict

import numpy as np
import pytest

from ablate.stats.dunnett import Family
from ablate.stats.effects import factor_effects
from ablate.stats.error_terms import ErrorTerm
from ablate.stats.groups import linked
from ablate.stats.replication import needed_replicates
from ablate.stats.verdicts import compare_to_baseline

GROUPS = np.repeat([0, 1], 4)
REFERENCES = 4 * GROUPS


def data_sets(seed, scales=(1.0, 100.0), num_seeds=4):
    rng = np.random.default_rng(seed)
    return np.vstack([
        scale * (rng.normal(size=(4, num_seeds)) + 3 * rng.normal(size=num_seeds))
        for scale in scales
    ])  # fmt: skip


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_each_is_judged_as_alone_but_for_sidak(seed):
    values = data_sets(seed)
    both = compare_to_baseline(values, REFERENCES, "min", groups=GROUPS)
    for number in (0, 1):
        alone = compare_to_baseline(values[4 * number : 4 * number + 4], 0, "min")
        group = both.groups[number]
        assert (group.residual_sd, group.df) == (pytest.approx(alone.residual_sd), alone.df)
        critical = [Family(3, 0.5, 9).critical_value(c) for c in (0.95, math.sqrt(0.95))]
        for cell in (1, 2, 3):
            found, expected = both.each[4 * number + cell], alone.each[cell]
            assert found.difference == pytest.approx(expected.difference)
            half = (expected.high - expected.difference) * critical[1] / critical[0]
            assert found.high - found.difference == pytest.approx(half)
            assert found.p == pytest.approx(1 - (1 - expected.p) ** 2)


@pytest.mark.parametrize("seed", range(10))
def test_interval_and_p_agree_over_groups(seed):
    values = data_sets(seed) + np.random.default_rng(seed).normal(size=(8, 1)) * [1, 2, 1, 2]
    for found in compare_to_baseline(values, REFERENCES, "min", groups=GROUPS).each:
        assert (found.low > 0 or found.high < 0) == (found.p < 0.05)


def test_groups_that_a_comparison_links_are_one():
    assert linked(np.array([0, 0, 1, 2]), np.array([0, 0, 0, 3])).tolist() == [0, 0, 0, 2]
    values = data_sets(4, (1.0, 1.0))
    joined, one = (compare_to_baseline(values, 0, "min", groups=g) for g in (GROUPS, None))
    np.testing.assert_equal(asdict(joined), asdict(one))


def test_a_rule_for_seeds_looks_at_the_widest_group():
    values = data_sets(5, (1.0, 2.0))
    both = needed_replicates(values, REFERENCES, 1.0, groups=GROUPS)
    wide = compare_to_baseline(values, REFERENCES, "min", groups=GROUPS).each[5]
    assert both.half_width_now == pytest.approx((wide.high - wide.low) / 2)


def test_a_factor_that_is_the_data_set_is_judged_by_own_pairs():
    """Over three data sets of spread 1, 10 and 100 nothing is shared, and no F test is right."""
    codes = np.array(list(itertools.product(range(3), range(2))))
    scale = np.array([1.0, 10.0, 100.0])[codes[:, 0], None]
    rng = np.random.default_rng(6)
    values = scale * rng.normal(size=(6, 4))
    effects = factor_effects(values, codes, [3, 2], [0, 0], "min", groups=codes[:, 0])
    data, flow = effects.mains
    assert (data.across_groups, flow.across_groups) == (True, False)
    assert [c.error for c in data.comparisons.each[1:]] == [ErrorTerm.OWN_PAIRS] * 2
    assert flow.comparisons.each[1].error is ErrorTerm.FACTOR_BY_SEED
    assert math.isnan(data.p)
    assert math.isnan(effects.interactions[0].p)
    assert math.isnan(effects.shares.seeds)
    assert not math.isnan(flow.p)


@pytest.mark.parametrize("num_cells", [3, 4])
def test_few_cells_of_a_data_set_are_told_with_the_error_that_they_can_mean(num_cells):
    kept = [*range(num_cells), *range(4, 4 + num_cells)]
    references = np.repeat([0, num_cells], num_cells)
    found = compare_to_baseline(data_sets(1)[kept], references, "min", groups=GROUPS[kept])
    assert ("groups of 3 cells or fewer" in found.spread_check) == (num_cells == 3)
