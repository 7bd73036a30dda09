"""How long a study will go on, by how long its cells' runs took and how many train at once."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

from ablate.plan.time_left import last_end_s, rest_s


def typical_s(ended: Iterable[tuple[int, float]]) -> tuple[Mapping[int, float], float | None]:
    """The median duration by cell, and of all cells: of those of which no run has ended.

    Args:
        ended: Cell and seconds of every run that has ended.
    """
    by_cell: dict[int, list[float]] = {}
    for cell, seconds in ended:
        by_cell.setdefault(cell, []).append(seconds)
    medians = {cell: statistics.median(own) for cell, own in by_cell.items()}
    overall = [seconds for own in by_cell.values() for seconds in own]
    return medians, statistics.median(overall) if overall else None


def seconds_left(
    ended: Iterable[tuple[int, float]],
    running: Iterable[tuple[Sequence[int], float]],
    waiting: Iterable[int],
) -> float | None:
    """Seconds until the last run ends; None where no run has ended yet, or none is under way.

    Runs that wait take the place that is free first, in their order.

    Args:
        ended: Cell and seconds of the runs that have ended.
        running: For each trial under way the cells of its runs, and its seconds so far; each has a
            place.
        waiting: Cells of those that wait.
    """
    by_cell, overall = typical_s(ended)
    if overall is None:
        return None
    free_s = [
        rest_s(sum(by_cell.get(cell, overall) for cell in cells), trained_s)
        for cells, trained_s in running
    ]
    left_s = last_end_s(free_s, (by_cell.get(cell, overall) for cell in waiting))
    return None if math.isnan(left_s) else left_s
