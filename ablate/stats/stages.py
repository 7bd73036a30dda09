"""Two stages of seeds: whether the second varies more than the first. Pure functions."""

import numpy as np
from numpy.typing import NDArray

from ablate.stats.distributions import f_tail
from ablate.stats.error_terms import ErrorVariance
from ablate.stats.residuals import Squares, ones, residual_squares

Values = NDArray[np.float64]
STAGE_ALPHA = 0.05
"""How often a second stage that varies no more is said to."""


def later_spread(
    values: Values, first_seeds: int | None, is_paired: bool = True
) -> ErrorVariance | None:
    """The residual variance of the later seeds, where it is larger than the first ones'.

    An F test of what the later seeds add to the residual sum of squares, which is independent of
    the first seeds' own. Stein's interval rests on the first stage alone: it is too narrow where
    later runs were made elsewhere, and scatter more.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        first_seeds: How many seeds the first stage had; None where there was one stage.
        is_paired: Whether runs of one seed have something in common.
    """
    if first_seeds is None:
        return None
    columns = ones(values, is_paired)
    first = residual_squares(values[:, :first_seeds], columns)
    whole = residual_squares(values, columns)
    later = Squares(max(0.0, whole.sum - first.sum), whole.df - first.df)
    if first.df < 1 or later.df < 1 or first.sum == 0:
        return None
    if f_tail(later.mean / first.mean, later.df, first.df) >= STAGE_ALPHA:
        return None
    return ErrorVariance(later.mean, later.df)
