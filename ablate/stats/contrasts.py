"""Every cell of a study against every other, and what these differences rest on. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablate.stats.error_terms import ErrorTerm
from ablate.stats.groups import known_cells, pool_groups
from ablate.stats.layout import Layout, contrast_covariance
from ablate.stats.own_spread import own_spread
from ablate.stats.pooling import CERTAIN_DF, SHARED_MOST, Pool, least_correlation
from ablate.stats.units import unit_of

Values = NDArray[np.float64]
ALIKE = 3
"""Cells of one pattern of missing runs that tell all that others of it would."""
MOST_PATTERNED = 120
"""Of so many cells the correlations are looked at; of more they count as 0, which is cautious."""


@dataclass(frozen=True, kw_only=True)
class Contrasts:
    """Differences of all cells, row minus column, (num_cells, num_cells) each.

    Entries of differences of which nothing can be said are nan: of cells without a result, of
    cells that no seeds link, and where there is no residual variance.
    """

    differences: Values
    se: Values
    df: Values
    apart: NDArray[np.bool_]
    """Judged by own pairs: one of the two is noisier than the other cells."""
    members: NDArray[np.intp]
    """(num_members,), the cells that have a result, where any has two."""
    correlation: float
    """The smallest one of two pooled differences from one cell."""
    residual_sd: float
    """Pooled; nan where there is none."""
    residual_df: float
    own_error: ErrorTerm = ErrorTerm.OWN_PAIRS
    """What differences of cells apart rest on."""

    @property
    def num_cells(self) -> int:
        """Of the study."""
        return len(self.differences)


def contrasts_of(
    values: Values,
    first_seeds: int | None = None,
    widening: float = 1.0,
    is_paired: bool = True,
) -> Contrasts:
    """Compares all cells with each other.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        first_seeds: The pooled variance comes from so many seeds, the first ones.
        widening: What standard errors are multiplied by, see `ablate.stats.splits`.
        is_paired: Whether runs of one seed have something in common.
    """
    unit, num = unit_of(values), len(values)
    values = values / unit
    none = np.zeros(num, dtype=bool)  # no cell is a baseline that is to be tested by itself
    [pool] = pool_groups(values, 0, none, first_seeds, is_paired=is_paired)
    members = np.flatnonzero(known_cells(values))
    differences, se, df = (np.full((num, num), np.nan) for _ in range(3))
    kept = np.setdiff1d(members, pool.noisy)
    rows = np.searchsorted(np.setdiff1d(np.arange(num), pool.noisy), kept)
    _fill_pooled(pool, rows, kept, differences, se, df)
    apart = np.zeros((num, num), dtype=bool)
    for cell in (*pool.noisy, *pool.doubtful):
        for other in members[members != cell]:
            found = own_spread(values[cell], values[other], is_paired)
            is_known = found.se > 0 or (found.se == 0 and found.df >= CERTAIN_DF)
            for one, two, sign in ((cell, other, 1), (other, cell, -1)):
                apart[one, two] = True
                differences[one, two] = sign * found.difference
                se[one, two], df[one, two] = (found.se, found.df) if is_known else (np.nan, np.nan)
    with np.errstate(over="ignore"):  # enormous values may differ by more than there are numbers
        differences = differences * unit
    return Contrasts(
        differences=differences,
        se=se * unit * widening,
        df=df,
        apart=apart,
        members=members,
        correlation=_least_correlation(pool.layout, rows, ~np.isnan(values[kept]), is_paired),
        residual_sd=pool.sd * unit,
        residual_df=pool.residual.df,
        own_error=pool.own_error,
    )


def _fill_pooled(
    pool: Pool, rows: NDArray[np.intp], cells: NDArray[np.intp],
    differences: Values, se: Values, df: Values,
) -> None:  # fmt: skip
    """Differences on the pooled variance, in place; `rows` are the cells' in the layout."""
    layout, error_df = pool.layout, pool.residual.df
    found = layout.cells[rows][:, None] - layout.cells[rows]
    rounding = layout.rounding[rows]
    found[np.abs(found) <= np.maximum(rounding[:, None], rounding)] = 0.0
    linked = layout.group[rows][:, None] == layout.group[rows]
    at = np.ix_(cells, cells)
    differences[at] = np.where(linked, found, np.nan)
    if error_df < (CERTAIN_DF if pool.sd == 0 else 1):
        return
    unscaled = layout.unscaled[np.ix_(rows, rows)]
    se[at] = np.where(linked, pool.sd * np.sqrt(_variances(unscaled)), np.nan)
    df[at] = error_df
    for matrix in (differences, se, df):
        np.fill_diagonal(matrix, np.nan)


def _variances(unscaled: Values) -> Values:
    """Of all differences, in units of the residual variance."""
    own = np.diag(unscaled)
    return np.maximum(own[:, None] + own - 2 * unscaled, 0)


def _least_correlation(
    layout: Layout, rows: NDArray[np.intp], there: NDArray[np.bool_], is_paired: bool
) -> float:
    """The smallest correlation of two differences from one cell: 1/2 where no run is missing."""
    if there.all():
        return 0.5
    # Unpaired, it is the number of runs that counts, and not which they are.
    counts = np.arange(there.shape[1]) < there.sum(axis=1, keepdims=True)
    told = rows[_of_each_pattern(there if is_paired else counts)]
    if len(told) > MOST_PATTERNED:
        return 0.0
    unscaled, cells = layout.unscaled[np.ix_(told, told)], np.arange(len(told))
    return min(
        (
            least_correlation(contrast_covariance(unscaled, others, np.full_like(others, cell)))
            for cell in cells
            if len(others := np.delete(cells, cell))
        ),
        default=SHARED_MOST,
    )


def _of_each_pattern(there: NDArray[np.bool_]) -> Sequence[int]:
    """A few cells of each pattern of missing runs: others of it have the same covariances."""
    seen: dict[bytes, list[int]] = {}
    for number, pattern in enumerate(there):
        seen.setdefault(pattern.tobytes(), []).append(number)
    return [number for alike in seen.values() for number in alike[:ALIKE]]
