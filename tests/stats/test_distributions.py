"""Distribution functions of our own, against SciPy's."""

import math

import numpy as np
import pytest
from scipy import special, stats

from ablate.stats.distributions import residual_scales, t_quantile, t_tail
from ablate.stats.normal import normal_cdf

FREEDOMS = [1, 1.5, 2, 3, 7, 30, 1000, 1e6]


def test_the_normal_distribution_function():
    values = np.linspace(-12, 12, 50_001).reshape(3, -1)
    assert np.abs(normal_cdf(values) - special.ndtr(values)).max() < 1e-15
    assert np.isnan(normal_cdf(np.array([math.nan]))).all()


@pytest.mark.parametrize("df", FREEDOMS)
def test_students_t(df):
    for t in (-2.0, 0.0, 0.1, 1.0, 3.0, 30.0, 1e5):
        assert t_tail(t, df) == pytest.approx(special.stdtr(df, -t), abs=1e-12)
    for p in (0.5, 0.9, 0.975, 1 - 1e-6):
        assert t_quantile(p, df) == pytest.approx(special.stdtrit(df, p), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("df", FREEDOMS)
def test_scales_are_those_of_a_chi_square(df):
    scales, weights = residual_scales(df)
    assert len(scales) < 500
    for order in (1, 2, 4):
        expected = stats.chi(df).moment(order)
        assert weights @ scales**order == pytest.approx(expected / df ** (order / 2), rel=1e-10)
