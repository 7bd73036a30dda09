"""Cells that vary more over seeds than the others, and spread that grows with the mean.

Pure functions on arrays, missing runs as nan.
"""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ablate.stats.distributions import f_quantile, f_tail, t_tail
from ablate.stats.layout import CERTAIN_SEEDS, fit_layout, num_results
from ablate.stats.residuals import residual_squares

Values = NDArray[np.float64]
Cells = NDArray[np.intp]
SPREAD_ALPHA = 0.01
"""How often any cell is named where all have one spread."""
DOUBT_ALPHA = 0.10
"""How often any cell is doubtful there: with few seeds three to five times the others' spread are
seen about twice as often as at `SPREAD_ALPHA`. What it costs stands in `benchmarks/README.md`."""
REFERENCE_ALPHA = 0.05
"""How often any cell is that others are compared with: its spread is in all their intervals."""
MOST_AT_ONCE = 3
"""Cells of larger spread that are looked for together: each would hide the others."""
TREND_ALPHA = 0.05
TREND_CELLS = 5
"""Fewer cells show no trend of their spread."""
TREND_RATIO = 1.5
"""Means that are nearer to each other make no difference to a logarithm."""
RATIO = 3.0
"""The spread, as a multiple of the others', that a test should see."""


def spread_p(values: Values, columns: Values, cell: int, rest: Cells) -> float:
    """The p value of one cell's scatter over seeds against that of others: an exact F test.

    With a column of ones it is the contrast of the cell with the mean of the others, seed by seed,
    against the residual of the others: (n - 1) and (k - 2) (n - 1) degrees of freedom where no run
    is missing.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        columns: (num_cells, num_columns), what seeds change of all cells alike.
        cell: The cell.
        rest: (num_others,), the others.

    Returns:
        1 where it cannot be said.
    """
    others = residual_squares(values[rest], columns[rest])
    both = np.append(rest, cell)
    whole = residual_squares(values[both], columns[both])
    df = whole.df - others.df
    if df < 1 or others.df < 1:
        return 1.0
    more = max(0.0, whole.sum - others.sum) / df
    if others.sum == 0:
        enough = num_results(values[rest]) >= CERTAIN_SEEDS
        return 0.0 if more > 0 and enough else 1.0
    return f_tail(more / others.mean, df, others.df)


def noisy_cells(values: Values, columns: Values, references: Iterable[int] = ()) -> list[int]:
    """Cells whose spread over seeds is larger than the others' can explain.

    One cell against all others is the exact form of Cochran's test (1941, Ann. Eugenics 11); since
    several hide each other, the worst two and three are tested together as well, each against the
    cells that are left, Bonferroni for all the ways to choose them. A cell that others are compared
    with is part of every interval, so it is tested once more by itself.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        columns: (num_cells, num_columns), what seeds change of all cells alike.
        references: The cells that others are compared with.
    """
    named, kept = _standing_out(values, columns, _several(values), SPREAD_ALPHA)
    own = sorted(set(references) & set(kept.tolist()))
    for cell in own:
        rest = kept[kept != cell]
        if len(rest) > 1 and spread_p(values, columns, cell, rest) * len(own) < REFERENCE_ALPHA:
            named.append(cell)
            kept = rest
    return named


def doubtful_cells(values: Values, columns: Values, noisy: Iterable[int] = ()) -> list[int]:
    """Cells whose spread over seeds is more likely larger than the others' than not.

    Too little is known of them to say so, and too much to rest what is said of them on the others'
    spread: two levels that hardly differ seed by seed make the pooled residual too small for a
    third. The tests are those of `noisy_cells`, at `DOUBT_ALPHA`.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        columns: (num_cells, num_columns), what seeds change of all cells alike.
        noisy: Cells that are known to vary more.
    """
    others = np.setdiff1d(_several(values), list(noisy))
    return _standing_out(values, columns, others, DOUBT_ALPHA)[0]


def chance_to_see(
    num_cells: float, num_seeds: float, ratio: float = RATIO, is_paired: bool = True,
    alpha: float = REFERENCE_ALPHA,
) -> float:  # fmt: skip
    """How often a test of one cell sees so many times the others' spread.

    Args:
        num_cells: With it.
        num_seeds: Of a cell.
        ratio: How many times.
        is_paired: Whether runs of one seed have something in common.
        alpha: Of the test; that of a cell that others are compared with by default.
    """
    df, error_df = num_seeds - 1, (num_cells - 1 - is_paired) * (num_seeds - 1)
    if df < 1 or error_df < 1:
        return 0.0
    shared = 1 / (num_cells - 1) if is_paired else 0.0  # the others' mean is in the contrast
    larger = (ratio**2 + shared) / (1 + shared)
    return f_tail(f_quantile(1 - alpha, df, error_df) / larger, df, error_df)


def grows_with_mean(values: Values, is_paired: bool = True) -> bool:
    """Whether cells of larger mean vary more: logarithms would be compared with equal spread.

    A straight line of log sd over log mean, its slope above 0 by a one-sided t test.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing; of a metric that has ratios.
        is_paired: Whether runs of one seed have something in common.
    """
    enough = (~np.isnan(values)).sum(axis=1) > 1
    if enough.sum() < TREND_CELLS or np.nanmin(values) <= 0:
        return False
    residuals = fit_layout(values[enough], is_paired).residuals
    counts = (~np.isnan(residuals)).sum(axis=1)
    means = np.nanmean(values[enough], axis=1)
    varying = np.nansum(residuals**2, axis=1) > 0
    if varying.sum() < TREND_CELLS or means[varying].max() < TREND_RATIO * means[varying].min():
        return False
    sds = np.sqrt(np.nansum(residuals**2, axis=1) / np.maximum(counts - 1, 1))[varying]
    x, y = np.log(means[varying]), np.log(sds)
    x = x - x.mean()
    slope = float(x @ y / (x @ x))
    left = y - y.mean() - slope * x
    df = len(x) - 2
    se = math.sqrt(float(left @ left) / df / float(x @ x))
    return slope > 0 and (se == 0 or t_tail(slope / se, df) < TREND_ALPHA)


def _several(values: Values) -> Cells:
    """The cells with more than one result."""
    return np.flatnonzero((~np.isnan(values)).sum(axis=1) > 1)


def _standing_out(
    values: Values, columns: Values, kept: Cells, alpha: float
) -> tuple[list[int], Cells]:
    """The cells that stand out among some, a few together at a time, and those that are left."""
    found: list[int] = []
    while more := _together(values, columns, kept, alpha):
        found += more
        kept = np.setdiff1d(kept, more)
    return found, kept


def _together(values: Values, columns: Values, kept: Cells, alpha: float) -> list[int]:
    """The most cells, of those looked for together, that all stand out; none where none does."""
    worst = _worst(values, kept, columns.shape[1] > 0) if len(kept) > 2 else []
    for num in range(len(worst), 0, -1):
        rest = np.setdiff1d(kept, worst[:num])
        ways = len(kept) * math.comb(len(kept) - 1, num - 1)
        if all(spread_p(values, columns, c, rest) * ways < alpha for c in worst[:num][::-1]):
            return worst[:num]
    return []


def _worst(values: Values, kept: Cells, is_paired: bool) -> list[int]:
    """The cells of largest scatter, one taken out after the other."""
    worst: list[int] = []
    for _ in range(min(MOST_AT_ONCE, len(kept) // 2)):
        residuals = fit_layout(values[kept], is_paired).residuals
        counts = (~np.isnan(residuals)).sum(axis=1)
        place = int((np.nansum(residuals**2, axis=1) / np.maximum(counts - 1, 1)).argmax())
        worst.append(int(kept[place]))
        kept = np.delete(kept, place)
    return worst
