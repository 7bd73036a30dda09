"""What the comparisons of a study share: residual variance, family and critical value.

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
from ablate.stats.layout import (
    Estimate,
    Layout,
    contrast_correlation,
    difference,
    fit_layout,
    noisy_cells,
    rounding_error,
)

Values = NDArray[np.float64]
References = Sequence[int] | NDArray[np.integer[Any]] | int
Named = Sequence[bool] | NDArray[np.bool_] | None
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
    """Half-width of its interval in standard errors, priced for all that is compared."""
    p: float
    """Adjusted: below `ALPHA` just where the interval excludes 0; nan where nothing can be said."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The comparisons of a study: those that share a residual variance, and those apart."""

    values: Values
    """(num_cells, num_seeds)."""
    references: NDArray[np.intp]
    """(num_cells,), the cell that each is compared with."""
    family: NDArray[np.bool_]
    """(num_cells,), comparisons that are to hold all at once: named, and with enough runs."""
    noisy: Sequence[int]
    """Cells of larger spread than the others'."""
    apart: NDArray[np.bool_]
    """(num_cells,), judged by own pairs: where the cell or its reference is noisy, or all."""
    first_seeds: int | None
    """The pooled variance comes from so many seeds, the first ones; from all where None."""
    num_families: int = 1
    """Such pools, of so many metrics, whose comparisons are to hold all at once (Bonferroni)."""

    @cached_property
    def layout(self) -> Layout:
        """The fit of all seeds, without the noisy cells."""
        return fit_layout(self.values[self._kept])

    @cached_property
    def residuals(self) -> Layout:
        """The fit that the residual variance comes from."""
        if self.first_seeds is None:
            return self.layout
        return fit_layout(self.values[self._kept, : self.first_seeds])

    @cached_property
    def sd(self) -> float:
        """Residual sd, pooled; nan where none can be estimated."""
        return math.sqrt(self.residuals.variance)

    @cached_property
    def shared(self) -> Family | None:
        """The family of the pooled comparisons; None where there is none."""
        pooled = np.flatnonzero(self.family & ~self.apart)
        rows, others = self._rows[pooled], self._rows[self.references[pooled]]
        linked = self.layout.group[rows] == self.layout.group[others]
        if self.residuals.df < 1 or not linked.any():
            return None
        correlation = contrast_correlation(self.layout, rows[linked], others[linked])
        pairs = correlation[~np.eye(len(correlation), dtype=bool)]
        # The smallest one; at 0 intervals hold whatever the correlations are (Sidak 1967).
        common = float(np.clip(pairs.min(initial=1), 0, SHARED_MOST))
        return Family(len(pooled), common, self.residuals.df)

    @cached_property
    def alpha_share(self) -> float:
        """The share of `ALPHA` that the pooled comparisons take; the rest is for those apart."""
        return float((self.family & ~self.apart).sum() / max(self.num_shares, 1))

    @cached_property
    def num_shares(self) -> int:
        """Comparisons that `ALPHA` is for, over all families."""
        return int(self.family.sum()) * self.num_families

    @cached_property
    def critical(self) -> float:
        """Half-width of the pooled intervals in standard errors; nan where there is none."""
        return self.shared.critical_value(1 - ALPHA * self.alpha_share) if self.shared else math.nan

    def pooled_difference(self, cell: int) -> Estimate:
        """A cell minus its reference by least squares; nan where no seeds link them."""
        row, other = (int(self._rows[c]) for c in (cell, int(self.references[cell])))
        return difference(self.layout, row, other)

    def pooled_evidence(self, cell: int) -> Evidence:
        """A difference on the residual variance of all cells; nan where there is none."""
        found = self.pooled_difference(cell)
        se, df = self.sd * found.unscaled_se, self.residuals.df
        if self.shared is None or math.isnan(se):
            return Evidence(found.difference, math.nan, df, math.nan, math.nan)
        p = self.shared.adjusted_p(found.difference / se) if se else certain_p(found.difference, df)
        return Evidence(found.difference, se, df, self.critical, _at_most_1(p / self.alpha_share))

    def own_difference(self, cell: int) -> float:
        """The mean of a cell's own pairs; nan without any."""
        pairs = self._pairs(cell)
        return float(np.nanmean(pairs)) if not np.isnan(pairs).all() else math.nan

    def own_evidence(self, cell: int) -> Evidence:
        """A difference on its own pairs, Bonferroni for the family; nan with fewer than two.

        All pairs, whatever `first_seeds` says: over all seeds the cell was found to be noisy, and
        the variance of its first few would make its interval several times wider. Stein's proof
        does not cover such a cell; by simulation its interval misses no more often.
        """
        mean, pairs = self.own_difference(cell), self._pairs(cell)
        pairs = pairs[~np.isnan(pairs)]
        num, df = self.num_shares, len(pairs) - 1
        if df < 1:
            return Evidence(mean, math.nan, df, math.nan, math.nan)
        varies = float(np.ptp(pairs)) > self._rounding
        se = float(pairs.std(ddof=1)) / math.sqrt(len(pairs)) if varies else 0.0
        p = 2 * t_tail(abs(mean) / se, df) if se else certain_p(mean, df)
        critical = t_quantile(1 - ALPHA / (2 * num), df)
        return Evidence(mean, se, df, critical, _at_most_1(num * p))

    def _pairs(self, cell: int) -> Values:
        """A cell minus its reference seed by seed, (num_seeds,)."""
        pairs = self.values[cell] - self.values[self.references[cell]]
        return np.where(np.abs(pairs) <= self._rounding, 0 * pairs, pairs)

    @cached_property
    def _rounding(self) -> float:
        return rounding_error(self.values)

    @cached_property
    def _kept(self) -> NDArray[np.intp]:
        return np.setdiff1d(np.arange(len(self.values)), self.noisy)

    @cached_property
    def _rows(self) -> NDArray[np.intp]:
        """Of each cell its row in the layout; -1 for noisy ones."""
        rows = np.full(len(self.values), -1)
        rows[self._kept] = np.arange(len(self._kept))
        return rows


def pool_cells(
    values: Values,
    references: References,
    named: Named = None,
    first_seeds: int | None = None,
    own_pairs: bool = False,
    num_families: int = 1,
) -> Pool:
    """Sorts out what is compared, and on which variance.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        references: (num_cells,), the cell that each is compared with, itself for a baseline; or
            one baseline for all.
        named: (num_cells,), the cells whose comparisons were planned; all where None.
        first_seeds: The pooled variance comes from so many seeds, the first ones.
        own_pairs: Whether all comparisons are judged by own pairs, on no shared variance.
        num_families: Such pools, of so many metrics, that are to hold all at once.
    """
    cells = np.arange(len(values))
    others = np.broadcast_to(np.asarray(references, dtype=np.intp), cells.shape)
    enough = (~np.isnan(values)).sum(axis=1) > 1
    planned = np.ones(len(values), dtype=bool) if named is None else np.asarray(named, dtype=bool)
    noisy = noisy_cells(values)
    is_noisy = np.isin(cells, noisy)
    return Pool(
        values=values,
        references=others,
        family=planned & enough & enough[others] & (others != cells),
        noisy=noisy,
        apart=is_noisy | is_noisy[others] | own_pairs,
        first_seeds=first_seeds,
        num_families=num_families,
    )


def certain_p(value: float, df: float = math.inf) -> float:
    """The p value where nothing varies; nan where `df` is below `CERTAIN_DF`."""
    if df < CERTAIN_DF:
        return math.nan
    return 0.0 if value else 1.0


def _at_most_1(p: float) -> float:
    return p if math.isnan(p) else min(1.0, p)
