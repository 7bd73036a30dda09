"""The error that a comparison rests on: which scatter over seeds it is measured by.

Seeds may change what a factor does (factor x seed). Two cells that differ in that factor then
scatter more than two that do not: a split plot. Pure functions on arrays, missing runs as nan.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ablate.stats.distributions import f_tail
from ablate.stats.residuals import RANK_TOLERANCE, Squares, residual_squares

Values = NDArray[np.float64]
Codes = NDArray[np.integer[Any]]
FACTOR_ALPHA = 0.05
"""Each factor x seed is tested at it."""
MOST_COEFFICIENTS = 500
"""Where runs are missing and seeds have more of them, factor x seed is not looked for: the fit
would take seconds."""


class ErrorTerm(StrEnum):
    """What the standard error of a comparison is made of."""

    POOLED = "pooled residual"
    """What cells and seeds leave, of all cells of one spread."""
    SPLIT_PLOT = "residual and factor x seed"
    """The residual and what seeds change of the factors in which the two cells differ."""
    FACTOR_BY_SEED = "factor x seed"
    """What seeds change of a factor, its levels averaged over all the others."""
    OWN_PAIRS = "own pairs"
    """The scatter of the differences of these two alone."""
    RUNS = "residual of runs"
    """What the cells leave of unpaired runs, in a factor's levels over all the others."""
    OWN_RUNS = "own runs"
    """The scatter of the runs of these two alone, which are not paired."""

    @property
    def text(self) -> str:
        """For people: `the pooled residual`."""
        if self in (ErrorTerm.POOLED, ErrorTerm.RUNS):
            return f"the {self}"
        return self.value if self.is_shared else f"their {self}"

    @property
    def is_shared(self) -> bool:
        """Whether other cells' scatter is part of it."""
        return self not in (ErrorTerm.OWN_PAIRS, ErrorTerm.OWN_RUNS)


class ErrorVariance(NamedTuple):
    """The variance of a run as far as it enters a difference, and how well it is known."""

    variance: float
    df: float


@dataclass(frozen=True)
class SplitPlot:
    """Mean squares of the factors whose effect seeds change, and of what is left.

    In a complete grid of k cells a factor of a levels has E[MS] = residual + k / a components.
    """

    factors: Sequence[int]
    """Columns of the codes."""
    squares: Sequence[Squares]
    """One a factor: factor x seed."""
    cells_per_level: Sequence[float]
    residual: Squares

    def component(self, number: int) -> float:
        """The variance of factor x seed, by the factor's place among the factors."""
        excess = self.squares[number].mean - self.residual.mean
        return max(0.0, excess / self.cells_per_level[number])

    def error(self, differing: Sequence[bool]) -> ErrorVariance:
        """Of two cells: their residual, and the components of the factors in which they differ.

        The sum of mean squares has approximately so many degrees of freedom: Satterthwaite 1946
        (Biometrics Bull. 2, 110-114).

        Args:
            differing: (num_factors,), in the order of `factors`.
        """
        used = [n for n, differs in enumerate(differing) if differs and self.component(n) > 0]
        weights = [1 / self.cells_per_level[n] for n in used]
        parts = [(1 - sum(weights), self.residual)]
        parts += [(weight, self.squares[n]) for weight, n in zip(weights, used, strict=True)]
        variance = sum(weight * squares.mean for weight, squares in parts)
        spread = sum((weight * squares.mean) ** 2 / squares.df for weight, squares in parts)
        return ErrorVariance(variance, variance**2 / spread if spread > 0 else self.residual.df)


def factors_by_seed(values: Values, codes: Codes, alpha: float = FACTOR_ALPHA) -> list[int]:
    """The factors whose effect changes from seed to seed.

    Each factor x seed against what all of them leave: F tests, exact where all is normal.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        codes: (num_cells, num_factors), the level of each factor, -1 where it does not apply.
        alpha: The level of each test.
    """
    factors = [f for f in range(codes.shape[1]) if len(np.unique(codes[:, f])) > 1]
    columns = seed_columns(codes, factors)
    is_large = columns.shape[1] * values.shape[1] > MOST_COEFFICIENTS
    if not factors or (is_large and np.isnan(values).any()):
        return []
    rest = residual_squares(values, columns)
    found: list[int] = []
    for factor in factors:
        columns = seed_columns(codes, [other for other in factors if other != factor])
        more = _difference(residual_squares(values, columns), rest)
        is_testable = more.df > 0 and rest.df > 0 and rest.sum > 0
        if is_testable and f_tail(more.mean / rest.mean, more.df, rest.df) < alpha:
            found.append(factor)
    return found


def split_plot(values: Values, codes: Codes, factors: Sequence[int]) -> SplitPlot | None:
    """The mean squares of factors whose effect seeds change; None where there is no residual.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        codes: (num_cells, num_factors).
        factors: Columns of the codes.
    """
    residual = residual_squares(values, seed_columns(codes, factors))
    if not factors or residual.df < 1:
        return None
    squares: list[Squares] = []
    per_level: list[float] = []
    for factor in factors:
        columns = seed_columns(codes, [other for other in factors if other != factor])
        squares.append(_difference(residual_squares(values, columns), residual))
        per_level.append(_cells_per_level(_indicators(codes[:, factor]), columns))
    if any(each.df < 1 for each in squares):
        return None
    return SplitPlot(factors, squares, per_level, residual)


def seed_columns(codes: Codes, factors: Sequence[int]) -> Values:
    """What seeds change: all cells alike, and the levels of some factors.

    Args:
        codes: (num_cells, num_factors).
        factors: Columns of the codes.
    """
    levels = [_indicators(codes[:, factor])[:, 1:] for factor in factors]
    return np.hstack([np.ones((len(codes), 1)), *levels])


def _indicators(levels: Codes) -> Values:
    return (levels[:, None] == np.unique(levels)).astype(np.float64)


def _cells_per_level(levels: Values, others: Values) -> float:
    """How much of a level's own variance is in the mean square: k / a of a complete grid."""
    left = levels - others @ np.linalg.pinv(others, rcond=RANK_TOLERANCE) @ levels
    rank = int(np.linalg.matrix_rank(left, tol=1e-8))
    return float((left**2).sum()) / rank if rank else math.nan


def _difference(larger: Squares, smaller: Squares) -> Squares:
    return Squares(max(0.0, larger.sum - smaller.sum), larger.df - smaller.df)
