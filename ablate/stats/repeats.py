"""Cells that repeat the numbers of another one: they are counted once. Pure functions.

Where a factor does nothing, each of its levels has the same runs again: as runs of their own they
would add degrees of freedom, and no scatter, so that all other intervals came out too narrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ablate.stats.coincidence import is_chance
from ablate.stats.verdicts import Cause, Comparison, Comparisons, Verdict, VerdictKind

Values = NDArray[np.float64]
Cells = NDArray[np.intp]
Flags = NDArray[np.bool_]

LOST = np.inf
"""In place of a result that a cell lost by itself: that differs from every result of another."""
SAME = Comparison(verdict=Verdict.none(Cause.SAME_NUMBERS), difference=0.0)
"""Of a cell whose numbers are those of what it is compared with."""


def with_losses(values: Values, lost: Flags) -> Values:
    """Results with `LOST` where a cell has none by its own doing; nan where one is missing."""
    return np.where(lost & np.isnan(values), LOST, values)


def equal_rows(results: Values, one: Values) -> list[int]:
    """The cells whose results are those of another one, wherever both have any.

    Args:
        results: (num_cells, num_seeds), nan where a run is missing, `LOST` where it was lost.
        one: (num_seeds,), of the other one.
    """
    is_equal = (results == one) & np.isfinite(one)
    return np.flatnonzero(is_equal.any(axis=1) & _agree(results, one)).tolist()


def merged(one: Values, other: Values) -> Values:
    """What cells with the same numbers have together, (num_seeds,)."""
    return np.where(np.isnan(one), other, one)


class Classes:
    """Cells with the same numbers, as sets that grow together: no two of a set ever differ.

    What stands for a set is a baseline before others, of them the one with most results, and
    only where there is no other a cell that is compared with none.

    Args:
        results: (num_cells, num_seeds), nan where a run is missing, `LOST` where it was lost.
        references: (num_cells,), the cell that each is compared with, itself where with none.
    """

    def __init__(self, results: Values, references: Sequence[int] | Cells) -> None:
        cells, others = np.arange(len(results)), np.asarray(references, dtype=np.intp)
        is_compared = others != cells
        is_baseline = np.isin(cells, others[is_compared])
        standing = np.where(is_baseline, 0, np.where(is_compared, 1, 2))
        order = np.lexsort((cells, -np.isfinite(results).sum(axis=1), standing))
        self.order: list[int] = order.tolist()
        """The cells, those that stand for others first."""
        self._rank = np.argsort(order)
        self._first: list[int] = cells.tolist()
        self._results = results.copy()

    def join(self, one: int, other: int) -> bool:
        """Takes the sets of two cells to be one; False where results of any of them differ."""
        best, rest = sorted((self.of(one), self.of(other)), key=lambda cell: self._rank[cell])
        mine, also = self._results[best], self._results[rest]
        if not _agree(mine[np.newaxis], also)[0]:
            return False
        self._first[rest] = best
        self._results[best] = merged(mine, also)
        return True

    def of(self, cell: int) -> int:
        """The cell that stands for all with its numbers."""
        while self._first[cell] != cell:
            cell = self._first[cell]
        return cell

    def all(self) -> Cells:
        """(num_cells,), `of` each."""
        return np.array([self.of(cell) for cell in range(len(self._first))], dtype=np.intp)


def repeats_of(values: Values, references: Cells, lost: Flags) -> Cells:
    """The cell that stands for all with the same numbers, of a metric of which no more is known.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        references: (num_cells,), the cell that each is compared with.
        lost: (num_cells, num_seeds), runs that their cell lost by itself.
    """
    results = with_losses(values, lost)
    classes, found = Classes(results, references), list[int]()
    if never_varies(values):
        return classes.all()
    for cell in classes.order:
        for place in equal_rows(results[found], results[cell]):
            both = results[cell][results[cell] == results[found[place]]]
            if not is_chance(both.tolist()) and classes.join(found[place], cell):
                break
        else:
            found.append(cell)
    return classes.all()


def never_varies(values: Values) -> bool:
    """Whether results are one number over several seeds: that no factor changes it says nothing."""
    there = ~np.isnan(values)
    return there.any(axis=0).sum() > 1 and len(np.unique(values[there])) == 1


@dataclass(frozen=True)
class CountedOnce:
    """What is compared where cells, baselines among them, repeat the numbers of others."""

    same: Cells
    """(num_cells,), the cell that stands for all with the same numbers, see `Classes`."""
    own_references: Cells
    """(num_cells,), the cell that each is compared with, itself where with none."""
    own_family: Flags
    """(num_cells,), the cells whose comparison was planned."""
    shown_by: Cells
    """(num_cells,), the cell whose comparison is also its own: itself where there is no other."""
    references: Cells
    """(num_cells,), the cell that stands for what each is compared with."""
    family: Flags
    """(num_cells,), the comparisons to make: planned ones, each once."""

    def of(self, values: Values) -> Values:
        """Values (num_cells, num_seeds) without those that another cell stands for."""
        is_kept = self.same == np.arange(len(values))
        return np.where(is_kept[:, np.newaxis], values, np.nan)

    def for_all(self, found: Comparisons) -> Comparisons:
        """Comparisons of such values, with those of the cells that others show, too."""
        return replace(found, each=[self._one(found, cell) for cell in range(len(found.each))])

    def _one(self, found: Comparisons, cell: int) -> Comparison:
        shown = int(self.shown_by[cell])
        one, is_planned = found.each[shown], bool(self.own_family[cell])
        if cell == self.own_references[cell]:
            return one if shown == cell else Comparison(verdict=Verdict(VerdictKind.BASELINE))
        if self.same[cell] == self.references[cell]:
            return SAME if is_planned else replace(SAME, verdict=_NOT_COMPARED)
        if is_planned or not self.family[shown]:
            return one
        return Comparison(verdict=_NOT_COMPARED, difference=one.difference)


def counted_once(
    same: Cells, references: Sequence[int] | Cells, family: Sequence[bool] | Flags
) -> CountedOnce:
    """What is compared where cells with the same numbers are one.

    A cell that is compared with another baseline than what stands for it has a comparison of its
    own, though no runs of its own.

    Args:
        same: As in `CountedOnce`.
        references: As its `own_references`.
        family: As its `own_family`.
    """
    own, named = np.asarray(references, dtype=np.intp), np.asarray(family, dtype=bool)
    others, planned, shown_by = same[own], named.copy(), np.arange(len(same))
    first: dict[tuple[int, int], int] = {}
    for cell in dict.fromkeys([*same.tolist(), *shown_by.tolist()]):
        stands, other = int(same[cell]), int(others[cell])
        if stands == other:
            shown_by[cell] = stands
        else:
            shown_by[cell] = shown = first.setdefault((stands, other), cell)
            planned[shown] |= named[cell]
    planned &= shown_by == np.arange(len(same))
    return CountedOnce(same, own, named, shown_by, others, planned)


_NOT_COMPARED = Verdict(VerdictKind.NOT_COMPARED)


def _agree(results: Values, one: Values) -> Flags:
    """(num_cells,), whether no result of a cell differs from another one's."""
    is_missing = np.isnan(results) | np.isnan(one)
    return np.asarray(((results == one) | is_missing).all(axis=1), dtype=np.bool_)
