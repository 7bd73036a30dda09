"""All pairs of cells of which some scatter more than the others: a scenario of `calibration.py`."""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ablate.stats.all_pairs import compare_pairs
from ablate.stats.tukey import StudentizedRange
from ablate.stats.unequal_spread import DOUBT_ALPHA, SPREAD_ALPHA

Values = NDArray[np.float64]
Row = Sequence[str]
ALPHA = 0.05
TIMES = 5
"""Studies for each that is asked for, where they are cheap."""
NETWORKS = np.repeat(np.arange(3), 3)


def odd_pairs(studies: int) -> Iterator[Row]:
    """Null studies: one cell so many times as noisy, or one network moved by seeds of its own."""
    for num_seeds in (2, 3, 4, 5, 6):
        for num_cells in (3, 4, 6, 8, 12):
            for factor in (1.0, 3.0, 5.0):
                rng = np.random.default_rng([num_seeds, num_cells, int(factor)])
                values = rng.normal(size=(TIMES * studies, num_cells, num_seeds))
                values[:, -1] *= factor
                yield [str(num_cells), str(num_seeds), f"a cell x{factor:g}",
                       f"{_any_differs(values).mean():.1%}"]  # fmt: skip


def odd_networks(studies: int) -> Iterator[Row]:
    """Null studies of 3 x 3 cells, the third network moved by seeds of its own."""
    for num_seeds in (2, 3, 4, 5, 6):
        for spread in (1.0, 3.0, 5.0):
            rng, found = np.random.default_rng([num_seeds, int(spread)]), 0
            for _ in range(studies):
                values = rng.normal(size=(len(NETWORKS), num_seeds))
                values[NETWORKS == 2] += spread * rng.normal(size=num_seeds)
                pairs = compare_pairs(values, "min").pairs
                found += any(p.comparison.verdict.is_different for p in pairs)
            yield [str(len(NETWORKS)), str(num_seeds), f"a network, {spread:g} sd",
                   f"{found / studies:.1%}"]  # fmt: skip


def _any_differs(values: Values) -> NDArray[np.bool_]:
    """(num_studies,), whether any two cells are said to differ.

    The tests of spread of one cell at a time.

    Args:
        values: (num_studies, num_cells, num_seeds).
    """
    num_studies, num_cells, num_seeds = values.shape
    num, studies = math.comb(num_cells, 2), np.arange(num_studies)
    left = values - values.mean(axis=1, keepdims=True)
    own = left.var(axis=2) * num_seeds
    whole = own.sum(axis=1)
    own *= num_cells / (num_cells - 1)
    df, rest_df = num_seeds - 1, (num_cells - 2) * (num_seeds - 1)
    p = stats.f.sf(own / df * rest_df / (whole[:, None] - own), df, rest_df) * num_cells
    worst, is_noisy = p.argmin(axis=1), p.min(axis=1) < SPREAD_ALPHA
    squares = whole - np.where(is_noisy, own[studies, worst], 0.0)
    pooled_df = np.where(is_noisy, rest_df, rest_df + df)
    doubtful = p < DOUBT_ALPHA
    shared = zip((~doubtful).sum(axis=1).tolist(), pooled_df.tolist(), strict=True)
    half = np.array([_critical(cells, error_df, num) for cells, error_df in shared])
    half = half * np.sqrt(squares / pooled_df * 2 / num_seeds)
    t = float(stats.t.ppf(1 - ALPHA / (2 * num), df))
    found = np.zeros(num_studies, dtype=bool)
    for one in range(num_cells):
        for other in range(one):
            pairs = values[:, one] - values[:, other]
            apart = doubtful[:, one] | doubtful[:, other]
            own_half = t * pairs.std(axis=1, ddof=1) / math.sqrt(num_seeds)
            found |= np.abs(pairs.mean(axis=1)) > np.where(apart, own_half, half)
    return found


@lru_cache(maxsize=4096)
def _critical(num_pooled: int, df: int, num: int) -> float:
    """Of the pairs on one residual, which share the error by their number."""
    if num_pooled < 2:
        return math.nan
    share = ALPHA * math.comb(num_pooled, 2) / num
    return StudentizedRange(num_pooled, df).critical_value(1 - share)


_COLUMNS = ("cells", "seeds", "noisy", "false verdict")
SECTIONS = {
    "odd_pairs": (
        "all pairs, one cell so many times as noisy as the others: share of studies with a false "
        f"verdict ({TIMES} times as many studies)", _COLUMNS, odd_pairs,
    ),
    "odd_networks": (
        "all pairs of 3 networks x 3, the third moved by seeds of its own: share of studies with a "
        "false verdict", _COLUMNS, odd_networks,
    ),
}  # fmt: skip
