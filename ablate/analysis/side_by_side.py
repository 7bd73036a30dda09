"""Two studies cell by cell: the cells that both have, their runs of the same seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ablate.analysis.arrays import is_measured_alike, value_had
from ablate.plan.plan import Plan
from ablate.run_row import RunRow, RunRows, Status, Value
from ablate.spec.design import Cell
from ablate.stats.own_spread import own_spread
from ablate.stats.pooling import ALPHA
from ablate.stats.spread import Spread, spread


class RunPair(NamedTuple):
    """A cell with a seed in two studies."""

    seed: int
    one: float
    other: float


@dataclass(frozen=True, kw_only=True)
class CellPair:
    """A cell that two studies have, over the seeds that both have finished."""

    cells: tuple[Cell, Cell]
    runs: Sequence[RunPair]
    one: Spread
    other: Spread
    difference: float
    """Other minus one, paired by seed."""
    half_width: float
    """Of its 95 % interval, each cell's by itself; nan where runs do not vary or are too few."""

    @property
    def name(self) -> str:
        """What the first study calls it."""
        return self.cells[0].name

    @property
    def num_identical(self) -> int:
        """Runs whose values agree to the last bit."""
        return sum(run.one == run.other for run in self.runs)


@dataclass(frozen=True)
class SideBySide:
    """What two studies have in common."""

    pairs: Sequence[CellPair]
    value: Value
    """Which of its values of the metric is each run's result."""
    is_alike: bool
    """Whether all runs have that value: else of some it is the other one, all that there is."""
    num_matched: int
    """Cells with a seed that both have finished, whether or not they measured the metric."""


def side_by_side(
    plans: tuple[Plan, Plan], rows: tuple[RunRows, RunRows], metric: str
) -> SideBySide:
    """The cells of two studies of which both have finished runs of one seed.

    Args:
        plans: Of the two studies.
        rows: Their ledgers' rows.
        metric: The metric.
    """
    matched = [(cells, _rows_by_seed(plans, rows, cells)) for cells in shared_cells(*plans)]
    both = [row for _, by_seed in matched for pair in by_seed.values() for row in pair]
    value = value_had(both, metric, plans[0].value)
    found = [(cells, _runs(by_seed, metric, value)) for cells, by_seed in matched]
    pairs = [_pair(cells, runs) for cells, runs in found if runs]
    num_matched = sum(len(by_seed) for _, by_seed in matched)
    return SideBySide(pairs, value, is_measured_alike(both, metric, value), num_matched)


def shared_cells(one: Plan, other: Plan) -> list[tuple[Cell, Cell]]:
    """Cells of the same training; else those of the same levels, whose other settings differ."""
    taken: dict[int, tuple[Cell, Cell]] = {}
    for cell in one.cells:
        ids = [run.run_id for run in one.runs_of[cell.index].values()]
        found = next((other.by_id[i].cell for i in ids if i in other.by_id), None)
        if found is not None and not found.is_aa:
            taken[cell.index] = (cell, found)
    used = {found.index for _, found in taken.values()}
    by_levels = {_levels(cell): cell for cell in other.cells if cell.index not in used}
    for cell in one.cells:
        if cell.index not in taken and _levels(cell) in by_levels:
            taken[cell.index] = (cell, by_levels[_levels(cell)])
    return [taken[cell.index] for cell in one.cells if cell.index in taken]


def _levels(cell: Cell) -> tuple[str, frozenset[tuple[str, str]]]:
    return cell.block, frozenset((name, level.key) for name, level in cell.levels.items())


def _rows_by_seed(
    plans: tuple[Plan, Plan], rows: tuple[RunRows, RunRows], cells: tuple[Cell, Cell]
) -> Mapping[int, tuple[RunRow, RunRow]]:
    """The rows of both studies by seed, where both runs have ended well."""
    one, other = (
        {
            seed: own.of(run.run_id)
            for seed, run in plan.runs_of[cell.index].items()
            if own.status(run.run_id) is Status.OK
        }
        for plan, own, cell in zip(plans, rows, cells, strict=True)
    )
    return {seed: (one[seed], other[seed]) for seed in one if seed in other}


def _runs(
    by_seed: Mapping[int, tuple[RunRow, RunRow]], metric: str, value: Value
) -> Sequence[RunPair]:
    """Those that have both measured the metric."""
    runs = [
        RunPair(seed, one.result(metric, value), other.result(metric, value))
        for seed, (one, other) in by_seed.items()
    ]
    return [run for run in runs if not math.isnan(run.one + run.other)]


def _pair(cells: tuple[Cell, Cell], runs: Sequence[RunPair]) -> CellPair:
    one, other = (np.array([run[side] for run in runs]) for side in (1, 2))
    found = own_spread(other, one)
    return CellPair(
        cells=cells, runs=runs, one=spread(one), other=spread(other),
        difference=found.difference, half_width=found.half_width(ALPHA),
    )  # fmt: skip
