"""Whether two cells came to the same numbers, to the bit: what differs between them did nothing.

They are alike where the metric is the same on every seed that both have a result of, where neither
lost a run by itself of which the other has a result, and where that cannot be chance
(`stats/coincidence.py`). The metric's own results decide it; where they are coarse (an accuracy on
few samples, a count, rounded), all other metrics of the rows have to be the same, too, and count if
they vary from seed to seed; and if that is not enough, so do the metric's curves. Other
metrics that differ refute nothing by themselves, as a duration always does: they are named.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ablate.analysis.arrays import Values
from ablate.ledger.history import History
from ablate.losses import Loss
from ablate.plan.plan import Plan, PlannedBlock
from ablate.run_row import RunRow, RunRows, columns_of, metric_in
from ablate.spec.models import Factor
from ablate.stats.coincidence import is_chance
from ablate.stats.repeats import LOST, equal_rows, with_losses
from ablate.study_dir import StudyPaths


@dataclass(frozen=True)
class Alike:
    """Two cells with the same numbers."""

    seeds: Sequence[int]
    """On which both have a result."""
    differing: Sequence[str]
    """Other metrics that are not the same."""


@dataclass(frozen=True)
class Place:
    """Cells of a block that differ in one factor alone."""

    block: PlannedBlock
    factor: Factor
    cells: Mapping[int, int]
    """Of levels of the factor, the cell's position in the plan."""
    at: Mapping[str, int]
    """The levels of the other factors."""


def places_of(plan: Plan) -> Iterator[Place]:
    """All sets of two and more cells that differ in one factor alone."""
    for block in plan.blocks:
        for factor in block.factors:
            found: dict[tuple[tuple[str, int], ...], dict[int, int]] = {}
            for member, levels in zip(block.members, block.levels, strict=True):
                if factor.name in levels:
                    others = ((name, n) for name, n in levels.items() if name != factor.name)
                    found.setdefault(tuple(others), {})[levels[factor.name]] = member
            for at, cells in found.items():
                if len(cells) > 1:
                    yield Place(block, factor, cells, dict(at))


class Likeness:
    """Which cells of a study are alike by a metric.

    Args:
        plan: The plan.
        rows: The rows of its runs.
        metric: The metric.
    """

    def __init__(self, plan: Plan, rows: RunRows, metric: str) -> None:
        self._plan, self._rows, self._metric = plan, rows, metric
        self._results: dict[int, Values] = {}
        self._found: dict[tuple[int, int], Alike | None] = {}

    def of(self, one: int, other: int) -> Alike | None:
        """What two cells have in common; None where they are not alike."""
        key = min(one, other), max(one, other)
        if key not in self._found:
            self._found[key] = self._compared(*key)
        return self._found[key]

    def _compared(self, one: int, other: int) -> Alike | None:
        results = self._results_of(one), self._results_of(other)
        if not equal_rows(results[0][np.newaxis], results[1]):
            return None
        both = zip(self._plan.seeds, *results, strict=True)
        seeds = [seed for seed, result, again in both if result == again != LOST]
        rows = [(self._row(one, seed), self._row(other, seed)) for seed in seeds]
        names = columns_of(self._metric)
        own = [(row.get(name), also.get(name)) for row, also in rows for name in names]
        if any(value != again for value, again in own):
            return None
        known = [value for value, _ in own if value is not None]
        differing = self._differing(rows)
        if is_chance(known) and not differing:
            known += self._telling(rows)
        if is_chance(known):
            known += self._curves(one, other, seeds) or ()
        return None if is_chance(known) else Alike(seeds, differing)

    def _results_of(self, cell: int) -> Values:
        """(num_seeds,), nan where a run is missing, `LOST` where the cell lost it by itself."""
        if cell not in self._results:
            rows = [self._row(cell, seed) for seed in self._plan.seeds]
            results = np.array([row.result(self._metric, self._plan.value) for row in rows])
            lost = np.array([row.loss(self._metric) is Loss.CELL for row in rows])
            self._results[cell] = with_losses(results, lost)
        return self._results[cell]

    def _row(self, cell: int, seed: int) -> RunRow:
        run = self._plan.runs_of[cell].get(seed)
        return RunRow() if run is None else self._rows.of(run.run_id)

    def _others(self, row: RunRow) -> dict[str, float]:
        """The other metrics of a run."""
        own = columns_of(self._metric)
        return {n: v for n, v in row.metrics(self._plan.factors).items() if n not in own}

    def _differing(self, rows: Sequence[tuple[RunRow, RunRow]]) -> list[str]:
        differing: dict[str, None] = {}
        for one, other in rows:
            mine, also = self._others(one), self._others(other)
            differing |= dict.fromkeys(
                metric_in(name)
                for name in [*mine, *also]
                if not _is_same(mine.get(name), also.get(name))
            )
        return list(differing)

    def _telling(self, rows: Sequence[tuple[RunRow, RunRow]]) -> list[float]:
        """Numbers of other metrics, of those that vary: a learning rate is the same for all."""
        measured = [self._others(row) for row, _ in rows]
        values = {name: {row.get(name) for row in measured} for name in measured[0]}
        return [v for each in values.values() if len(each) > 1 for v in each if v is not None]

    def _curves(self, one: int, other: int, seeds: Sequence[int]) -> list[float] | None:
        """The metric on the way; None where it was not the same."""
        if self._plan.origin:
            return None
        known: list[float] = []
        for seed in seeds:
            runs = [self._plan.runs_of[cell][seed].run_id for cell in (one, other)]
            curves = [self._history.columns(run, [self._metric]).get(self._metric) for run in runs]
            first, second = curves
            if first is None or second is None:
                continue
            if not all(map(np.array_equal, first, second)):
                return None
            known += first[1].tolist()
        return known

    @cached_property
    def _history(self) -> History:
        return History(StudyPaths(self._plan.study.directory))


def _is_same(one: float | None, other: float | None) -> bool:
    return one == other or (one != one and other != other)  # nan is nan
