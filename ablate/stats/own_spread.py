"""A difference of two cells on the scatter of these two alone. Pure functions."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ablate.stats.distributions import t_quantile
from ablate.stats.units import rounding_error

Values = NDArray[np.float64]


class OwnSpread(NamedTuple):
    """A difference, and what its own runs say of its error."""

    difference: float
    """nan where the two share no seed, or one has no result."""
    se: float
    """0 where nothing varies; nan where too few runs say."""
    df: float

    def half_width(self, alpha: float) -> float:
        """Of the interval by Student's t; nan where it has none, since nothing varies or is known.

        Args:
            alpha: The chance that it misses.
        """
        return t_quantile(1 - alpha / 2, self.df) * self.se if self.se > 0 else math.nan


def own_spread(one: Values, other: Values, is_paired: bool = True) -> OwnSpread:
    """A cell minus another one, by a t test of the two.

    Args:
        one: (num_seeds,), nan where a run is missing.
        other: (num_seeds,).
        is_paired: Whether runs of one seed have something in common: then their differences are
            tested, else the two means with a variance each (Welch 1947, Biometrika 34, 28-35; df
            by Satterthwaite 1946, Biometrics Bull. 2).
    """
    rounding = rounding_error(np.array([*one, *other]))
    if is_paired:
        pairs = one - other
        pairs = np.where(np.abs(pairs) <= rounding, 0 * pairs, pairs)
        return _of_means([pairs[~np.isnan(pairs)]], [1.0], rounding)
    return _of_means([v[~np.isnan(v)] for v in (one, other)], [1.0, -1.0], rounding)


def weighted_means(values: Values, weights: Values) -> OwnSpread:
    """A contrast of means of cells, each with a variance of its own.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        weights: (num_cells,).
    """
    used = np.flatnonzero(weights)
    samples = [row[~np.isnan(row)] for row in values[used]]
    return _of_means(samples, weights[used].tolist(), rounding_error(values[used]))


def _of_means(samples: list[Values], weights: list[float], rounding: float) -> OwnSpread:
    least = min((len(sample) for sample in samples), default=0)
    if not least:
        return OwnSpread(math.nan, math.nan, 0)
    found = sum(w * float(s.mean()) for w, s in zip(weights, samples, strict=True))
    found = 0.0 if abs(found) <= rounding else found
    if least < 2:
        return OwnSpread(found, math.nan, 0)
    parts = [
        w**2 * float(s.var(ddof=1)) / len(s) if float(np.ptp(s)) > rounding else 0.0
        for w, s in zip(weights, samples, strict=True)
    ]
    variance = sum(parts)
    if variance == 0:
        return OwnSpread(found, 0.0, sum(len(s) - 1 for s in samples))
    spread = sum(part**2 / (len(s) - 1) for part, s in zip(parts, samples, strict=True))
    return OwnSpread(found, math.sqrt(variance), variance**2 / spread)
