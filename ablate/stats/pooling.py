"""What the comparisons of a group of cells share: residual variance, family and critical value.

Pure functions on arrays, missing runs as nan.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ablate.stats.distributions import t_quantile, t_tail
from ablate.stats.dunnett import Family
from ablate.stats.error_terms import (
    Codes,
    ErrorTerm,
    ErrorVariance,
    SplitPlot,
    split_plot,
)
from ablate.stats.layout import Estimate, Layout, contrast_covariance, difference, fit_layout
from ablate.stats.own_spread import OwnSpread, own_spread
from ablate.stats.stages import later_spread

Values = NDArray[np.float64]
References = Sequence[int] | NDArray[np.integer[Any]] | int
Named = Sequence[bool] | NDArray[np.bool_] | None
Cells = NDArray[np.intp]
ALPHA = 0.05
CERTAIN_DF = 3
"""With fewer degrees of freedom, residuals that are all 0 may well be ties of coarse values."""
SHARED_MOST = 0.9
"""Differences count as correlated no more than this: less is cautious, and integrates well."""


class Evidence(NamedTuple):
    """What the runs say of one difference."""

    difference: float
    se: float
    df: float
    critical: float
    """Half-width of its interval in standard errors, for all that is compared."""
    p: float
    """Adjusted: below `ALPHA` just where the interval excludes 0; nan where nothing can be said."""
    error: ErrorTerm


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The comparisons of cells that measure the same: those on one residual, and those apart."""

    cells: Cells
    """(num_cells,), the places of these cells in the study; all else counts within the group."""
    values: Values
    """(num_cells, num_seeds); nan of cells that repeat the numbers of another one."""
    same: Cells
    """(num_cells,), the cell whose runs each has: itself, but for those that repeat another."""
    references: Cells
    """(num_cells,), the cell that each is compared with."""
    family: NDArray[np.bool_]
    """(num_cells,), comparisons that are to hold all at once: named, and with enough runs."""
    share: float
    """Of all comparisons of the study the share that is in this group."""
    noisy: Sequence[int]
    """Cells of larger spread than the others'."""
    doubtful: Sequence[int]
    """Cells that may have one. Their scatter stays in the residual, which is cautious."""
    apart: NDArray[np.bool_]
    """(num_cells,), judged by own pairs: where the cell or its reference is noisy or doubtful, or
    all."""
    codes: Codes
    """(num_cells, num_factors), levels of a grid's factors."""
    factors: Sequence[int]
    """The factors whose effect seeds change."""
    first_seeds: int | None
    """The pooled variance comes from so many seeds, the first ones; from all where None."""
    num_families: int = 1
    """Such pools, of so many metrics, whose comparisons are to hold all at once (Bonferroni)."""
    widening: float = 1.0
    """What standard errors are multiplied by, see `ablate.stats.splits`."""
    is_paired: bool = True
    """Whether runs of one seed have something in common."""

    @property
    def own_error(self) -> ErrorTerm:
        """What comparisons apart rest on."""
        return ErrorTerm.OWN_PAIRS if self.is_paired else ErrorTerm.OWN_RUNS

    @property
    def is_empty(self) -> NDArray[np.bool_]:
        """(num_cells,), whether a cell has no result."""
        return (~np.isnan(self.values[self.same])).sum(axis=1) == 0

    @cached_property
    def layout(self) -> Layout:
        """The fit of all seeds, without the noisy cells."""
        return fit_layout(self.values[self._kept], self.is_paired)

    @cached_property
    def residuals(self) -> Layout:
        """The fit that the residual variance comes from.

        Where seeds take up all that runs say, as with several seeds of one cell alone, it is the
        scatter of runs about their cells: what seeds do to all alike is in it, so it is cautious.
        """
        found = self.layout
        if self.first_seeds is not None:
            found = fit_layout(self._first, self.is_paired)
        return found if found.df >= 1 else fit_layout(self._first, is_paired=False)

    @cached_property
    def later(self) -> ErrorVariance | None:
        """The variance of the second stage, where it is the larger; None elsewhere."""
        return later_spread(self.values[self._kept], self.first_seeds, self.is_paired)

    @cached_property
    def split(self) -> SplitPlot | None:
        """What seeds change of factors, where they do; None where all cells scatter alike."""
        if not self.factors or self.later is not None:
            return None
        return split_plot(self._first, self.codes[self._kept], self.factors)

    @cached_property
    def residual(self) -> ErrorVariance:
        """The variance of a run about its cell and its seed, and its degrees of freedom."""
        if self.split is not None:
            return ErrorVariance(self.split.residual.mean, self.split.residual.df)
        return self.later or ErrorVariance(self.residuals.variance, self.residuals.df)

    @property
    def sd(self) -> float:
        """Residual sd, pooled; nan where none can be estimated."""
        return math.sqrt(self.residual.variance)

    def error(self, cell: int) -> ErrorVariance:
        """The variance of a run that enters a pooled comparison."""
        differing = self._differing(cell)
        return self.split.error(differing) if self.split and any(differing) else self.residual

    def shared(self, df: float) -> Family | None:
        """The family of the pooled comparisons; None where there is none."""
        if self._correlation is None or not df >= 1:
            return None
        return Family(int((self.family & ~self.apart).sum()), self._correlation, df)

    @cached_property
    def alpha(self) -> float:
        """The group's part of `ALPHA`, by its comparisons: Sidak 1967 (J. Am. Stat. Assoc. 62)."""
        whole = ALPHA / self.num_families
        return whole if self.share == 1 else 1 - (1 - whole) ** self.share

    @property
    def alpha_each(self) -> float:
        """The part of each comparison (Bonferroni)."""
        return self.alpha / max(int(self.family.sum()), 1)

    @cached_property
    def alpha_share(self) -> float:
        """The share of `alpha` that the pooled comparisons take; the rest is for those apart."""
        return float((self.family & ~self.apart).sum() / max(self.family.sum(), 1))

    def critical(self, df: float) -> float:
        """Half-width of the pooled intervals in standard errors; nan where there is none."""
        family = self.shared(df)
        return family.critical_value(1 - self.alpha * self.alpha_share) if family else math.nan

    def pooled_difference(self, cell: int) -> Estimate:
        """A cell minus its reference by least squares; nan where no seeds link them."""
        row, other = (int(self._rows[c]) for c in (cell, int(self.references[cell])))
        return difference(self.layout, row, other)

    def pooled_evidence(self, cell: int) -> Evidence:
        """A difference on the variance of all cells; nan where there is none."""
        value, unscaled_se = self.pooled_difference(cell)
        variance, df = self.error(cell)
        error = ErrorTerm.SPLIT_PLOT if any(self._differing(cell)) else ErrorTerm.POOLED
        se, family = self.widening * math.sqrt(variance) * unscaled_se, self.shared(df)
        if family is None or math.isnan(se):
            return Evidence(value, math.nan, df, math.nan, math.nan, error)
        p = family.adjusted_p(value / se) if se else certain_p(value, df)
        return Evidence(
            value, se, df, self.critical(df), self._study_p(p / self.alpha_share), error
        )

    def difference(self, cell: int) -> float:
        """A cell minus its reference, whatever may be said of it; nan where one has no result.

        Where no seeds link the two it is that of their means.
        """
        found = self._own(cell).difference
        if not self.apart[cell]:
            found = self.pooled_difference(cell).difference
        if math.isnan(found):
            one, other = self._two(cell)
            found = own_spread(one, other, is_paired=False).difference
        return found

    def own_evidence(self, cell: int) -> Evidence:
        """A difference on its own runs, Bonferroni for the family; nan where they are too few.

        All runs, whatever `first_seeds` says: over all seeds the cell was found to be noisy, and
        the variance of its first few would make its interval several times wider. Stein's proof
        does not cover such a cell; by simulation its interval misses no more often.
        """
        found = own_evidence(self._own(cell), int(self.family.sum()), self.own_error, self.alpha)
        return found._replace(p=self._study_p(found.p))

    def _study_p(self, p: float) -> float:
        """A p value adjusted within the group, adjusted for all groups and families."""
        if math.isnan(p) or p >= 1:
            return p if math.isnan(p) else 1.0
        of_all = p if self.share == 1 else -math.expm1(math.log1p(-p) / self.share)
        return min(1.0, of_all * self.num_families)

    def _own(self, cell: int) -> OwnSpread:
        one, other = self._two(cell)
        found = own_spread(one, other, self.is_paired)
        return found._replace(se=self.widening * found.se)

    def _two(self, cell: int) -> Values:
        """The runs of a cell and of its reference, (2, num_seeds)."""
        return self.values[self.same[[cell, int(self.references[cell])]]]

    def _differing(self, cell: int) -> list[bool]:
        """Of the factors that seeds change, whether the cell and its reference differ in them."""
        if self.split is None:
            return []
        one, other = self.codes[[cell, int(self.references[cell])]]
        return [bool(one[factor] != other[factor]) for factor in self.split.factors]

    @cached_property
    def _correlation(self) -> float | None:
        """The smallest of any two pooled comparisons; None where nothing can be compared."""
        pooled = np.flatnonzero(self.family & ~self.apart)
        rows, others = self._rows[pooled], self._rows[self.references[pooled]]
        linked = self.layout.group[rows] == self.layout.group[others]
        if not linked.any():
            return None
        covariance = contrast_covariance(self.layout.unscaled, rows[linked], others[linked])
        if self.split is not None:
            covariance = self._split_covariance(covariance, pooled[linked])
        return least_correlation(covariance)

    def _split_covariance(self, unscaled: Values, cells: Cells) -> Values:
        """Of comparisons that share what seeds change of a factor, too."""
        assert self.split is not None
        covariance = unscaled * self.split.residual.mean
        per_cell = float(np.median(np.diag(unscaled))) / 2
        for number, factor in enumerate(self.split.factors):
            levels = self.codes[:, factor]
            alike = (levels[:, None] == levels).astype(np.float64)
            shared = contrast_covariance(alike, cells, self.references[cells])
            covariance = covariance + self.split.component(number) * per_cell * shared
        return covariance

    @property
    def _first(self) -> Values:
        return self.values[self._kept, : self.first_seeds]

    @cached_property
    def _kept(self) -> Cells:
        return np.setdiff1d(np.arange(len(self.values)), self.noisy)

    @cached_property
    def _rows(self) -> Cells:
        """Of each cell its row in the layout; -1 for noisy ones."""
        rows = np.full(len(self.values), -1)
        rows[self._kept] = np.arange(len(self._kept))
        return rows[self.same]


def own_evidence(found: OwnSpread, num: int, error: ErrorTerm, alpha: float = ALPHA) -> Evidence:
    """What the two of a difference say of it themselves, as one of so many (Bonferroni).

    Args:
        found: The difference.
        num: Differences that are to hold all at once.
        error: What it rests on.
        alpha: Of all of them.
    """
    mean, se, df = found
    if math.isnan(se):
        return Evidence(mean, math.nan, df, math.nan, math.nan, error)
    p = 2 * t_tail(abs(mean) / se, df) if se else certain_p(mean, df)
    p = p if math.isnan(p) else min(1.0, num * p)
    return Evidence(mean, se, df, t_quantile(1 - alpha / (2 * num), df), p, error)


def least_correlation(covariance: Values) -> float:
    """The smallest correlation of any two differences, as far as a family counts on it.

    At 0 intervals hold whatever the correlations are: Sidak 1967 (J. Am. Stat. Assoc. 62).

    Args:
        covariance: (num_differences, num_differences).
    """
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    pairs = (covariance / np.outer(scale, scale))[~np.eye(len(covariance), dtype=bool)]
    return float(np.clip(pairs.min(initial=1), 0, SHARED_MOST))


def certain_p(value: float, df: float = math.inf) -> float:
    """The p value where nothing varies; nan where `df` is below `CERTAIN_DF`."""
    if df < CERTAIN_DF:
        return math.nan
    return 0.0 if value else 1.0
