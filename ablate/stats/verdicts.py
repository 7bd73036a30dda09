"""What the runs of a study allow to be said of each cell against the baseline. Pure functions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ablate.stats.dunnett import Family
from ablate.stats.layout import (
    CHECKABLE_SEEDS,
    Layout,
    contrast_correlation,
    difference,
    fit_layout,
    noisy_cells,
)

Values = NDArray[np.float64]
Verdict = Literal[
    "baseline", "better", "worse", "better, within margin", "worse, within margin", "within noise",
    "equivalent", "failed", "not enough seeds",
]  # fmt: skip
ALPHA = 0.05


@dataclass(frozen=True)
class Comparison:
    """A cell against the baseline."""

    verdict: Verdict
    difference: float = math.nan
    """Cell minus baseline, by least squares where runs are missing."""
    low: float = math.nan
    high: float = math.nan
    """Simultaneous 95 % interval: all comparisons of the study hold at once with this chance."""
    p: float = math.nan
    """Adjusted for the number of comparisons; below 0.05 just where the interval excludes 0."""
    pooled: bool = True
    """Whether the residual spread of all cells stands behind it, or its own pairs alone."""


@dataclass(frozen=True)
class Judgement:
    """All comparisons of a study."""

    comparisons: Sequence[Comparison]
    """One a cell, in their order."""
    residual_sd: float
    """Spread of a run about its cell and its seed, pooled; nan where there is none."""
    df: int
    spread_check: str
    """Whether the cells' spreads could be compared, and what came of it, for people."""


def judge(
    values: Values, baseline: int, mode: Literal["min", "max"], margin: float | None = None
) -> Judgement:
    """Compares every cell with the baseline, all at once.

    The residuals of the cells x seeds layout are pooled; cells that Cochran's test finds noisier
    than the others are judged by their own paired differences. Intervals are Dunnett's, so a
    verdict and its interval never contradict each other.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        baseline: The cell to compare with.
        mode: Whether lower (`min`) or higher values are better.
        margin: Differences smaller than this do not matter; fixed before the study is run.
    """
    noisy = noisy_cells(values)
    apart = set(range(len(values))) if baseline in noisy else set(noisy)
    pooled_rows = np.array([c for c in range(len(values)) if c not in noisy])
    layout = fit_layout(values[pooled_rows])
    position = {int(cell): index for index, cell in enumerate(pooled_rows)}
    enough = (~np.isnan(values)).sum(axis=1) > 1
    comparable = enough & enough[baseline]
    comparable[baseline] = False
    family = np.flatnonzero(comparable)
    rows = np.array([position[int(c)] for c in family if c not in apart], dtype=np.intp)
    bounds = _Pooled(layout, rows, position.get(baseline, -1), len(family))
    comparisons: list[Comparison] = []
    for cell in range(len(values)):
        if cell == baseline:
            comparisons.append(Comparison("baseline"))
        elif np.isnan(values[cell]).all():
            comparisons.append(Comparison("failed"))
        elif cell not in family:
            comparisons.append(Comparison("not enough seeds"))
        elif cell in apart:
            comparisons.append(_paired(values[cell] - values[baseline], len(family), mode, margin))
        else:
            comparisons.append(bounds.compare(position[cell], mode, margin))
    return Judgement(
        comparisons, math.sqrt(layout.variance), layout.df, _told(values, noisy)
    )  # fmt: skip


class _Pooled:
    """Pooled comparisons of one family: they share residual variance and critical value."""

    def __init__(self, layout: Layout, rows: NDArray[np.intp], baseline: int, num: int) -> None:
        self._layout = layout
        self._baseline = baseline
        linked = rows[layout.group[rows] == layout.group[baseline]]
        self.usable = layout.df > 0 and len(linked) > 0
        if self.usable:
            correlation = contrast_correlation(layout, linked, baseline)
            pairs = correlation[~np.eye(len(correlation), dtype=bool)]
            common = float(np.clip(pairs.min(), 0, 1 - 1e-9)) if len(pairs) else 0.0
            # Comparisons judged apart still count in the family.
            self._family = Family(num, common, layout.df)
            self._critical = self._family.critical_value(1 - ALPHA)

    def compare(self, row: int, mode: str, margin: float | None) -> Comparison:
        found = difference(self._layout, row, self._baseline)
        if not self.usable or math.isnan(found.difference):
            return Comparison("not enough seeds", found.difference)
        se = math.sqrt(self._layout.variance) * found.unscaled_se
        p = self._family.adjusted_p(found.difference / se) if se > 0 else _certain(found.difference)
        narrow = float(stats.t.ppf(1 - ALPHA, self._layout.df)) * se
        return _comparison(found.difference, self._critical * se, narrow, p, mode, margin, True)


def _paired(pairs: Values, family: int, mode: str, margin: float | None) -> Comparison:
    """A comparison by its own paired differences, with Bonferroni for the family."""
    there = pairs[~np.isnan(pairs)]
    if len(there) < 2:
        return Comparison("not enough seeds", pooled=False)
    df, mean = len(there) - 1, float(there.mean())
    se = float(there.std(ddof=1)) / math.sqrt(len(there))
    p = float(2 * stats.t.sf(abs(mean) / se, df)) if se > 0 else _certain(mean)
    half = float(stats.t.ppf(1 - ALPHA / (2 * family), df)) * se
    narrow = float(stats.t.ppf(1 - ALPHA, df)) * se
    return _comparison(mean, half, narrow, min(1.0, family * p), mode, margin, False)


def _comparison(
    value: float, half: float, narrow: float, p: float,
    mode: str, margin: float | None, pooled: bool,
) -> Comparison:  # fmt: skip
    """The verdict: of the simultaneous interval, and for equivalence of two one-sided tests.

    Two one-sided tests at 5 % are the 90 % interval inside the margin: Schuirmann 1987
    (J. Pharmacokinet. Biopharm. 15).
    """
    inside = margin is not None and abs(value) + narrow < margin
    if abs(value) > half:
        verdict: Verdict = "better" if (value < 0) == (mode == "min") else "worse"
        if inside:
            verdict = "better, within margin" if verdict == "better" else "worse, within margin"
    else:
        verdict = "equivalent" if inside else "within noise"
    return Comparison(verdict, value, value - half, value + half, p, pooled)


def _certain(value: float) -> float:
    """The p value where nothing varies."""
    return 0.0 if value else 1.0


def _told(values: Values, noisy: Sequence[int]) -> str:
    if len(values) < 3:
        return ""
    if values.shape[1] < CHECKABLE_SEEDS:
        return (
            f"whether cells differ in spread cannot be checked with {values.shape[1]} seeds "
            f"({CHECKABLE_SEEDS} would do): the intervals take it as equal"
        )
    if not noisy:
        return "no cell's spread over seeds stands out"
    return f"{len(noisy)} cell{'s' * (len(noisy) > 1)} of larger spread judged by own pairs"
