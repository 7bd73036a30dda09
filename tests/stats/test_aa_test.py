"""A/A: a second baseline, against SciPy's Welch test."""

import math

import numpy as np
import pytest
from scipy import stats

from ablate.stats.aa_test import compare_aa

NAN = math.nan


def test_equals_scipy():
    rng = np.random.default_rng(0)
    baseline, again = rng.normal(size=5), 3 * rng.normal(size=4)
    found = compare_aa(baseline, np.append(again, NAN))
    oracle = stats.ttest_ind(again, baseline, equal_var=False)
    assert found.verdict.text == "within noise"
    assert found.difference == pytest.approx(again.mean() - baseline.mean())
    assert found.p == pytest.approx(oracle.pvalue)
    interval = oracle.confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_differs():
    found = compare_aa(np.array([1.0, 1.1, 1.2]), np.array([2.0, 2.1, 2.2]))
    assert found.verdict.text == "differs"
    assert found.p < 0.05
    assert found.low > 0


def test_nothing_to_compare():
    found = compare_aa(np.array([1.0, NAN]), np.array([2.0, 2.5]))
    assert found.verdict.text == "not enough seeds"
    assert found.difference == pytest.approx(1.25)
    assert math.isnan(compare_aa(np.array([NAN]), np.array([])).difference)


def test_nothing_varies():
    same = compare_aa(np.ones(3), np.ones(3))
    assert (same.verdict.text, same.p) == ("within noise", 1)
    other = compare_aa(np.ones(3), np.full(3, 2.0))
    assert (other.verdict.text, other.p, other.low) == ("differs", 0, 1)


@pytest.mark.parametrize("again", [np.full(7, 0.7), np.full(7, 0.7 + 1e-15)])
def test_rounding_errors_are_no_difference(again):
    found = compare_aa(np.full(10, 0.7), again)
    assert (found.verdict.text, found.difference, found.p) == ("within noise", 0, 1)
