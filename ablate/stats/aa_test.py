"""A/A: a second baseline on other seeds, which should differ from the first by noise alone."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ablate.stats.distributions import t_quantile, t_tail
from ablate.stats.pooling import ALPHA, certain_p
from ablate.stats.units import rounding_error, unit_of
from ablate.stats.verdicts import Cause, Verdict, VerdictKind

Values = NDArray[np.float64]


class AATest(NamedTuple):
    """The second baseline against the first."""

    verdict: Verdict
    difference: float = math.nan
    """Second minus first."""
    low: float = math.nan
    high: float = math.nan
    """95 % interval."""
    p: float = math.nan


def compare_aa(baseline: Values, again: Values) -> AATest:
    """Welch's t test, unpaired since the seeds are others: Welch 1947 (Biometrika 34, 28-35).

    Args:
        baseline: (num_seeds,), nan where a run is missing.
        again: (num_other_seeds,), nan where a run is missing.
    """
    unit = unit_of(baseline, again)
    first, second = (values[~np.isnan(values)] / unit for values in (baseline, again))
    rounding = rounding_error(np.concatenate([first, second]))
    difference = float(second.mean() - first.mean()) if len(first) and len(second) else math.nan
    difference = 0.0 if abs(difference) <= rounding else difference
    if min(len(first), len(second)) < 2:
        return AATest(Verdict.none(Cause.TOO_FEW_SEEDS), difference * unit)
    parts = [_variance_of_mean(values, rounding) for values in (first, second)]
    variance = sum(parts)
    if variance == 0:
        p, half = certain_p(difference), 0.0
    else:
        of_parts = zip(parts, (first, second), strict=True)
        df = variance**2 / sum(part**2 / (len(values) - 1) for part, values in of_parts)
        p = 2 * t_tail(abs(difference) / math.sqrt(variance), df)
        half = t_quantile(1 - ALPHA / 2, df) * math.sqrt(variance)
    kind = VerdictKind.DIFFERS if abs(difference) > half else VerdictKind.WITHIN_NOISE
    low, high = difference - half, difference + half
    return AATest(Verdict(kind), difference * unit, low * unit, high * unit, p)


def _variance_of_mean(values: Values, rounding: float) -> float:
    sd = float(values.std(ddof=1))
    return sd**2 / len(values) if sd > rounding else 0.0
