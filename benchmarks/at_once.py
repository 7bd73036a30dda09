"""Spreads that few seeds cannot see, thousands of studies at once: a scenario of `calibration.py`.

The tests of `ablate.stats.unequal_spread` as they are for one cell at a time, without runs missing
and without the pairs and triples that are looked for together, which find a little more.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ablate.stats.dunnett import Family
from ablate.stats.unequal_spread import DOUBT_ALPHA, REFERENCE_ALPHA, SPREAD_ALPHA

Values = NDArray[np.float64]
ALPHA, EFFECT_SD = 0.05, 3.0
TIMES = 10
"""Studies for each that is asked for: they are cheap."""


def near_twins(studies: int) -> Iterator[Sequence[str]]:
    """Null studies with one noisy cell, or none, and an effect without: before and after."""
    for num_seeds in (2, 3, 4, 5, 6):
        for num_cells in (3, 4, 6, 8, 12):
            shape = (TIMES * studies, num_cells, num_seeds)
            cells = {"the baseline": 0, "another cell": num_cells - 1}
            for name, cell in cells.items():
                for factor in (3.0, 5.0, 7.0):
                    rng = np.random.default_rng([num_seeds, num_cells, cell, int(factor)])
                    values = rng.normal(size=shape)
                    values[:, cell] *= factor
                    wrong = [_any(_differ(values, doubt)) for doubt in (0.0, DOUBT_ALPHA)]
                    yield _row(num_cells, num_seeds, f"{name} x{factor:g}", wrong)
            values = np.random.default_rng([num_seeds, num_cells]).normal(size=shape)
            wrong = [_any(_differ(values, doubt)) for doubt in (0.0, DOUBT_ALPHA)]
            yield _row(num_cells, num_seeds, "none", wrong)
            values[:, 1] -= EFFECT_SD
            found = [float(_differ(values, doubt)[:, 0].mean()) for doubt in (0.0, DOUBT_ALPHA)]
            yield _row(num_cells, num_seeds, f"none, {EFFECT_SD:g} sd found", found)


def _row(num_cells: int, num_seeds: int, name: str, shares: Sequence[float]) -> Sequence[str]:
    return [str(num_cells), str(num_seeds), name, *(f"{share:.1%}" for share in shares)]


def _any(differ: NDArray[np.bool_]) -> float:
    """The share of studies with any cell that is said to differ."""
    return float(np.any(differ, axis=1).mean())


def _differ(values: Values, doubt: float) -> NDArray[np.bool_]:
    """(num_studies, num_cells - 1), the cells that are said to differ from the first.

    Args:
        values: (num_studies, num_cells, num_seeds).
        doubt: The level at which cells are doubtful; none is at 0.
    """
    num_studies, num_cells, num_seeds = values.shape
    num, studies = num_cells - 1, np.arange(num_studies)
    left = values - values.mean(axis=1, keepdims=True)
    left = left - left.mean(axis=2, keepdims=True)
    whole, df, rest_df = (
        (left**2).sum(axis=(1, 2)),
        num_seeds - 1,
        (num_cells - 2) * (num_seeds - 1),
    )
    own_squares = (left**2).sum(axis=2) * num_cells / num  # of the contrast with the others' mean
    p = stats.f.sf(own_squares / df * rest_df / (whole[:, None] - own_squares), df, rest_df)
    worst = p.argmin(axis=1)
    noisy = np.zeros(p.shape, dtype=bool)
    noisy[studies, worst] = p[studies, worst] * num_cells < SPREAD_ALPHA
    noisy[:, 0] |= ~noisy.any(axis=1) & (p[:, 0] < REFERENCE_ALPHA)
    doubtful = noisy | (p * num_cells < doubt)
    apart = doubtful[:, 1:] | doubtful[:, :1]
    out, is_any = np.where(noisy[:, 0], 0, worst), noisy.any(axis=1)
    squares = whole - np.where(is_any, own_squares[studies, out], 0.0)
    pooled_df = np.where(is_any, rest_df, rest_df + df)
    pairs = values[:, 1:] - values[:, :1]
    means = np.abs(pairs.mean(axis=2))
    own = means > _t(num, df) * pairs.std(axis=2, ddof=1) / math.sqrt(num_seeds)
    shared = zip((~apart).sum(axis=1).tolist(), pooled_df.tolist(), strict=True)
    critical = np.array([_critical(pooled, pooled_df, num) for pooled, pooled_df in shared])
    pooled = means > (critical * np.sqrt(squares / pooled_df * 2 / num_seeds))[:, None]
    return np.where(apart, own, pooled)


def _t(num: int, df: int) -> float:
    return float(stats.t.ppf(1 - ALPHA / (2 * num), df))


@lru_cache(maxsize=4096)
def _critical(num_pooled: int, df: int, num: int) -> float:
    """Of the comparisons on one residual, which share the error by their number."""
    if not num_pooled:
        return math.nan
    return Family(num_pooled, 0.5, df).critical_value(1 - ALPHA * num_pooled / num)


SECTIONS = {
    "near_twins": (
        "one cell so many times as noisy as the others, or none: share of studies with a false "
        "verdict, and those that find an effect, without and with doubtful cells apart "
        f"({TIMES} times as many studies)",
        ("cells", "seeds", "noisy", "without", "with"),
        near_twins,
    ),
}
