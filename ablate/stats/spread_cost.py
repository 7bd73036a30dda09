"""What the tests of spread cost a comparison of two cells that scatter like the others.

By chance one of the two seems to scatter more in a few studies of a hundred, and is judged by its
own runs, which see less. Pure functions.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablate.stats.distributions import (
    chi2_below,
    f_quantile,
    normal_cdf,
    residual_scales,
    t_quantiles,
)
from ablate.stats.pooling import ALPHA
from ablate.stats.unequal_spread import DOUBT_ALPHA, REFERENCE_ALPHA

Values = NDArray[np.float64]
FEWEST = 3
"""Cells among which one can be told from the others."""


@dataclass(frozen=True)
class SpreadTests:
    """The tests of spread that a design's cells, or levels of a factor, will stand.

    Attributes:
        num_cells: Those with several results.
        num_seeds: Of a cell.
        num_references: Cells that others are compared with: they are tested once more. None of
            them where all cells are compared with each other.
        is_paired: Whether runs of one seed have something in common.
    """

    num_cells: float
    num_seeds: float
    num_references: int = 1
    is_paired: bool = True

    @property
    def share(self) -> float:
        """Of comparisons, those of which one cell seems to scatter more."""
        return sum(self._levels)

    def found(self, shift: float, num_comparisons: int) -> float:
        """The chance that a difference is found, and by the own runs of its two cells.

        The F ratio of a cell to the others is independent of their pooled residual, so what is
        judged on that is neither more nor less powerful for the tests. A pair's own scatter is as
        much that of the cell as its difference is correlated with the cell's contrast to all
        others.

        Args:
            shift: The true difference in standard errors of the true spread.
            num_comparisons: Those that are to hold all at once (Bonferroni).
        """

        def chance(scales: Values, df: Values) -> Values:
            half = scales * t_quantiles(1 - ALPHA / (2 * num_comparisons), df)
            return normal_cdf(shift - half) + normal_cdf(-shift - half)

        return sum(self._of_own(level, chance) for level in self._levels)

    def equivalent(self, margin: float, alpha: float) -> float:
        """The chance that what does not differ is found equivalent, and by own runs.

        Args:
            margin: In standard errors of the true spread.
            alpha: Of each of the two tests.
        """

        def chance(scales: Values, df: Values) -> Values:
            room = margin - scales * t_quantiles(1 - alpha, df)
            return np.where(room > 0, 2 * normal_cdf(room) - 1, 0.0)

        return sum(self._of_own(level, chance) for level in self._levels)

    @property
    def _levels(self) -> tuple[float, ...]:
        """How often a cell seems to scatter more, and how often what it is compared with."""
        if self.num_cells < FEWEST or not self.num_seeds > 1:
            return ()
        each = DOUBT_ALPHA / self.num_cells
        reference = max(each, REFERENCE_ALPHA / max(self.num_references, 1))
        return each, reference if self.num_references else each

    @property
    def _rest_df(self) -> float:
        return (self.num_cells - 1 - self.is_paired) * (self.num_seeds - 1)

    def _of_own(self, level: float, chance: Callable[[Values, Values], Values]) -> float:
        """A chance, by the scale of a pair and its df, and that the pair is judged by itself."""
        df, rest_df = self.num_seeds - 1, self._rest_df
        scales, weights = residual_scales(df)
        squares = scales**2
        seen = chi2_below(rest_df * squares / f_quantile(1 - level, df, rest_df), rest_df)
        part = self.num_cells / (self.num_cells - 1) / 2 if self.is_paired else 0.5
        own = np.sqrt(part * squares + 1 - part)
        own_df: Values = np.full(len(own), float(df))
        if not self.is_paired:  # Welch, by Satterthwaite
            own_df *= (squares + 1) ** 2 / (squares**2 + 1)
        return float(weights @ (seen * chance(own, own_df)))


NONE = SpreadTests(0, math.nan)
"""Of comparisons whose cells are not tested."""
