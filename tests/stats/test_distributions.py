"""Distribution functions: tails and quantiles by their names, and the scale that t rests on."""

import math

import numpy as np
import pytest
from scipy import stats

from ablate.stats.distributions import normal_cdf, residual_scales, t_quantile, t_tail

FREEDOMS = [1, 1.5, 2, 3, 7, 30, 1000, 1e6]


def test_values_of_printed_tables():
    assert normal_cdf(np.array([-1.96, 0, 1.96])) == pytest.approx([0.0249979, 0.5, 0.9750021])
    assert np.isnan(normal_cdf(np.array([math.nan]))).all()
    assert (t_quantile(0.975, 4), t_quantile(0.95, 4)) == pytest.approx((2.776445, 2.131847))
    assert (t_tail(2.776445, 4), t_tail(-2.776445, 4)) == pytest.approx((0.025, 0.975))


@pytest.mark.parametrize("df", FREEDOMS)
def test_students_t_is_a_normal_variable_over_a_scale(df):
    scales, weights = residual_scales(df)
    for t in (-2.0, 0.0, 0.1, 1.0, 3.0, 30.0):
        assert t_tail(t, df) == pytest.approx(weights @ normal_cdf(-t * scales), abs=1e-12)


@pytest.mark.parametrize("df", FREEDOMS)
def test_scales_are_those_of_a_chi_square(df):
    scales, weights = residual_scales(df)
    assert len(scales) < 500
    for order in (1, 2, 4):
        expected = stats.chi(df).moment(order)
        assert weights @ scales**order == pytest.approx(expected / df ** (order / 2), rel=1e-10)
