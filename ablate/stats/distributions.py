"""Normal, Student's t and F distributions by SciPy, and the residual scale that t rests on.

SciPy is imported where it is used: a plan that says no resolution would wait half a second for it.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
NEGLIGIBLE = 37.0
"""exp(-37) is below rounding."""
COARSEST, IN_SDS = 0.1, 0.5
"""Steps of the rule over a log scale: no wider than either, the second in its own sd."""


@lru_cache(maxsize=64)
def residual_scales(df: float) -> tuple[Values, Values]:
    """Values of an estimated residual sd in units of the true one, and their weights, (num,) each.

    The trapezoid rule over the logarithm of the scale, whose density is analytic and falls fast to
    both sides: exact up to a term that falls like exp(-1 / step) (Trefethen & Weideman 2014, SIAM
    Review 56). df times its square is chi-square.
    """
    reach = NEGLIGIBLE / df
    step = min(COARSEST, IN_SDS / math.sqrt(2 * df))
    lowest, highest = -(reach + math.sqrt(reach)), math.sqrt(reach)
    logs = step * np.arange(math.floor(lowest / step), math.ceil(highest / step) + 1)
    exponents = df * (logs - np.expm1(2 * logs) / 2)
    kept = exponents > -NEGLIGIBLE
    weights = np.exp(exponents[kept])
    return np.exp(logs[kept]), weights / weights.sum()


def normal_cdf(values: Values) -> Values:
    """P(Z <= value) for a standard normal Z, of any shape; nan stays nan."""
    from scipy import special

    return special.ndtr(values)


def t_tail(t: float, df: float) -> float:
    """P(T > t) for Student's t."""
    from scipy import special

    return float(special.stdtr(df, -t))


def t_quantile(p: float, df: float) -> float:
    """The value that Student's t stays below with probability p."""
    from scipy import special

    return float(special.stdtrit(df, p))


def t_quantiles(p: float, df: Values) -> Values:
    """The same for several degrees of freedom."""
    from scipy import special

    return special.stdtrit(df, p)


def chi2_below(values: Values, df: float) -> Values:
    """P(X < value) for chi-square."""
    from scipy import special

    return special.chdtr(df, values)


def f_quantile(p: float, df: float, error_df: float) -> float:
    """The value that F stays below with probability p."""
    from scipy import special

    return float(special.fdtri(df, error_df, p))


def f_tail(f: float, df: float, error_df: float) -> float:
    """P(F > f)."""
    from scipy import special

    return float(special.fdtrc(df, error_df, f))
