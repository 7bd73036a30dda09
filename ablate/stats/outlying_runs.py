"""Single runs that lie far from what their cell and their seed explain. Pure functions."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ablate.stats.distributions import f_tail
from ablate.stats.layout import fit_layout
from ablate.stats.residuals import ones, residual_squares
from ablate.stats.unequal_spread import SPREAD_ALPHA, spread_p

Values = NDArray[np.float64]
OUTLIER_ALPHA = 0.01
"""How often a run is named where none lies far off."""
MOST_NAMED = 3
FEWEST_CELLS = 3
"""Of two cells the residuals mirror each other: which of them is off cannot be said."""


class OutlyingRun(NamedTuple):
    """A run far off, by its places in the table."""

    cell: int
    seed: int


def outlying_runs(values: Values, is_paired: bool = True) -> list[OutlyingRun]:
    """The runs whose residual is larger than chance explains, the largest first.

    The maximum normed residual of a two-way layout, Stefansky 1972 (Technometrics 14, 469-479), in
    the form of an F test of the fit without that run, Bonferroni for the number of runs. A run of a
    cell that scatters more without it, too, is not named: there the cell is what stands out.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        is_paired: Whether runs of one seed have something in common.
    """
    left, runs = np.array(values), list[OutlyingRun]()
    while len(runs) < MOST_NAMED and (run := _farthest(left, is_paired)) is not None:
        left[run] = np.nan
        runs.append(run)
    return [run for run in runs if not _is_noisy(left, run.cell, is_paired)]


def _farthest(values: Values, is_paired: bool) -> OutlyingRun | None:
    if len(values) < FEWEST_CELLS:
        return None
    residuals = np.abs(fit_layout(values, is_paired).residuals)
    if not residuals.size or np.isnan(residuals).all():
        return None
    cell, seed = np.unravel_index(np.nanargmax(residuals), residuals.shape)
    run = OutlyingRun(int(cell), int(seed))
    without = np.array(values)
    without[run] = np.nan
    whole, rest = (residual_squares(table, ones(table, is_paired)) for table in (values, without))
    if rest.df < 1 or whole.df - rest.df != 1 or rest.sum == 0:
        return None
    p = f_tail((whole.sum - rest.sum) / rest.mean, 1, rest.df)
    return run if p * (~np.isnan(values)).sum() < OUTLIER_ALPHA else None


def _is_noisy(values: Values, cell: int, is_paired: bool) -> bool:
    rest = np.delete(np.arange(len(values)), cell)
    return spread_p(values, ones(values, is_paired), cell, rest) < SPREAD_ALPHA
