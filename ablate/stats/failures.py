"""Whether failure itself differs between cells. Pure functions."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.integer[Any]]
DRAWS = 4_999
ENTRIES = 1_000_000
"""Tables of many cells are drawn less often: so many numbers, but 999 tables at least."""
STREAM = 4
"""Fixed, so that a report says the same each time."""


def failures_differ(ended: Counts, failed: Counts) -> float:
    """Whether runs of some cells fail more often than those of others.

    Pearson's chi-square of the table cells x (ok, failed) against tables drawn with the same
    margins: a permutation test, exact at any number of runs, where the chi-square distribution
    is not. Hope 1968 (J. R. Stat. Soc. B 30, 582-598); the observed table counts as one of the
    draws: Phipson & Smyth 2010 (Stat. Appl. Genet. Mol. Biol. 9).

    Args:
        ended: (num_cells,), runs that have ended, well or not.
        failed: (num_cells,), those of them that failed.

    Returns:
        The p value, 2e-4 at least; nan where fewer than two cells have ended runs, or where all
        runs failed.
    """
    cells = ended > 0
    ended, failed = ended[cells].astype(np.int64), failed[cells].astype(np.int64)
    num_failed = int(failed.sum())
    if len(ended) < 2 or num_failed == ended.sum():
        return math.nan
    num_draws = min(DRAWS, max(999, ENTRIES // len(ended)))
    draws = np.random.default_rng(STREAM).multivariate_hypergeometric(
        ended, num_failed, size=num_draws, method="marginals"
    )
    # All that varies of chi-square where the margins are given.
    observed, drawn = (failed**2 / ended).sum(), (draws**2 / ended).sum(axis=1)
    at_least = int((drawn >= observed * (1 - 1e-12)).sum())
    return (1 + at_least) / (1 + num_draws)
