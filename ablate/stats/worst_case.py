"""Comparisons where cells lost runs by themselves: of the runs that ended, and at worst.

Who diverges loses its worst results, so what is left flatters its cell. Nothing can be said of
results that are not there but by an assumption: counted as the worst value of the table, they bound
what the lost runs can hide (Horowitz & Manski 2000, J. Am. Stat. Assoc. 95, 77-84; a failure ranked
below every result: Lachin 1999, Control. Clin. Trials 20, 408-422). Several lost runs then have one
value, which is no scatter: the interval at worst holds that of the runs that ended, too (Horowitz &
Manski's of the bounds), so what is made up never shows more than what was seen. Pure functions.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ablate.stats.pooling import References
from ablate.stats.verdicts import Comparison, Mode, Verdict, VerdictKind

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
_OF_RESULTS = frozenset({
    VerdictKind.BETTER, VerdictKind.WORSE, VerdictKind.DIFFERS, VerdictKind.WITHIN_NOISE,
    VerdictKind.EQUIVALENT,
})  # fmt: skip


def of_those_that_ended(
    comparisons: Sequence[Comparison], references: References, lost: Flags
) -> list[Comparison]:
    """Comparisons whose verdicts say so where the cell, or its reference, lost runs by itself.

    Args:
        comparisons: One a cell.
        references: (num_cells,), the cell that each is compared with; or one for all.
        lost: (num_cells, num_seeds), runs that their cell lost by itself.
    """
    of_cell = lost.sum(axis=1) > 0
    others = np.broadcast_to(np.asarray(references, dtype=np.intp), of_cell.shape)
    return [
        partial(found) if is_partial else found
        for found, is_partial in zip(comparisons, of_cell | of_cell[others], strict=True)
    ]


def partial(found: Comparison) -> Comparison:
    """A comparison of the runs that ended, others being lost; as it is where nothing is said."""
    if found.verdict.kind not in _OF_RESULTS:
        return found
    return replace(found, verdict=replace(found.verdict, of_those_that_ended=True))


def worst_case(values: Values, lost: Flags, references: References, mode: Mode) -> Values:
    """Results with every lost one as the worst of all cells that have the same reference.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        lost: (num_cells, num_seeds), runs that their cell lost by itself.
        references: (num_cells,), the cell that each is compared with, itself for a baseline; or
            one for all.
        mode: Whether lower (`min`) or higher values are better.

    Returns:
        (num_cells, num_seeds), nan where a run is missing at random, or has no other to be as bad
        as.
    """
    others = np.broadcast_to(np.asarray(references, dtype=np.intp), (len(values),))
    filled = values.copy()
    for reference in np.unique(others):
        cells = np.flatnonzero((others == reference) | (np.arange(len(values)) == reference))
        there = values[cells][~np.isnan(values[cells])]
        if len(there):
            worst = there.max() if mode == "min" else there.min()
            filled[cells] = np.where(lost[cells] & np.isnan(values[cells]), worst, values[cells])
    return filled


def no_surer(worst: Comparison, observed: Comparison) -> Comparison:
    """A comparison at worst, which differs only where that of the runs that ended does, too.

    Its interval holds both intervals, so it leaves out 0 just where both do to the same side.

    Args:
        worst: With every lost run as the worst.
        observed: Of the runs that ended.
    """
    if math.isnan(worst.p):
        return worst
    if math.isnan(observed.p):  # what was seen says nothing
        return replace(worst, verdict=observed.verdict, low=math.nan, high=math.nan, p=math.nan)
    low, high = min(worst.low, observed.low), max(worst.high, observed.high)
    is_one_side = worst.difference * observed.difference > 0
    p = max(worst.p, observed.p) if is_one_side else 1.0
    inside = _is_inside(worst.verdict) and _is_inside(observed.verdict)
    verdict = worst.verdict
    if verdict.is_different and (low > 0 or high < 0):
        verdict = replace(verdict, within_margin=inside)
    elif verdict.kind in _OF_RESULTS:
        verdict = Verdict(VerdictKind.EQUIVALENT if inside else VerdictKind.WITHIN_NOISE)
    return replace(worst, verdict=verdict, low=low, high=high, p=p)


def all_no_surer(worst: Sequence[Comparison], observed: Sequence[Comparison]) -> list[Comparison]:
    """`no_surer` of each."""
    return [no_surer(one, other) for one, other in zip(worst, observed, strict=True)]


def _is_inside(verdict: Verdict) -> bool:
    return verdict.kind is VerdictKind.EQUIVALENT or verdict.within_margin
