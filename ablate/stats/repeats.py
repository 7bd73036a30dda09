"""Cells that repeat the numbers of another one: they are counted once. Pure functions.

Where a factor does nothing, each of its levels has the same runs again: as runs of their own they
would add degrees of freedom, and no scatter, so that all other intervals came out too narrow.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ablate.stats.coincidence import is_chance
from ablate.stats.verdicts import Cause, Comparison, Comparisons, Verdict, VerdictKind

Values = NDArray[np.float64]
Cells = NDArray[np.intp]
Flags = NDArray[np.bool_]

SAME = Comparison(verdict=Verdict.none(Cause.SAME_NUMBERS), difference=0.0)
"""Of a cell whose numbers are those of what it is compared with."""


def equal_rows(values: Values, one: Values) -> list[int]:
    """The cells whose results are those of another one, wherever both have any.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        one: (num_seeds,), of the other one.
    """
    is_equal, is_missing = values == one, np.isnan(values) | np.isnan(one)
    found = is_equal.any(axis=1) & (is_equal | is_missing).all(axis=1)
    return np.flatnonzero(found).tolist()


def repeats_of(values: Values, references: Cells) -> Cells:
    """The first cell with the same numbers as each, of a metric of which no more is known.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        references: (num_cells,), the cell that each is compared with: it comes first.
    """
    same = np.arange(len(values))
    if never_varies(values):
        return same
    found: list[int] = []
    for cell in dict.fromkeys([*references.tolist(), *range(len(values))]):
        for place in equal_rows(values[found], values[cell]):
            both = values[cell][values[cell] == values[found[place]]]
            if not is_chance(both.tolist()):
                same[cell] = found[place]
                break
        else:
            found.append(cell)
    return same


def never_varies(values: Values) -> bool:
    """Whether results are one number over several seeds: that no factor changes it says nothing."""
    there = ~np.isnan(values)
    return there.any(axis=0).sum() > 1 and len(np.unique(values[there])) == 1


def counted_once(values: Values, same: Cells, references: Cells, family: Flags) -> Values:
    """Values without those of the cells whose comparison is that of another one.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        same: (num_cells,), the cell of the same numbers that stands for each, a baseline before
            others: itself where there is none.
        references: (num_cells,), the cell that each is compared with, itself for a baseline.
        family: (num_cells,), the cells whose comparison was planned.
    """
    kept = [_shown_by(cell, same, references, family) == cell for cell in range(len(values))]
    return np.where(np.array(kept, dtype=bool)[:, np.newaxis], values, np.nan)


def with_repeats(
    comparisons: Comparisons, same: Cells, references: Cells, family: Flags
) -> Comparisons:
    """Comparisons of values that were `counted_once`, with those of the repeated cells, too."""
    each = [
        comparisons.each[_shown_by(cell, same, references, family)]
        if same[cell] != same[references[cell]] or cell == references[cell]
        else (SAME if family[cell] else _NOT_COMPARED)
        for cell in range(len(comparisons.each))
    ]
    return replace(comparisons, each=each)


_NOT_COMPARED = Comparison(verdict=Verdict(VerdictKind.NOT_COMPARED), difference=0.0)


def _shown_by(cell: int, same: Cells, references: Cells, family: Flags) -> int:
    """The cell whose comparison is also a cell's: itself where there is no other."""
    first, reference = int(same[cell]), int(references[cell])
    if cell == first or cell in references:
        return cell
    is_baseline_s = first == same[reference]
    is_compared_alike = same[references[first]] == same[reference] and family[first] == family[cell]
    return first if is_baseline_s or is_compared_alike else cell
