"""Whether a design finds what it is said to, four times in five: a scenario of `calibration.py`."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ablate.analysis.families import critical_in_pairs, resolution
from ablate.stats.all_pairs import compare_pairs
from ablate.stats.dunnett import Family
from ablate.stats.effects import factor_effects
from ablate.stats.power import level_sd
from ablate.stats.replication import Visible, visible_differences
from ablate.stats.spread_cost import NONE, SpreadTests
from ablate.stats.unequal_spread import DOUBT_ALPHA, REFERENCE_ALPHA, SPREAD_ALPHA
from ablate.stats.verdicts import Comparison, compare_to_baseline

Values = NDArray[np.float64]
Row = Sequence[str]
ALPHA = 0.05
LEVELS, OTHERS = 3, 4
TIMES, CHECKED = 10, 5
"""Studies for each that is asked for, and each that is asked for to one by the real tests."""
CODES = np.array([(one, other) for one in range(LEVELS) for other in range(OTHERS)])


class _Seen(NamedTuple):
    """One study: the comparison that has the effect, and all of them."""

    one: Comparison
    each: Sequence[Comparison]
    sd: float
    """Estimated."""


def visible(studies: int) -> Iterator[Row]:
    """Cells and pairs of 3, 4 and 12 cells, and a factor of three levels."""
    for num_cells, num_seeds in itertools.product((3, 4, 12), (3, 4, 5, 8)):
        for is_paired, references in ((True, 1), (False, 1), (True, 0), (False, 0)):
            tests = SpreadTests(num_cells, num_seeds, references, is_paired)
            yield _row(tests, studies)
    for num_seeds, is_paired in itertools.product((3, 4, 5, 8), (True, False)):
        yield _factor_row(num_seeds, is_paired, studies)


def _row(tests: SpreadTests, studies: int) -> Row:
    num_cells, num_seeds = int(tests.num_cells), int(tests.num_seeds)
    df = (num_cells - tests.is_paired) * (num_seeds - 1)
    num, critical = num_cells - 1, Family(num_cells - 1, 0.5, df).critical_value()
    judge = partial(_cells, is_paired=tests.is_paired)
    if not tests.num_references:
        num, critical = math.comb(num_cells, 2), critical_in_pairs(num_cells, df)
        judge = partial(_pairs, is_paired=tests.is_paired)
    said = visible_differences(1.0, df, num, num_seeds, critical=critical, tests=tests)
    shape = (TIMES * studies, num_cells, num_seeds)
    values = np.random.default_rng([num_cells, num_seeds]).normal(size=shape)
    values[:, 1] += said.found
    found = float(_found(values, tests, num, critical).mean())
    name = "cells" if tests.num_references else "pairs"
    name += "" if tests.is_paired else ", unpaired"
    return [name, str(num_cells), str(num_seeds), f"{said.found:.2f}", f"{found:.1%}",
            *_checked(values[: studies // CHECKED], said, judge)]  # fmt: skip


def _factor_row(num_seeds: int, is_paired: bool, studies: int) -> Row:
    tests = SpreadTests(LEVELS, num_seeds) if is_paired else NONE
    df = (LEVELS - 1 if is_paired else LEVELS * OTHERS) * (num_seeds - 1)
    sd = level_sd(1.0, OTHERS, OTHERS)
    said = visible_differences(sd, df, LEVELS - 1, num_seeds, tests=tests)
    shape = (studies // CHECKED, len(CODES), num_seeds)
    values = np.random.default_rng([LEVELS, num_seeds]).normal(size=shape)
    values[:, CODES[:, 0] == 1] += said.found
    name = "levels" + ("" if is_paired else ", unpaired")
    return [name, str(LEVELS), str(num_seeds), f"{said.found:.2f}", "",
            *_checked(values, said, partial(_levels, is_paired=is_paired))]  # fmt: skip


def _found(values: Values, tests: SpreadTests, num: int, critical: float) -> NDArray[np.bool_]:
    """(num_studies,), whether the second cell is said to differ from the first.

    The tests of spread of one cell at a time.

    Args:
        values: (num_studies, num_cells, num_seeds).
        tests: Of the cells.
        num: Comparisons.
        critical: Half-width of pooled intervals in standard errors.
    """
    _, num_cells, num_seeds = values.shape
    left = values - values.mean(axis=1, keepdims=True) if tests.is_paired else values
    own = left.var(axis=2) * num_seeds
    whole = own.sum(axis=1)
    own *= num_cells / (num_cells - 1) if tests.is_paired else 1.0
    df, rest_df = num_seeds - 1, (num_cells - 1 - tests.is_paired) * (num_seeds - 1)
    p = stats.f.sf(own / df * rest_df / (whole[:, None] - own), df, rest_df)
    apart = (p[:, :2].min(axis=1) * num_cells < DOUBT_ALPHA) | (
        (p[:, 0] < REFERENCE_ALPHA) & bool(tests.num_references)
    )
    one, other = values[:, 1], values[:, 0]
    if tests.is_paired:
        _, own_p = stats.ttest_rel(one, other, axis=1)
    else:
        _, own_p = stats.ttest_ind(one, other, axis=1, equal_var=False)
    by_own = np.asarray(own_p) * num < ALPHA
    worst, is_noisy = p.argmin(axis=1), p.min(axis=1) * num_cells < SPREAD_ALPHA
    squares = whole - np.where(is_noisy, own[np.arange(len(own)), worst], 0.0)
    se = np.sqrt(squares / np.where(is_noisy, rest_df, rest_df + df) * 2 / num_seeds)
    pooled = np.abs(values[:, 1].mean(axis=1) - values[:, 0].mean(axis=1)) > critical * se
    return np.where(apart, by_own, pooled)


def _checked(studies: Values, said: Visible, judge: Callable[[Values], _Seen]) -> Row:
    """By the real tests: the share that finds the effect, and what the least difference holds."""
    found, below, ratios = 0, 0, list[float]()
    for values in studies:
        seen = judge(values)
        found += seen.one.verdict.is_different
        least = resolution(seen.each)
        below += any(c.verdict.is_different and abs(c.difference) < least for c in seen.each)
        ratios.append(least / seen.sd)
    ratio = float(np.nanmean(ratios)) / said.significant
    return [f"{found / len(studies):.1%}", f"{ratio:.2f}", f"{below / len(studies):.1%}"]


def _cells(values: Values, is_paired: bool) -> _Seen:
    found = compare_to_baseline(values, 0, "min", is_paired=is_paired)
    return _Seen(found.each[1], found.each, found.residual_sd)


def _pairs(values: Values, is_paired: bool) -> _Seen:
    found = compare_pairs(values, "min", is_paired=is_paired)
    [one] = [p for p in found.pairs if {p.one, p.other} == {0, 1}]
    return _Seen(one.comparison, [p.comparison for p in found.pairs], found.residual_sd)


def _levels(values: Values, is_paired: bool) -> _Seen:
    effects = factor_effects(
        values, CODES, [LEVELS, OTHERS], [0, 0], "min", is_paired=is_paired
    )  # fmt: skip
    found = effects.mains[0].comparisons
    unit = level_sd(1.0, OTHERS, OTHERS)
    return _Seen(found.each[1], found.each, found.residual_sd / unit)


SECTIONS = {
    "visible": (
        "differences that a design is said to find four times in five: how often it does; half an "
        "interval as a multiple of what is said, and studies in which less was significant",
        (
            "of",
            "cells or levels",
            "seeds",
            "said, sd",
            "found",
            f"in 1 of {TIMES * CHECKED} by the real tests",
            "half-width",
            "less significant",
        ),
        visible,
    ),
}
