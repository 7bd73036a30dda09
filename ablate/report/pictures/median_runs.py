"""The run that stands for its cell: the median by the study's metric."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ablate.analysis.records import CellRecord, RunRecord, StudyRecord
from ablate.run_row import Status

CELLS_SHOWN = 24
"""Cells of which a report shows pictures at most."""


@dataclass(frozen=True)
class MedianRun:
    """A cell, and the run whose pictures are shown.

    Attributes:
        cell: The cell.
        run_name: The run's; empty where no run of the cell has a result.
        num: Runs of the cell that have one.
        seed: Of all cells' runs, where each seed splits the data anew; else None.
    """

    cell: CellRecord
    run_name: str
    num: int
    seed: int | None = None


def median_runs(record: StudyRecord) -> tuple[list[MedianRun], int]:
    """The median runs of cells, those of baselines first, and how many cells are left out.

    Of an even number the lower one; of equal values that of the first seed. Where each seed splits
    the data anew, the runs of one seed: that of the first one's median run, as far as they are
    there.
    """
    cells = record.metric.cells
    order = sorted(range(len(cells)), key=lambda at: (not cells[at].is_baseline, at))
    runs: list[MedianRun] = []
    seed: int | None = None
    for at in order[:CELLS_SHOWN]:
        runs.append(found := _run(record, at, seed))
        if record.has_splits and seed is None and found.run_name:
            seed = next(run.seed for run in record.runs if run.run_name == found.run_name)
            runs[-1] = replace(found, seed=seed)
    return runs, len(order[CELLS_SHOWN:])


def _run(record: StudyRecord, at: int, seed: int | None) -> MedianRun:
    """The run of a seed, else the median one."""
    found = sorted(_results(record, at), key=lambda result: result[:2])
    cell, num = record.metric.cells[at], len(found)
    alike = [run for *_, run in found if run.seed == seed]
    if alike:
        return MedianRun(cell, alike[0].run_name, num, seed)
    return MedianRun(cell, found[(num - 1) // 2][2].run_name if found else "", num)


def _results(record: StudyRecord, at: int) -> Iterator[tuple[float, int, RunRecord]]:
    """Value, place of the seed and run, of a cell's runs that have a result."""
    places = {seed: place for place, seed in enumerate(record.seeds)}
    for run in record.runs:
        if run.cell == at and run.status is Status.OK and run.seed in places:
            value = float(record.metric.values[at, places[run.seed]])
            if math.isfinite(value):
                yield value, places[run.seed], run
