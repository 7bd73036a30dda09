"""The studentized range: the largest of all differences of several means.

Tukey 1953, The Problem of Multiple Comparisons; the double integral of its distribution is that of
Copenhaver & Holland 1988 (J. Stat. Comput. Simul. 30, 1-15). SciPy's own takes a tenth of a second
a value, and a table of all pairs has hundreds.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ablate.stats.distributions import normal_cdf, residual_scales, t_quantile

NODES, FARTHEST = 66, 6.5
"""Of the trapezoid rule over the largest mean."""


@dataclass(frozen=True)
class StudentizedRange:
    """All pairs of some means that share a residual variance.

    Attributes:
        num: Means.
        df: Degrees of freedom of their residual variance.
    """

    num: int
    df: float

    def adjusted_p(self, t: float) -> float:
        """Chance that the largest |t| of all pairs reaches a value where nothing differs."""
        return float(np.clip(1 - self._coverage(abs(t)), 0, 1))

    @lru_cache(maxsize=256)  # noqa: B019 - two numbers, and studies repeat them
    def critical_value(self, confidence: float = 0.95) -> float:
        """The half-width, in standard errors of a difference, of intervals of all pairs."""
        alone = t_quantile((1 + confidence) / 2, self.df)
        if self.num == 2:
            return alone
        from scipy.optimize import brentq

        bonferroni = t_quantile(1 - (1 - confidence) / (self.num * (self.num - 1)), self.df)
        found = brentq(lambda t: self._coverage(t) - confidence, 0.9 * alone, 1.1 * bonferroni)
        return float(found)  # pyright: ignore[reportArgumentType] - no full output is asked for

    def _coverage(self, t: float) -> float:
        """P(range <= sqrt(2) t): the largest mean is anywhere, all others within that below it."""
        scales, scale_weights = residual_scales(self.df)
        largest = np.linspace(-FARTHEST, FARTHEST, NODES)
        density = np.exp(-(largest**2) / 2)
        within = normal_cdf(largest) - normal_cdf(largest - math.sqrt(2) * t * scales[:, None])
        inside = self.num * within ** (self.num - 1) @ (density / density.sum())
        return float(scale_weights @ inside)
