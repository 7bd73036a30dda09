"""Cells x seeds as a layout: seeds are blocks, unless runs of one seed have nothing in common.

Pure functions, runs may be missing.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ablate.stats.residuals import RANK_TOLERANCE
from ablate.stats.units import fit_rounding, row_rounding

Values = NDArray[np.float64]
Cells = NDArray[np.intp]

CERTAIN_SEEDS = 5
"""With fewer results, cells that do not vary at all may well be ties of coarse values."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The least-squares fit of value = cell + seed + residual; without the seed if unpaired."""

    cells: Values
    """Cell effects, (num_cells,), over an average seed; nan where a cell has no run."""
    residuals: Values
    """(num_cells, num_seeds), nan where a run is missing."""
    df: int
    """Degrees of freedom of the residuals."""
    group: NDArray[np.intp]
    """Cells with equal numbers are linked by seeds that they share: only those can be compared."""
    rounding: Values
    """(num_cells,), differences of a cell up to this are none."""
    per_cell: Values
    """(num_cells,), runs."""
    share: Values
    """(num_cells, num_seeds), of each cell's runs those of a seed; no columns if unpaired."""
    of_seeds: Values
    """(num_seeds, num_seeds), covariance of the seed effects in units of the residual variance."""

    @cached_property
    def unscaled(self) -> Values:
        """Covariance of the cell effects in these units, (num_cells, num_cells).

        Of ten thousand cells it is larger than all the rest, and their variance needs none of it.
        """
        return np.diag(1 / np.maximum(self.per_cell, 1)) + self.share @ self.of_seeds @ self.share.T

    @property
    def variance(self) -> float:
        """Residual variance, pooled over all cells."""
        return float(np.nansum(self.residuals**2) / self.df) if self.df > 0 else math.nan


class Estimate(NamedTuple):
    """A difference, its standard error in units of the residual sd, and what it rests on."""

    difference: float
    unscaled_se: float


def fit_layout(values: Values, is_paired: bool = True) -> Layout:
    """Fits cells and seeds; Scheffe 1959, The Analysis of Variance, section 4.4.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        is_paired: Whether runs of one seed have something in common. If not, cells alone are
            fitted: a one-way layout (Scheffe 1959, section 3.1), in which all can be compared.
    """
    return _fit_cells_and_seeds(values) if is_paired else _fit_cells(values)


def _fit_cells(values: Values) -> Layout:
    there = ~np.isnan(values)
    per_cell = there.sum(axis=1).astype(np.float64)
    cells = np.where(there, values, 0.0).sum(axis=1) / np.where(per_cell > 0, per_cell, np.nan)
    residuals = np.where(there, values - cells[:, None], np.nan)
    residuals[np.abs(residuals) <= fit_rounding(values)] = 0.0
    return Layout(
        cells=cells, residuals=residuals,
        df=int(there.sum()) - int((per_cell > 0).sum()), group=np.zeros(len(values), dtype=np.intp),
        rounding=row_rounding(values), per_cell=per_cell,
        share=np.zeros((len(values), 0)), of_seeds=np.zeros((0, 0)),
    )  # fmt: skip


def _fit_cells_and_seeds(values: Values) -> Layout:
    there = ~np.isnan(values)
    filled = np.where(there, values, 0.0)
    present = there.astype(np.float64)
    per_cell, per_seed = present.sum(axis=1), present.sum(axis=0)
    share = present / np.maximum(per_cell, 1)[:, None]
    # Cells are eliminated first: what is left are equations for a handful of seeds.
    reduced = np.diag(per_seed) - present.T @ share
    if there.all() and there.size:
        inverse = (np.eye(len(per_seed)) - 1 / len(per_seed)) / len(values)
    else:
        inverse = np.linalg.pinv(reduced, rcond=RANK_TOLERANCE, hermitian=True)
    seeds = inverse @ (filled.sum(axis=0) - share.T @ filled.sum(axis=1))
    # Where no run is missing seeds cancel, and no cell's mean is rounded as a larger one's is.
    shifts = 0.0 if there.all() else present * seeds
    cells = (filled - shifts).sum(axis=1) / np.where(per_cell > 0, per_cell, np.nan)
    residuals = np.where(there, values - cells[:, None] - seeds, np.nan)
    # What arithmetic leaves of exact agreement is no spread.
    residuals[np.abs(residuals) <= fit_rounding(values)] = 0.0
    group = _linked(there)
    rank = int((per_cell > 0).sum() + (per_seed > 0).sum() - len(set(group[per_cell > 0])))
    return Layout(
        cells=cells, residuals=residuals, df=int(there.sum()) - rank, group=group,
        rounding=row_rounding(values), per_cell=per_cell, share=share, of_seeds=inverse,
    )  # fmt: skip


def difference(layout: Layout, cell: int, baseline: int) -> Estimate:
    """What a cell differs from the baseline; nan where no shared seed links the two."""
    if layout.group[cell] != layout.group[baseline]:
        return Estimate(math.nan, math.nan)
    u = layout.unscaled
    variance = u[cell, cell] + u[baseline, baseline] - 2 * u[cell, baseline]
    effect = float(layout.cells[cell] - layout.cells[baseline])
    effect = 0.0 if abs(effect) <= max(layout.rounding[[cell, baseline]]) else effect
    return Estimate(effect, math.sqrt(max(variance, 0)))


def contrast_covariance(covariance: Values, cells: Cells, references: Cells) -> Values:
    """Covariance of the differences of some cells to their references.

    Args:
        covariance: (num_cells, num_cells), of the cells.
        cells: (num_differences,).
        references: (num_differences,).

    Returns:
        (num_differences, num_differences).
    """
    return (
        covariance[np.ix_(cells, cells)] - covariance[np.ix_(cells, references)]
        - covariance[np.ix_(references, cells)] + covariance[np.ix_(references, references)]
    )  # fmt: skip


def num_results(values: Values) -> float:
    """How many results a cell has: the median of those that have any, 0 where none has.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
    """
    counts = (~np.isnan(values)).sum(axis=1)
    return float(np.median(counts[counts > 0])) if counts.any() else 0.0


def residual_df(there: NDArray[np.bool_], is_paired: bool) -> int:
    """Degrees of freedom of what runs tell of their spread, as `Pool.residuals` has it.

    Args:
        there: (num_cells, num_seeds), whether a cell has a seed.
        is_paired: Whether runs of one seed have something in common.
    """
    blank = np.where(there, 0.0, np.nan)
    found = fit_layout(blank, is_paired).df
    return found if found >= 1 else fit_layout(blank, is_paired=False).df


def seeds_alike(
    there: NDArray[np.bool_], cells: Cells, references: Cells, is_paired: bool
) -> float:
    """The number of seeds that would give differences the same standard error, were it of all.

    Args:
        there: (num_all_cells, num_seeds), whether a cell has a seed.
        cells: (num_cells,), those compared.
        references: (num_all_cells,), the cell that each is compared with.
        is_paired: Whether runs of one seed have something in common.

    Returns:
        For the median difference; 0 where there is none.
    """
    counts = there[cells].sum(axis=1)
    if not len(cells) or (there[references[cells]].sum(axis=1) == counts).all():
        return num_results(np.where(there[cells], 0.0, np.nan))
    found = fit_layout(np.where(there, 0.0, np.nan), is_paired)
    errors = [difference(found, int(cell), int(references[cell])).unscaled_se for cell in cells]
    known = [se for se in errors if se > 0]
    return 2 / float(np.median(known)) ** 2 if known else 0.0


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
