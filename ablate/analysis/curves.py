"""Learning curves of cells over their seeds, from the ledger's history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ablate.analysis.records import StudyRecord
from ablate.ledger.history import History
from ablate.run_row import Status

Values = NDArray[np.float64]

POINTS = 80
"""Points of a curve in the report; the history has them all."""
PREFERRED = ("val_loss", "train_loss")


@dataclass(frozen=True)
class Curve:
    """One metric of one cell on the way, over its seeds; arrays (num_points,)."""

    cell: int
    """Position of the cell in the table."""
    steps: Values
    mean: Values
    low: Values
    """The lowest of the seeds."""
    high: Values


def curves_of(record: StudyRecord, history: History) -> tuple[str, list[Curve]]:
    """The curves of a study: of its metric where runs measure it on the way, else of their loss.

    A run that stopped early keeps its last value, so that a mean is always over the same runs.

    Returns:
        The metric, `` where there is none, and a curve for each cell that has points.
    """
    by_cell: dict[int, list[Mapping[str, Any]]] = {}
    wanted = [record.metric.name, *PREFERRED]
    for run in record.runs:
        if run.cell >= 0 and run.status is not Status.PENDING:
            found = history.columns(run.run_id, wanted)
            if found:
                by_cell.setdefault(run.cell, []).append(found)
    metric = next((name for name in wanted if _is_curve(name, by_cell)), "")
    if not metric:
        return "", []
    curves = [_curve(cell, [r[metric] for r in runs if metric in r]) for cell, runs in
              sorted(by_cell.items())]  # fmt: skip
    return metric, [curve for curve in curves if curve is not None]


def _is_curve(name: str, by_cell: Mapping[int, Sequence[Mapping[str, Any]]]) -> bool:
    """Whether most runs have measured a metric more than once."""
    runs = [run for runs in by_cell.values() for run in runs]
    return sum(name in run and len(run[name][0]) > 1 for run in runs) * 2 > len(runs)


def _curve(cell: int, runs: Sequence[tuple[Values, Values]]) -> Curve | None:
    if not runs:
        return None
    steps = np.unique(np.concatenate([steps for steps, _ in runs]))
    if len(steps) > POINTS:
        steps = steps[np.unique(np.linspace(0, len(steps) - 1, POINTS).round().astype(int))]
    values = np.array([_held(own, measured, steps) for own, measured in runs])
    with np.errstate(over="ignore"):  # of enormous values there is no mean
        mean = values.mean(axis=0)
    return Curve(cell, steps, mean, values.min(axis=0), values.max(axis=0))


def _held(own: Values, measured: Values, steps: Values) -> Values:
    """Values at some steps: the last one measured by then, before the first one that one."""
    at = np.searchsorted(own, steps, side="right") - 1
    return measured[np.maximum(at, 0)]
