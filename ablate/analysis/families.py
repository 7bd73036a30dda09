"""What verdicts are about: which metrics, against a baseline or in pairs, and what they can see."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ablate.analysis.arrays import Flags, Values
from ablate.spec.models import Study
from ablate.stats.all_pairs import AllPairs, Pair
from ablate.stats.best import against_the_best
from ablate.stats.error_terms import ErrorTerm
from ablate.stats.pooling import ALPHA
from ablate.stats.repeats import SAME, Cells
from ablate.stats.replication import visible_differences
from ablate.stats.spread_cost import NONE, SpreadTests
from ablate.stats.tukey import StudentizedRange
from ablate.stats.verdicts import Cause, Comparison, Comparisons, Mode, Verdict, VerdictKind
from ablate.stats.worst_case import partial

OF_NOISE = (
    VerdictKind.BETTER, VerdictKind.WORSE, VerdictKind.DIFFERS, VerdictKind.WITHIN_NOISE,
    VerdictKind.EQUIVALENT, VerdictKind.IN_PAIRS,
)  # fmt: skip
"""Verdicts that rest on a comparison."""


def num_families(study: Study, metric: str) -> int:
    """Metrics whose verdicts are to hold at once with those on a metric."""
    return len(study.judged_metrics) if metric in study.judged_metrics else 1


def told(found: Comparison, ranked: bool, is_judged: bool) -> Comparison:
    """A comparison as far as it may be told of a metric.

    Args:
        found: As computed.
        ranked: Whether lower or higher values of the metric are better at all.
        is_judged: Whether the study's verdicts are about it.
    """
    if not is_judged and found.verdict.kind in OF_NOISE:
        return replace(found, verdict=Verdict.none(Cause.FURTHER_METRIC), p=math.nan)
    if not ranked and found.verdict.is_different:
        return replace(found, verdict=Verdict(VerdictKind.DIFFERS))
    return found


def as_same(found: Comparison) -> Comparison:
    """A comparison of what has the same numbers, where there would be a verdict on them."""
    is_told = found.verdict.kind in OF_NOISE or found.verdict.cause is Cause.TOO_FEW_SEEDS
    return SAME if is_told else found


def pairs_of_all(pairs: AllPairs, same: Cells) -> AllPairs:
    """Pairs of cells of which each stands for all with its numbers, as pairs of all cells.

    Args:
        pairs: As computed.
        same: (num_cells,), the cell that stands for each.
    """
    alike: dict[int, list[int]] = {}
    for cell, first in enumerate(same.tolist()):
        alike.setdefault(first, []).append(cell)
    shown = [
        Pair(one, other, pair.comparison)
        for pair in pairs.pairs
        for one, other in itertools.product(alike[pair.one], alike[pair.other])
    ]
    shown += [
        Pair(one, other, SAME)
        for cells in alike.values()
        for one, other in itertools.combinations(cells, 2)
    ]
    alone = "a" if len(alike) == 1 else ""
    return replace(pairs, pairs=shown, letters=[pairs.letters[first] or alone for first in same])


def told_pairs(pairs: AllPairs, ranked: bool, is_judged: bool, lost: Flags) -> AllPairs:
    """All pairs as far as the metric and the lost runs let one tell them.

    Args:
        pairs: As computed.
        ranked: Whether lower or higher values of the metric are better at all.
        is_judged: Whether the study's verdicts are about it.
        lost: (num_cells, num_seeds), runs that their cell lost by itself.
    """
    letters = pairs.letters if is_judged else [""] * len(pairs.letters)
    of_cell = np.any(lost, axis=1)
    shown: list[Pair] = []
    for pair in pairs.pairs:
        found = told(pair.comparison, ranked, is_judged)
        is_partial = of_cell[pair.one] or of_cell[pair.other]
        shown.append(replace(pair, comparison=partial(found) if is_partial else found))
    return replace(pairs, pairs=shown, letters=letters)


def in_pairs(cells: Comparisons, pairs: AllPairs, values: Values) -> Comparisons:
    """What is said of the cells where they are compared in pairs: where to look, or why not."""
    comparisons: list[Comparison] = []
    for letters, row in zip(pairs.letters, values, strict=True):
        cause = Cause.FAILED if np.isnan(row).all() else Cause.TOO_FEW_SEEDS
        verdict = Verdict(VerdictKind.IN_PAIRS) if letters else Verdict.none(cause)
        comparisons.append(Comparison(verdict=verdict))
    return replace(cells, each=comparisons)


def critical_in_pairs(num_cells: int, df: float, families: int = 1) -> float:
    """Half-width of intervals of all pairs in standard errors; nan where there are none."""
    if num_cells < 2 or df < 1:
        return math.nan
    return StudentizedRange(num_cells, df).critical_value(1 - ALPHA / families)


def resolution(comparisons: Sequence[Comparison]) -> float:
    """The smallest difference that can be told from noise: half an interval, the median one."""
    widths = [(c.high - c.low) / 2 for c in comparisons if c.pooled]
    known = [width for width in widths if not np.isnan(width)]
    return float(np.median(known)) if known else math.nan


def detectable(
    comparisons: Sequence[Comparison],
    residual_sd: float,
    df: float,
    num_seeds: float,
    families: int,
    num_in_pairs: int | None = None,
    tests: SpreadTests = NONE,
) -> float:
    """The difference that is found four times in five with the seeds that are there.

    An interrupted study cannot do what its plan can.

    Args:
        comparisons: Those with a baseline, one a cell; or all pairs.
        residual_sd: Pooled, as far as standard errors are made of it.
        df: Its degrees of freedom.
        num_seeds: Of a cell.
        families: Metrics whose verdicts are to hold all at once.
        num_in_pairs: Where `comparisons` are all pairs, of how many cells.
        tests: Of the cells' spreads.
    """
    judged = [c.pooled and not np.isnan(c.p) for c in comparisons]
    critical = None if num_in_pairs is None else critical_in_pairs(num_in_pairs, df, families)
    num = sum(judged) * families
    sd, df = error_behind(comparisons, residual_sd, df, num_seeds, families)
    seen = visible_differences(sd, df, num, num_seeds, critical=critical, tests=tests)
    return seen.found


def error_behind(
    comparisons: Sequence[Comparison], residual_sd: float, df: float, num_seeds: float,
    families: int,
) -> tuple[float, float]:  # fmt: skip
    """The spread of a run that intervals rest on, and its degrees of freedom.

    That of split plots is wider than the residual: their intervals say how wide.

    Args:
        comparisons: Those with a baseline, one a cell; or all pairs.
        residual_sd: Pooled.
        df: Its degrees of freedom.
        num_seeds: Of a cell.
        families: Metrics whose verdicts are to hold all at once.
    """
    plots = _split_plots(comparisons)
    if not plots:
        return residual_sd, df
    num = sum(one.pooled and not np.isnan(one.p) for one in comparisons)
    df = df_behind(comparisons, df)
    of_one = visible_differences(1.0, df, num * families, num_seeds)
    return resolution(plots) / of_one.significant, df


def df_behind(comparisons: Sequence[Comparison], df: float) -> float:
    """Degrees of freedom that intervals rest on: the residual's, or the median of split plots."""
    plots = _split_plots(comparisons)
    return float(np.median([one.df for one in plots])) if plots else df


def _split_plots(comparisons: Sequence[Comparison]) -> list[Comparison]:
    return [one for one in comparisons if one.error is ErrorTerm.SPLIT_PLOT and not np.isnan(one.p)]


def may_be_best(
    values: Values, mode: Mode, *, first_seeds: int | None, families: int, widening: float,
    is_paired: bool,
) -> Sequence[bool | None]:  # fmt: skip
    """Of each cell whether it may be the best: not significantly worse than any other."""
    found = against_the_best(
        values, mode, first_seeds=first_seeds, num_families=families, widening=widening,
        is_paired=is_paired,
    )  # fmt: skip
    return [None if each is None else each.may_be_best for each in found]
