"""Comparisons where cells lost runs by themselves: of the runs that ended, and at worst.

Who diverges loses its worst results, so what is left flatters its cell. Nothing can be said of
results that are not there but by an assumption: counted as the worst value of the table, they bound
what the lost runs can hide (Horowitz & Manski 2000, J. Am. Stat. Assoc. 95, 77-84; a failure ranked
below every result: Lachin 1999, Control. Clin. Trials 20, 408-422). Pure functions.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ablate.stats.pooling import References
from ablate.stats.verdicts import Comparison, Mode, VerdictKind

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
