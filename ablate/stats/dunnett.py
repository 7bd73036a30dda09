"""Simultaneous comparisons with one baseline: critical values and adjusted p values.

Dunnett 1955 (J. Am. Stat. Assoc. 50, 1096-1121): the largest of several t statistics that share a
baseline and a residual variance, to both sides or to one. The number of comparisons is priced in
once, in the interval as in the p value, so that the two cannot contradict each other.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ablate.stats.distributions import normal_cdf, residual_scales, t_quantile, t_tail

Values = NDArray[np.float64]
NODES, FARTHEST = 32, 6.5
"""Of the trapezoid rule over what the comparisons have in common; half of it, by symmetry."""


@dataclass(frozen=True)
class Family:
    """Comparisons that are to hold all at once.

    Attributes:
        num: How many.
        correlation: Of any two of their estimates: 1/2 where all have one baseline and no run is
            missing. Where it differs between pairs the smallest is right to take: less
            correlation makes wider intervals (Sidak 1967, J. Am. Stat. Assoc. 62).
        df: Degrees of freedom of the residual variance that they share.
    """

    num: int
    correlation: float
    df: float

    def adjusted_p(self, t: float) -> float:
        """Chance that the largest |t| of the family reaches a value where nothing differs."""
        return float(np.clip(1 - self._coverage(abs(t)), 0, 1))

    @lru_cache(maxsize=256)  # noqa: B019 - a family is three numbers, and studies repeat them
    def critical_value(self, confidence: float = 0.95) -> float:
        """The half-width, in standard errors, of intervals that hold all at once."""
        return self._solve(self._coverage, (1 - confidence) / 2, confidence)

    @lru_cache(maxsize=256)  # noqa: B019
    def one_sided_value(self, confidence: float = 0.95) -> float:
        """The same of bounds to one side."""
        return self._solve(self._below, 1 - confidence, confidence)

    def _solve(self, coverage: Callable[[float], float], tail: float, confidence: float) -> float:
        """The critical value of a given coverage; `tail` is what one comparison alone leaves."""
        alone = t_quantile(1 - tail, self.df)
        if self.num == 1:
            return alone
        from scipy.optimize import brentq  # takes a fifth of a second

        bonferroni = t_quantile(1 - tail / self.num, self.df)
        found = brentq(lambda t: coverage(t) - confidence, 0.9 * alone, 1.1 * bonferroni)
        return float(found)  # pyright: ignore[reportArgumentType] - no full output is asked for

    def _below(self, t: float) -> float:
        """P(all T_i <= t)."""
        scales, scale_weights = residual_scales(self.df)
        shared, weights = _shared()
        spread, centre = math.sqrt(1 - self.correlation), math.sqrt(self.correlation) * shared
        sides = [
            normal_cdf((sign * centre + t * scales[:, None]) / spread) ** self.num
            for sign in (-1, 1)
        ]
        return float(scale_weights @ (sides[0] + sides[1]) @ weights / 2)

    def _coverage(self, t: float) -> float:
        """P(all |T_i| <= t)."""
        if self.num == 1:
            return 1 - 2 * t_tail(t, self.df)
        scales, scale_weights = residual_scales(self.df)
        shared, weights = _shared()
        spread = math.sqrt(1 - self.correlation)
        centre = math.sqrt(self.correlation) * shared
        upper = normal_cdf((centre + t * scales[:, None]) / spread)
        lower = normal_cdf((centre - t * scales[:, None]) / spread)
        return float(scale_weights @ (upper - lower) ** self.num @ weights)


@lru_cache(maxsize=1)
def _shared() -> tuple[Values, Values]:
    """Values of a standard normal variable from 0 on, and their weights.

    Of analytic functions against a normal density the trapezoid rule is exact up to a term that
    falls like exp(-1 / step^2): Trefethen & Weideman 2014, SIAM Review 56.
    """
    values = np.linspace(0, FARTHEST, NODES)
    weights = np.exp(-(values**2) / 2)
    weights[0] /= 2
    return values, weights / weights.sum()
