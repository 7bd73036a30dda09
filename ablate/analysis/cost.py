"""What cells cost to train, and how much more than what they are compared with."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean, median

from ablate.analysis.records import Compute, Cost, MetricRecord
from ablate.plan.plan import Plan, Run
from ablate.run_row import RunRow, RunRows, Status

LEAST_COMPARED_S = 5.0
"""Of shorter runs (by the median) a start, and what else the machine does, is over a tenth."""
MOST_SPREAD = 1.5
"""Where one seed's ratio of times is so many times another's, the machine has done other things."""

Trial = tuple[int | None, str | None]


def with_costs(plan: Plan, rows: RunRows, metrics: Sequence[MetricRecord]) -> list[MetricRecord]:
    """Metrics whose cells know what they cost, and whose blocks beside their first baseline."""
    costs = _Costs(plan, rows)
    of_cells = [costs.beside(cell, other) for cell, other in enumerate(plan.references)]
    of_blocks = [
        [costs.beside(member, block.baseline) for member in block.members] for block in plan.blocks
    ]
    return [
        replace(
            metric,
            cells=[replace(c, cost=cost) for c, cost in zip(metric.cells, of_cells, strict=True)],
            blocks=[
                replace(b, costs=each) for b, each in zip(metric.blocks, of_blocks, strict=True)
            ],
        )
        for metric in metrics
    ]


def compute_of(plan: Plan, rows: RunRows) -> Compute:
    """What all runs of a plan have cost together, those that failed too."""
    resources = plan.study.resources
    on_gpu = resources.gpu > 0
    begun = [row for run in plan.runs if (row := rows.of(run.run_id)) and _has_begun(row)]
    known = [row.seconds for row in begun if row.seconds]
    return Compute(
        device="GPU" if on_gpu else "CPU core",
        per_trial=resources.gpu if on_gpu else resources.cpu,
        seconds=math.fsum(known),
        num_begun=len(begun),
        num_timed=len(known),
    )


def _has_begun(row: RunRow) -> bool:
    return row.started_at is not None or row.status.has_ended


class _Costs:
    """What each cell costs beside another one."""

    def __init__(self, plan: Plan, rows: RunRows) -> None:
        self._plan, self._rows = plan, rows
        self._trials = _Trials(plan, rows)
        self._parameters = [_num_parameters(plan, rows, cell.index) for cell in plan.cells]
        self._known: dict[tuple[int, int], Cost] = {}

    def beside(self, index: int, reference: int) -> Cost:
        """A cell's cost, with its ratios to another's."""
        if (index, reference) not in self._known:
            self._known[index, reference] = self._cost(index, reference)
        return self._known[index, reference]

    def _cost(self, index: int, reference: int) -> Cost:
        finished = _finished(self._plan.runs_of[index], self._rows)
        known = [row.seconds for row in finished if row.seconds]
        own, other = self._parameters[index], self._parameters[reference]
        is_same = index == reference
        return Cost(
            seconds=fmean(known) if known else math.nan,
            num_parameters=own,
            time_ratio=1.0 if is_same else self._trials.time_ratio(index, reference),
            parameter_ratio=own / other if own and other else math.nan,
        )


def _finished(runs: Mapping[int, Run], rows: RunRows) -> list[RunRow]:
    found = [rows.of(run.run_id) for run in runs.values()]
    return [row for row in found if row.status is Status.OK]


def _num_parameters(plan: Plan, rows: RunRows, index: int) -> int | None:
    """Of a cell; None where it is unknown, or not one number."""
    known = {rows.of(run.run_id).num_parameters for run in plan.runs_of[index].values()} - {None}
    return known.pop() if len(known) == 1 else None


class _Trials:
    """In which trials runs were trained, and with which others: the runs of one share its time."""

    def __init__(self, plan: Plan, rows: RunRows) -> None:
        self._plan, self._rows = plan, rows
        self._sizes = Counter(_trial(row) for row in rows.values())
        self._cells: dict[Trial, set[int]] = {}
        for run in plan.runs:
            cells = self._cells.setdefault(_trial(rows.of(run.run_id)), set())
            cells.add(run.cell.index)

    def time_ratio(self, index: int, reference: int) -> float:
        """A cell's training time over another's: the median of pairs of runs with one seed.

        Of pairs alone that had the same kind of device and as many runs in their trial. In a pack
        of several cells time is shared evenly: it says nothing of each. nan without any such pair,
        and where more than one of them says something else.
        """
        others = self._plan.runs_of[reference]
        pairs = [
            (self._rows.of(run.run_id), self._rows.of(others[seed].run_id))
            for seed, run in self._plan.runs_of[index].items()
            if seed in others
        ]
        times = [
            (one.seconds, other.seconds)
            for one, other in pairs
            if one.seconds and other.seconds and self._are_alike(one, other)
        ]
        if not times or min(map(median, zip(*times, strict=True))) < LEAST_COMPARED_S:
            return math.nan
        return _agreed([one / other for one, other in times])

    def _are_alike(self, one: RunRow, other: RunRow) -> bool:
        return (
            one.status is other.status is Status.OK
            and one.reused_from is other.reused_from is None  # nobody knows their trials here
            and one.device == other.device
            and self._size(one) == self._size(other)
            and self._is_of_one_cell(one)
            and self._is_of_one_cell(other)
        )

    def _size(self, row: RunRow) -> int:
        return self._sizes[_trial(row)] if row.trial is not None else 1

    def _is_of_one_cell(self, row: RunRow) -> bool:
        return self._size(row) == 1 or len(self._cells[_trial(row)]) == 1


def _agreed(ratios: list[float]) -> float:
    """The median of ratios that agree but for one; else nan."""
    middle = median(ratios)
    near = sorted(ratios, key=lambda ratio: abs(math.log(ratio / middle)))
    near = near[: max(2, len(near) - 1)]
    return middle if max(near) <= MOST_SPREAD * min(near) else math.nan


def _trial(row: RunRow) -> Trial:
    return row.launch, row.trial
