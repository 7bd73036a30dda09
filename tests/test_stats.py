import math

import numpy as np
import pytest

from ablate.stats import paired_difference, spread

NAN = math.nan


def test_spread_by_hand():
    assert spread(np.array([1.0, 2.0, 6.0])) == pytest.approx((3, 3.0, math.sqrt(7)))
    assert spread(np.array([1.0, NAN, 3.0])) == pytest.approx((2, 2.0, math.sqrt(2)))
    assert spread(np.array([4.0, NAN]))[:2] == (1, 4.0)
    assert math.isnan(spread(np.array([4.0, NAN])).sd)
    assert spread(np.array([NAN])).num == 0


def test_differences_are_paired_by_seed():
    values, baseline = np.array([5.0, 7.0, NAN, 4.0]), np.array([4.0, 5.0, 1.0, NAN])
    assert paired_difference(values, baseline) == pytest.approx((2, 1.5, math.sqrt(0.5)))
