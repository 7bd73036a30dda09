"""Whether a difference is too small to matter. Pure functions."""

from ablate.stats.distributions import t_quantile


def lies_inside(difference: float, se: float, df: float, margin: float, alpha: float) -> bool:
    """Equivalence by two one-sided tests: the interval of 1 - 2 alpha lies inside the margin.

    Schuirmann 1987 (J. Pharmacokinet. Biopharm. 15). Of n comparisons that are to hold at once each
    has a share of alpha: true differences may lie at either side of zero, and of bounds to opposite
    sides Dunnett's one-sided value would promise too much.
    """
    return abs(difference) + t_quantile(1 - alpha, df) * se < margin
