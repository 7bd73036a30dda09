"""Units in which squares neither overflow nor vanish. Pure functions."""

import math

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
ROUNDING = 1e-12
"""What is below this share of the largest value compared is a rounding error."""

ARITHMETIC = 16 * float(np.finfo(np.float64).eps)
"""What sums of values of a table are off by, as a share of the largest."""


def unit_of(*values: Values) -> float:
    """A power of two near the largest value: to divide by it is exact, and its squares are finite.

    Args:
        values: Of any shapes, nan where a run is missing.
    """
    largest = max((float(np.nanmax(np.abs(v), initial=0.0)) for v in values), default=0.0)
    # The ends of the range are no units: 1 / 2**-1074 is infinite.
    return math.ldexp(1.0, min(max(math.frexp(largest)[1], -1000), 1000)) if largest > 0 else 1.0


def rounding_error(values: Values) -> float:
    """Differences of values up to this are none; nan stands for a missing value."""
    return ROUNDING * float(np.nanmax(np.abs(values), initial=0.0))


def fit_rounding(values: Values) -> Values:
    """What arithmetic leaves in the residuals of each row of a fit, (num_rows, 1)."""
    of_all = ARITHMETIC * float(np.nanmax(np.abs(values), initial=0.0))
    return np.maximum(row_rounding(values), of_all)[:, None]


def row_rounding(values: Values) -> Values:
    """The rounding error of each row by itself, (num_rows,)."""
    return ROUNDING * np.nanmax(np.abs(values), axis=1, initial=0.0)
