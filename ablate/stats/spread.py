"""Statistics on arrays of results, missing runs as nan. Pure functions."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ablate.stats.units import unit_of

Values = NDArray[np.float64]


class Spread(NamedTuple):
    """A sample in three numbers."""

    num: int
    mean: float
    sd: float


def spread(values: Values) -> Spread:
    """Number, mean and sample standard deviation (n - 1) of the values that are there.

    Args:
        values: (num_seeds,), nan where a run is missing.

    Returns:
        nan for a mean of none and for a standard deviation of fewer than two.
    """
    there = values[~np.isnan(values)]
    if not len(there):
        return Spread(0, math.nan, math.nan)
    # Of equal values nothing is left, not even a rounding error.
    unit = unit_of(there)
    scaled = there / unit
    from_first = scaled - scaled[0]
    sd = float(from_first.std(ddof=1)) * unit if len(there) > 1 else math.nan
    return Spread(len(there), float(scaled[0] + from_first.mean()) * unit, sd)
