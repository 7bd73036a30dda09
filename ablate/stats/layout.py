"""Cells x seeds as a two-way layout: seeds are blocks, and runs may be missing. Pure functions."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ablate.stats.distributions import f_quantile

Values = NDArray[np.float64]

CHECKABLE_SEEDS = 5
"""Below this many seeds a cell with a larger spread cannot be told from chance."""
SPREAD_ALPHA = 0.01
ROUNDING = 1e-12
"""What is below this share of the largest value is a rounding error."""
RANK_TOLERANCE = 1e-10
"""Singular values below this share of the largest are zeros of a design."""


@dataclass(frozen=True)
class Layout:
    """The least-squares fit of value = cell + seed + residual."""

    cells: Values
    """Cell effects, (num_cells,), over an average seed; nan where a cell has no run."""
    unscaled: Values
    """Covariance of the cell effects in units of the residual variance, (num_cells, num_cells)."""
    residuals: Values
    """(num_cells, num_seeds), nan where a run is missing."""
    df: int
    """Degrees of freedom of the residuals."""
    group: NDArray[np.intp]
    """Cells with equal numbers are linked by seeds that they share: only those can be compared."""
    rounding: float
    """Differences up to this are none."""

    @property
    def variance(self) -> float:
        """Residual variance, pooled over all cells."""
        return float(np.nansum(self.residuals**2) / self.df) if self.df > 0 else math.nan


class Estimate(NamedTuple):
    """A difference, its standard error in units of the residual sd, and what it rests on."""

    difference: float
    unscaled_se: float


def fit_layout(values: Values) -> Layout:
    """Fits cells and seeds; Scheffe 1959, The Analysis of Variance, section 4.4.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
    """
    there = ~np.isnan(values)
    filled = np.where(there, values, 0.0)
    present = there.astype(np.float64)
    per_cell, per_seed = present.sum(axis=1), present.sum(axis=0)
    share = present / np.maximum(per_cell, 1)[:, None]
    # Cells are eliminated first: what is left are equations for a handful of seeds.
    reduced = np.diag(per_seed) - present.T @ share
    inverse = np.linalg.pinv(reduced, rcond=RANK_TOLERANCE, hermitian=True)
    seeds = inverse @ (filled.sum(axis=0) - share.T @ filled.sum(axis=1))
    cells = (filled - present * seeds).sum(axis=1) / np.where(per_cell > 0, per_cell, np.nan)
    unscaled = np.diag(1 / np.maximum(per_cell, 1)) + share @ inverse @ share.T
    residuals = np.where(there, values - cells[:, None] - seeds, np.nan)
    # What arithmetic leaves of exact agreement is no spread.
    rounding = rounding_error(filled)
    residuals[np.abs(residuals) <= rounding] = 0.0
    group = _linked(there)
    rank = int((per_cell > 0).sum() + (per_seed > 0).sum() - len(set(group[per_cell > 0])))
    return Layout(cells, unscaled, residuals, int(there.sum()) - rank, group, rounding)


def difference(layout: Layout, cell: int, baseline: int) -> Estimate:
    """What a cell differs from the baseline; nan where no shared seed links the two."""
    if layout.group[cell] != layout.group[baseline]:
        return Estimate(math.nan, math.nan)
    u = layout.unscaled
    variance = u[cell, cell] + u[baseline, baseline] - 2 * u[cell, baseline]
    found = float(layout.cells[cell] - layout.cells[baseline])
    found = 0.0 if abs(found) <= layout.rounding else found
    return Estimate(found, math.sqrt(max(variance, 0)))


def contrast_correlation(
    layout: Layout, cells: NDArray[np.intp], references: NDArray[np.intp] | int
) -> Values:
    """Correlation of the differences of some cells to their references.

    Args:
        layout: The fit.
        cells: (num_differences,).
        references: (num_differences,), or one for all.

    Returns:
        (num_differences, num_differences).
    """
    others = np.broadcast_to(references, cells.shape)
    u = layout.unscaled
    covariance = (
        u[np.ix_(cells, cells)] - u[np.ix_(cells, others)] - u[np.ix_(others, cells)]
        + u[np.ix_(others, others)]
    )  # fmt: skip
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    return covariance / np.outer(scale, scale)


def rounding_error(values: Values) -> float:
    """Differences of values up to this are none; nan stands for a missing value."""
    return ROUNDING * float(np.nanmax(np.abs(values), initial=0.0))


def num_results(values: Values) -> float:
    """How many results a cell has: the median of those that have any, 0 where none has.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
    """
    counts = (~np.isnan(values)).sum(axis=1)
    return float(np.median(counts[counts > 0])) if counts.any() else 0.0


def noisy_cells(values: Values) -> list[int]:
    """Cells whose spread over seeds is larger than the others' can explain.

    Cochran's C (Cochran 1941, Ann. Eugenics 11), one cell at a time, the worst first: its share of
    the summed variances against the bound from F. Where cells have fewer than `CHECKABLE_SEEDS`
    results nothing can be seen, and nothing is named.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
    """
    if num_results(values) < CHECKABLE_SEEDS:
        return []
    named: list[int] = []
    kept = np.flatnonzero((~np.isnan(values)).sum(axis=1) > 1)
    while len(kept) > 2:
        residuals = fit_layout(values[kept]).residuals
        counts = (~np.isnan(residuals)).sum(axis=1)
        variances = np.nansum(residuals**2, axis=1) / (counts - 1)
        if variances.sum() <= 0:
            break
        worst = int(variances.argmax())
        if variances[worst] / variances.sum() <= _cochran(len(kept), int(np.median(counts)) - 1):
            break
        named.append(int(kept[worst]))
        kept = np.delete(kept, worst)
    return named


def _cochran(num_cells: int, df: int) -> float:
    """The largest share of the summed variances that chance explains."""
    f = f_quantile(1 - SPREAD_ALPHA / num_cells, df, (num_cells - 1) * df)
    return 1 / (1 + (num_cells - 1) / f)


def _linked(there: NDArray[np.bool_]) -> NDArray[np.intp]:
    """A number for each cell, equal where a chain of shared seeds leads from one to the other."""
    if there.all():
        return np.zeros(len(there), dtype=np.intp)
    group = np.arange(len(there))
    for seed in there.T:
        members = np.unique(group[seed])
        if len(members) > 1:
            group[np.isin(group, members)] = members[0]
    return group
