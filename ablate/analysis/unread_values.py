"""Runs whose value of a metric is an old one: later ones were missed, which other runs have.

A pattern that does not match all that a script prints (negative numbers, say) finds a value here
and there; the last one that was found then passes for the run's last value.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ablate.analysis.arrays import Values, value_taken
from ablate.ledger.history import History
from ablate.plan.plan import Plan, Run
from ablate.run_row import AtStep, RunRows, Value
from ablate.study_dir import StudyPaths
from ablate.text import num_runs

REGULAR = 1.5
"""Steps between measurements are as good as equal where the longest is at most so many times the
shortest."""


@dataclass(frozen=True)
class _Measured:
    """When a run measured a metric."""

    name: str
    steps: Values
    """(num_points,), those up to `end`."""
    end: int
    """Where the run ended, or the step that is asked for."""

    @property
    def last(self) -> int:
        return int(self.steps[-1])

    @property
    def lag(self) -> int:
        return self.end - self.last

    @cached_property
    def cadence(self) -> float | None:
        """The most steps between measurements; None of too few, or irregular ones."""
        gaps = np.diff(self.steps)
        is_regular = len(gaps) > 0 and gaps.max() <= REGULAR * gaps.min()
        return float(gaps.max()) if is_regular else None


def unread_values(plan: Plan, rows: RunRows, metric: str) -> list[str]:
    """A caution where runs lack later measurements that other runs have at the same cadence.

    Args:
        plan: The plan; of results from elsewhere nobody knows the curves.
        rows: The rows of its runs.
        metric: The metric.
    """
    known = [] if plan.origin else list(_known(plan, rows, metric))
    alike = {(run.end, run.steps.tobytes()): run for run in known}  # most runs measure as others do
    lacks = {key: any(_has_later(o, run) for o in alike.values()) for key, run in alike.items()}
    lacking = [run for run in known if lacks[run.end, run.steps.tobytes()]]
    if not lacking:
        return []
    first, *more = lacking
    also = f" (so of {num_runs(len(more))} more)" if more else ""
    return [
        f"{metric} of {first.name} was measured last at step {first.last}, its run went on to "
        f"step {first.end}{also}, and others have later values: are all of its values read?"
    ]


def _known(plan: Plan, rows: RunRows, metric: str) -> Iterator[_Measured]:
    history = History(StudyPaths(plan.study.directory))
    taken = value_taken(plan, rows, metric)
    for run in plan.runs:
        found = _measured(run, rows, history, metric, taken)
        if found is not None:
            yield found


def _measured(
    run: Run, rows: RunRows, history: History, metric: str, taken: Value
) -> _Measured | None:
    """None where its result is not the last value of its curve, whenever that was measured."""
    row = rows.of(run.run_id)
    result = row.result(metric, taken)
    if row.step is None or result != result:
        return None
    end = min(row.step, taken.at_step) if isinstance(taken, AtStep) else row.step
    column = history.columns(run.run_id, [metric]).get(metric)
    if column is None:
        return None
    steps, values = column
    within = steps <= end
    is_last = within.any() and values[within][-1] == result
    return _Measured(run.run_name, steps[within], end) if is_last else None


def _has_later(other: _Measured, run: _Measured) -> bool:
    """Whether a run that measured regularly has what this one lacks, each seen from its own end."""
    usual = other.cadence
    if usual is None or run.lag - other.lag < max(run.cadence or 0, usual):
        return False
    return bool(((other.steps > run.last) & (other.steps <= run.end)).any())
