"""Quantiles and tails of the distributions in use, from `scipy.special`.

`scipy.stats` has them too, but takes most of a second to import, which a plan would wait for.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import special

Values = NDArray[np.float64]


def t_quantile(p: float, df: float) -> float:
    """The value that Student's t stays below with probability p."""
    return float(special.stdtrit(df, p))


def t_tail(t: float, df: float) -> float:
    """P(T > t) for Student's t."""
    return float(special.stdtr(df, -t))


def f_quantile(p: float, df: float, error_df: float) -> float:
    """The value that F stays below with probability p."""
    return float(special.fdtri(df, error_df, p))


def f_tail(f: float, df: float, error_df: float) -> float:
    """P(F > f)."""
    return float(special.fdtrc(df, error_df, f))


def chi2_quantile(p: Values, df: float) -> Values:
    """The values that chi-square stays below with probabilities p, (num,)."""
    return np.asarray(2 * special.gammaincinv(df / 2, p), dtype=np.float64)
