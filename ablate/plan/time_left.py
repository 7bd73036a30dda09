"""How long the runs of a study will still take, by the runs that have ended and the slots in use.

Of the ledger's rows alone, so that a driver and whoever reads along say the same.
"""

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from ablate.plan.plan import Run
from ablate.run_row import RunRow, RunRows, Status
from ablate.spec.design import Cell

LONGEST_START_S = 300.0
"""A trial that took so much longer than it trained was interrupted: it tells nothing of starts."""
OVER_TIME = 0.1
"""A run past its time is taken to need this share of what it has had once more."""


@dataclass(frozen=True)
class Durations:
    """How long runs train: as those of their cell that ended, else of the cells most like it.

    Attributes:
        own: Median seconds of training by cell.
        ok: Those of them by cell whose runs ended well, which stand for other cells, too.
        start_s: What a trial takes beside its training: its start and its end.
    """

    own: Mapping[int, float]
    ok: Mapping[int, tuple[Cell, float]]
    start_s: float

    @classmethod
    def of(cls, runs: Sequence[Run], rows: RunRows) -> "Durations":
        """Those of a plan's runs."""
        cells: dict[int, Cell] = {}
        well: dict[int, list[float]] = {}
        ill: dict[int, list[float]] = {}
        for run in runs:
            row = rows.of(run.run_id)
            if row.status.has_ended and row.seconds:
                kind = well if row.status is Status.OK else ill
                kind.setdefault(run.cell.index, []).append(row.seconds)
                cells[run.cell.index] = run.cell
        own = {cell: median(seconds) for cell, seconds in {**ill, **well}.items()}
        return cls(own, {cell: (cells[cell], own[cell]) for cell in well}, _start_s(runs, rows))

    def of_cell(self, cell: Cell) -> float:
        """Seconds that a run of a cell trains; nan while no run of any cell has ended well."""
        if cell.index in self.own:
            return self.own[cell.index]
        likeness = {index: _shared(cell, other) for index, (other, _) in self.ok.items()}
        most = max(likeness.values(), default=0)
        alike = [self.ok[index][1] for index, shared in likeness.items() if shared == most]
        return median(alike) if alike else math.nan


def is_running(row: RunRow) -> bool:
    """Whether a run has started and not ended, as far as its driver has told."""
    return row.status is Status.PENDING and row.started_at is not None


def trials_running(runs: Sequence[Run], rows: RunRows) -> list[list[Run]]:
    """The runs that are under way, those of a pack together."""
    trials: dict[str, list[Run]] = {}
    for run in runs:
        row = rows.of(run.run_id)
        if is_running(row):
            trials.setdefault(row.trial or run.run_id, []).append(run)
    return list(trials.values())


def seconds_left(
    durations: Durations,
    rows: RunRows,
    running: Sequence[Sequence[Run]],
    waiting: Sequence[Sequence[Run]],
    slots: int = 0,
    now: datetime | None = None,
) -> float:
    """Seconds until all runs will have ended, each trial in the slot that is free first.

    Args:
        durations: How long runs train.
        rows: The ledger's rows by run id.
        running: The runs of each trial that is under way.
        waiting: Those of each trial that is not, in their order.
        slots: How many trials go at once; those under way at least.
        now: For tests.

    Returns:
        nan while that is unknown: no run has ended, or nothing is under way; and at the end.
    """
    if not running and not waiting:
        return math.nan
    now = now or datetime.now(UTC)
    free_s = [_rest_s(durations, rows, trial, now) for trial in running]
    free_s += [0.0] * (slots - len(free_s))
    needed_s: list[float] = []
    for trial in waiting:
        trained_s = sum(rows.of(run.run_id).seconds or 0.0 for run in trial)
        rest_s = sum(durations.of_cell(run.cell) for run in trial) - trained_s
        needed_s.append(durations.start_s + max(0.0, rest_s))
    return last_end_s(free_s, needed_s)


def last_end_s(free_s: Sequence[float], needed_s: Iterable[float]) -> float:
    """Seconds until the last trial ends, each in the slot that is free first.

    Args:
        free_s: When each slot is free.
        needed_s: What each trial takes that waits, in their order.

    Returns:
        nan where there is no slot, or some of it is unknown.
    """
    slots = list(free_s)
    if not slots:
        return math.nan
    heapq.heapify(slots)
    for seconds in needed_s:
        heapq.heapreplace(slots, slots[0] + seconds)
    return math.nan if any(map(math.isnan, slots)) else max(slots)


def rest_s(needed_s: float, trained_s: float) -> float:
    """What a trial under way still takes: something, also past its time."""
    return max(needed_s - trained_s, OVER_TIME * trained_s)


def untold_s(trial: Iterable[RunRow], now: datetime, start_s: float = 0.0) -> float:
    """How long a trial has trained that has not told so yet: since it started.

    Args:
        trial: The rows of its runs.
        now: The time.
        start_s: What a trial takes before it trains.
    """
    since = [row.started_at for row in trial if row.started_at]
    return max(0.0, (now - max(since)).total_seconds() - start_s) if since else 0.0


def _rest_s(durations: Durations, rows: RunRows, trial: Sequence[Run], now: datetime) -> float:
    """What a trial under way still takes."""
    needed_s = sum(durations.of_cell(run.cell) for run in trial)
    own = [rows.of(run.run_id) for run in trial]
    told_s = sum(row.seconds or 0.0 for row in own)
    return rest_s(needed_s, told_s or untold_s(own, now, durations.start_s))


def _shared(cell: Cell, other: Cell) -> int:
    """In how many things two cells are alike."""
    levels = sum(other.labels.get(name, ...) == label for name, label in cell.labels.items())
    return levels + (cell.block == other.block) + (cell.entry.name == other.entry.name)


def _start_s(runs: Sequence[Run], rows: RunRows) -> float:
    """What trials took beside their training: in the middle, and while their slot was empty."""
    trials: dict[tuple[object, ...], list[RunRow]] = {}
    for run in runs:
        row = rows.of(run.run_id)
        trials.setdefault((row.launch, row.trial or run.run_id), []).append(row)
    within = [beside for beside in map(_beside_s, trials.values()) if beside is not None]
    between = _empty_s(trials.values())
    return sum(median(known) for known in (within, between) if known)


def _beside_s(trial: Sequence[RunRow]) -> float | None:
    """What a trial took beside its training; None where it did not run from start to end."""
    starts = [row.started_at for row in trial if row.started_at]
    ends = [row.ended_at for row in trial if row.ended_at and row.status is Status.OK]
    if len(starts) < len(trial) or len(ends) < len(trial) or any(row.retries for row in trial):
        return None
    took_s = (max(ends) - min(starts)).total_seconds()
    beside_s = took_s - sum(row.seconds or 0.0 for row in trial)
    return max(0.0, beside_s) if beside_s < LONGEST_START_S else None


def _empty_s(trials: Iterable[Sequence[RunRow]]) -> list[float]:
    """From the last end of a trial to the next start in its launch: a process that had to start.

    At the least: the slot may be one that another trial had left before.
    """
    gaps: list[float] = []
    moments = sorted(moment for trial in trials for moment in _moments(trial))
    ended: dict[int, datetime] = {}
    for at, is_start, launch in moments:
        if not is_start:
            ended[launch] = at
        elif launch in ended:
            gaps.append((at - ended[launch]).total_seconds())
    return [gap for gap in gaps if gap < LONGEST_START_S]


def _moments(trial: Sequence[RunRow]) -> Iterator[tuple[datetime, bool, int]]:
    """When a trial started and ended, and in which launch."""
    starts = [row.started_at for row in trial if row.started_at]
    ends = [row.ended_at for row in trial if row.ended_at]
    launch = trial[0].launch or 0
    if starts:
        yield min(starts), True, launch
    if ends:
        yield max(ends), False, launch
