"""A/A: a second baseline on other seeds, which should differ from the first by noise alone."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ablate.stats.distributions import t_quantile, t_tail
from ablate.stats.own_spread import own_spread
from ablate.stats.pooling import ALPHA, certain_p
from ablate.stats.units import unit_of
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
    difference, se, df = own_spread(again / unit, baseline / unit, is_paired=False)
    if math.isnan(se):
        return AATest(Verdict.none(Cause.TOO_FEW_SEEDS), difference * unit)
    p = 2 * t_tail(abs(difference) / se, df) if se else certain_p(difference)
    half = t_quantile(1 - ALPHA / 2, df) * se
    kind = VerdictKind.DIFFERS if abs(difference) > half else VerdictKind.WITHIN_NOISE
    low, high = difference - half, difference + half
    return AATest(Verdict(kind), difference * unit, low * unit, high * unit, p)
