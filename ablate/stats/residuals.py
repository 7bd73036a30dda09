"""What cells, and what seeds do to them alike, leave of a table: sums of squares.

The model is value = cell + (a seed's own coefficients of some columns) + residual. With a column of
ones it is the cells x seeds layout; with the levels of a factor besides, each seed changes what the
factor does; without any column runs of one seed have nothing in common.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ablate.stats.units import fit_rounding

Values = NDArray[np.float64]
RANK_TOLERANCE = 1e-10
"""Singular values below this share of the largest are zeros of a design."""


class Squares(NamedTuple):
    """A sum of squares and its degrees of freedom."""

    sum: float
    df: int

    @property
    def mean(self) -> float:
        """The mean square; nan without degrees of freedom."""
        return self.sum / self.df if self.df > 0 else float("nan")


def residual_squares(values: Values, columns: Values) -> Squares:
    """The residual of a table, where each seed has its own coefficients of the columns.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        columns: (num_cells, num_columns).
    """
    there = ~np.isnan(values)
    used, seeds = there.any(axis=1), there.any(axis=0)
    values, columns, there = values[used][:, seeds], columns[used], there[used][:, seeds]
    if not values.size:
        return Squares(0.0, 0)
    if not columns.shape[1]:
        left = values - np.nanmean(values, axis=1, keepdims=True)
        left[np.abs(left) <= fit_rounding(values)] = 0.0
        return Squares(float(np.nansum(left**2)), int(there.sum()) - len(values))
    if there.all():
        return _complete(values, columns)
    return _incomplete(values, columns, there)


def _complete(values: Values, columns: Values) -> Squares:
    num_cells, num_seeds = values.shape
    projector = columns @ np.linalg.pinv(columns, rcond=RANK_TOLERANCE)
    centred = values - values.mean(axis=1, keepdims=True)
    left = centred - projector @ centred
    left[np.abs(left) <= fit_rounding(values)] = 0.0
    df = (num_seeds - 1) * (num_cells - round(float(np.trace(projector))))
    return Squares(float((left**2).sum()), df)


def _incomplete(values: Values, columns: Values, there: NDArray[np.bool_]) -> Squares:
    """By normal equations of the seeds' coefficients, the cells eliminated first."""
    present = there.astype(np.float64)
    counts = present.sum(axis=1)
    filled = np.where(there, values, 0.0)
    centred = np.where(there, values - (filled.sum(axis=1) / counts)[:, None], 0.0)
    num_seeds, num_columns = values.shape[1], columns.shape[1]
    size = num_seeds * num_columns
    products = np.einsum("cp,cq->cpq", columns, columns).reshape(len(columns), -1)
    pairs = np.einsum("cs,ct->cst", present / counts[:, None], present).reshape(len(columns), -1)
    gram = -(pairs.T @ products).reshape(num_seeds, num_seeds, num_columns, num_columns)
    own = (present.T @ products).reshape(num_seeds, num_columns, num_columns)
    gram[np.arange(num_seeds), np.arange(num_seeds)] += own
    gram = gram.transpose(0, 2, 1, 3).reshape(size, size)
    right = np.einsum("cs,cp->sp", centred, columns).reshape(size)
    strengths, directions = np.linalg.eigh(gram)
    known = strengths > RANK_TOLERANCE * max(float(strengths[-1]), 1e-300)
    basis = directions[:, known]
    coefficients = (basis @ (basis.T @ right / strengths[known])).reshape(num_seeds, num_columns)
    fitted = np.where(there, columns @ coefficients.T, 0.0)
    left = centred - np.where(there, fitted - (fitted.sum(axis=1) / counts)[:, None], 0.0)
    left[np.abs(left) <= fit_rounding(values)] = 0.0
    return Squares(float((left**2).sum()), int(there.sum()) - len(values) - int(known.sum()))


def ones(values: Values, is_paired: bool = True) -> Values:
    """The one column of the cells x seeds layout, (num_cells, 1); none where runs are unpaired."""
    return np.ones((len(values), int(is_paired)))
