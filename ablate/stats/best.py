"""Which cells may be the best: Hsu's multiple comparisons with the best. Pure functions.

Hsu 1984 (Ann. Stat. 12, 1136-1144); Hsu 1996, Multiple Comparisons, chapter 4. With 95 % the true
best is among those that may be, and all constrained intervals hold. Each cell in its turn is the
control of Dunnett's one-sided comparisons; a cell that is significantly worse than any other
cannot be the best.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablate.stats.contrasts import Contrasts, contrasts_of
from ablate.stats.distributions import t_quantile
from ablate.stats.dunnett import Family
from ablate.stats.pooling import ALPHA
from ablate.stats.verdicts import Mode

Values = NDArray[np.float64]


@dataclass(frozen=True)
class AgainstBest:
    """A cell against the best of all the others."""

    difference: float
    """From the best mean among the others: cell minus that one."""
    low: float
    high: float
    """Constrained to hold 0, at its end where the cell surely is, or is not, the best."""
    may_be_best: bool
    """Not significantly worse than any other."""


def against_the_best(
    values: Values,
    mode: Mode,
    *,
    first_seeds: int | None = None,
    num_families: int = 1,
    widening: float = 1.0,
    is_paired: bool = True,
) -> list[AgainstBest | None]:
    """Compares each cell with the best of the others.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        mode: Whether lower (`min`) or higher values are better.
        first_seeds: As for `compare_to_baseline`.
        num_families: Statements, of so many metrics, that are to hold all at once.
        widening: As for `compare_to_baseline`.
        is_paired: Whether runs of one seed have something in common.

    Returns:
        One a cell; None for cells without results, for all where nothing can be said.
    """
    contrasts = contrasts_of(values, first_seeds, widening, is_paired)
    return best_of(contrasts, mode, ALPHA / num_families)


def best_of(contrasts: Contrasts, mode: Mode, alpha: float = ALPHA) -> list[AgainstBest | None]:
    """The same from the differences; Hsu 1996, section 4.2.1, with an error for each pair."""
    found: list[AgainstBest | None] = [None] * contrasts.num_cells
    members = contrasts.members
    at = np.ix_(members, members)
    known = ~np.isnan(contrasts.se[at])
    if not known.any():
        return found
    sign = -1 if mode == "min" else 1
    # Of what nothing is known nothing is excluded: bounds there are infinite.
    differences = np.where(known, sign * contrasts.differences[at], 0.0)
    half = np.where(known, _half_widths(contrasts, alpha), math.inf)
    np.fill_diagonal(half, math.inf)
    highest = (differences + half).min(axis=1)
    candidates = np.flatnonzero(highest >= 0)
    for row, cell in enumerate(members):
        if not known[row].any():
            continue
        others = candidates[candidates != row]
        lowest = (differences[row, others] - half[others, row]).min(initial=0.0)
        best = np.where(known[row], differences[row], math.inf).min()
        bounds = (float(best), min(0.0, float(lowest)), max(0.0, float(highest[row])))
        low, high = bounds[1:] if sign > 0 else (-bounds[2], -bounds[1])
        found[cell] = AgainstBest(sign * bounds[0], low, high, bool(highest[row] >= 0))
    return found


def _half_widths(contrasts: Contrasts, alpha: float) -> Values:
    """(num_members, num_members), of the bounds with the row's cell as the control.

    Pooled comparisons share alpha by Dunnett, those apart by Bonferroni, as those with a baseline.
    """
    members = contrasts.members
    at, num = np.ix_(members, members), len(members) - 1
    apart, se, df = contrasts.apart[at], contrasts.se[at], contrasts.df[at]
    critical = np.full(se.shape, np.nan)
    for row in range(len(members)):
        num_pooled = num - int(apart[row].sum())
        if num_pooled and contrasts.residual_df >= 1:
            family = Family(num_pooled, contrasts.correlation, contrasts.residual_df)
            critical[row, ~apart[row]] = family.one_sided_value(1 - alpha * num_pooled / num)
        for other in np.flatnonzero(apart[row] & ~np.isnan(df[row])):
            critical[row, other] = t_quantile(1 - alpha / num, float(df[row, other]))
    return critical * se
