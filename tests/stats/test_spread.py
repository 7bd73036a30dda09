import math

import numpy as np
import pytest

from ablate.stats.spread import spread

NAN = math.nan


def test_spread_by_hand():
    assert spread(np.array([1.0, 2.0, 6.0])) == pytest.approx((3, 3.0, math.sqrt(7)))
    assert spread(np.array([1.0, NAN, 3.0])) == pytest.approx((2, 2.0, math.sqrt(2)))
    assert spread(np.array([4.0, NAN]))[:2] == (1, 4.0)
    assert math.isnan(spread(np.array([4.0, NAN])).sd)
    assert spread(np.array([NAN])).num == 0


def test_equal_values_have_no_spread_by_rounding():
    assert spread(np.full(3, 0.7)) == (3, 0.7, 0)
