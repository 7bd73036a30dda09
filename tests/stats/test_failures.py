"""Whether failure differs between cells: by hand, against SciPy."""

import math

import numpy as np
import pytest
from scipy import stats

from ablate.stats.failures import failures_differ


def p_value(ended, failed):
    return failures_differ(np.array(ended), np.array(failed))


def test_by_hand():
    """All 3 failures of 12 runs in one of 4 cells: 4 of the 220 ways to place them."""
    assert p_value([3, 3, 3, 3], [0, 3, 0, 0]) == pytest.approx(4 / 220, abs=0.006)
    assert p_value([3, 3, 3, 3], [1, 1, 1, 0]) == 1


@pytest.mark.parametrize("failed", [(4, 0), (3, 1), (5, 1)])
def test_two_cells_equal_fishers_exact_test(failed):
    table = np.array([[6 - failed[0], failed[0]], [6 - failed[1], failed[1]]])
    expected = stats.fisher_exact(table).pvalue
    assert p_value([6, 6], failed) == pytest.approx(expected, abs=0.02)


def test_many_cells_where_the_chi_square_distribution_holds():
    rng = np.random.default_rng(0)
    ended = np.full(20, 60)
    failed = rng.binomial(ended, np.linspace(0.15, 0.3, 20))
    expected = stats.chi2_contingency(np.array([ended - failed, failed])).pvalue
    assert p_value(ended, failed) == pytest.approx(expected, abs=0.015)


def test_says_the_same_each_time():
    assert p_value([3, 4, 5], [0, 2, 1]) == p_value([3, 4, 5], [0, 2, 1])


def test_is_no_more_often_small_than_it_says():
    rng = np.random.default_rng(1)
    small = sum(p_value([5] * 8, rng.binomial(5, 0.2, 8)) < 0.05 for _ in range(200))
    assert small <= 0.05 * 200 + 2 * math.sqrt(200 * 0.05 * 0.95)


@pytest.mark.parametrize(
    ("ended", "failed"),
    [([], []), ([3], [1]), ([0, 0], [0, 0]), ([3, 0], [1, 0]), ([2, 3], [2, 3])],
)
def test_nothing_to_compare(ended, failed):
    assert math.isnan(failures_differ(np.array(ended, dtype=int), np.array(failed, dtype=int)))


def test_none_failed():
    assert p_value([3, 3], [0, 0]) == 1
