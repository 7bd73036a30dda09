"""What a design can find of factors and of equivalence, before and after it is run. Pure functions.

Of single comparisons with a baseline: `ablate.stats.replication.visible_differences`.
"""

import math

import numpy as np

from ablate.stats.distributions import normal_cdf, residual_scales, t_quantile
from ablate.stats.pooling import ALPHA
from ablate.stats.spread_cost import NONE, SpreadTests

POWER = 0.8
"""Of what a design is said to find: four times in five."""


def equivalence_power(
    margin: float, sd: float, df: float, num_seeds: float, alpha: float = ALPHA,
    tests: SpreadTests = NONE,
) -> float:  # fmt: skip
    """The chance that a cell which does not differ is found equivalent.

    That of two one-sided t tests (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15) where the
    difference is 0, integrated over the residual's scale: Phillips 1990 (J. Pharmacokinet.
    Biopharm. 18, 137-144).

    Args:
        margin: Differences smaller than this do not matter.
        sd: Residual sd of a run.
        df: Its degrees of freedom.
        num_seeds: Of a cell.
        alpha: Of each of the two tests.
        tests: Of the cells' spreads.

    Returns:
        To about 0.001; nan where nothing can be compared.
    """
    if not (margin > 0 and sd > 0 and df >= 1 and num_seeds > 0):
        return math.nan
    scales, weights = residual_scales(df)
    errors = margin / (sd * math.sqrt(2 / num_seeds))
    room = errors - t_quantile(1 - alpha, df) * scales
    pooled = float(weights @ np.where(room > 0, 2 * normal_cdf(room) - 1, 0.0))
    return (1 - tests.share) * pooled + tests.equivalent(errors, alpha)


def detectable_margin(
    sd: float, df: float, num_seeds: float, alpha: float = ALPHA, power: float = POWER,
    tests: SpreadTests = NONE,
) -> float:  # fmt: skip
    """The smallest margin within which a cell that does not differ is found with a given power.

    Args:
        sd: As for `equivalence_power`; 1 gives the margin in residual sd.
        df: Its degrees of freedom.
        num_seeds: Of a cell.
        alpha: Of each of the two tests.
        power: The chance to find it.
        tests: Of the cells' spreads.

    Returns:
        nan where nothing can be compared.
    """
    if not (sd > 0 and df >= 1 and num_seeds > 0):
        return math.nan
    from scipy.optimize import brentq

    scales, _ = residual_scales(df)
    highest = t_quantile(1 - alpha, df) * float(scales.max()) + 10
    unit = math.sqrt(num_seeds / 2)  # standard errors in a residual sd

    def lacking(room: float) -> float:
        return equivalence_power(room / unit, 1.0, df, num_seeds, alpha, tests) - power

    while lacking(highest) < 0:
        highest *= 2
    found = brentq(lacking, 1e-9, highest)
    return float(found) / unit * sd  # pyright: ignore[reportArgumentType] - no full output


def level_sd(sd: float, num_cells: int, num_reference: int) -> float:
    """Scatter of a level's mean in one seed, by the residual alone, as if levels were alike.

    Twice its square is the variance of the difference of two levels in one seed. What seeds change
    of a factor's effect comes on top (factor x seed).

    Args:
        sd: Residual sd of a run.
        num_cells: Cells of the level.
        num_reference: Cells of the level that it is compared with.
    """
    return sd * math.sqrt((1 / num_cells + 1 / num_reference) / 2)
