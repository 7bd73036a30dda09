"""The results of a plan as arrays: a row a cell, a column a seed, nan where there is none."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ablate.losses import Loss
from ablate.plan.plan import Plan
from ablate.run_row import RunRows
from ablate.spec.design import Cell
from ablate.spec.models import AGAIN_SEEDS

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]


def values_of(plan: Plan, rows: RunRows, metric: str) -> Values:
    """A metric of every cell and seed, (num_cells, num_seeds); nan where no run ended well."""
    return np.array([_row(plan, rows, cell, plan.seeds, metric) for cell in plan.cells])


def values_again(plan: Plan, rows: RunRows, metric: str) -> Values:
    """A metric of the second baseline, (num_seeds,)."""
    assert plan.again is not None
    seeds = [seed + AGAIN_SEEDS for seed in plan.seeds]
    return np.array(_row(plan, rows, plan.again, seeds, metric))


def lost_of(plan: Plan, rows: RunRows, metric: str) -> Flags:
    """Runs whose result their cell lost by itself, (num_cells, num_seeds)."""
    return np.array([
        [rows.of(plan.runs_of[cell.index][seed].run_id).loss(metric) is Loss.CELL
         for seed in plan.seeds]
        for cell in plan.cells
    ])  # fmt: skip


def on_scale(values: Values, log_scale: bool) -> Values:
    """Values as they are compared: as they are, or their logarithms.

    Where a value is not positive its logarithm is nan: `uses_log` says whether that is so.
    """
    if not log_scale:
        return values
    with np.errstate(divide="ignore", invalid="ignore"):
        logged = np.log(values)
    return np.where(np.isfinite(logged), logged, np.nan)


def uses_log(plan: Plan, rows: RunRows, metric: str) -> bool:
    """Whether a metric is compared by ratios: where asked for, of meaning, and all are positive."""
    if not plan.study.log_scale or not plan.model.metric(metric).has_ratios:
        return False
    cells = [*plan.cells, *([plan.again] if plan.again else [])]
    runs = [run for cell in cells for run in plan.runs_of[cell.index].values()]
    values = [rows.of(run.run_id).result(metric) for run in runs]
    return all(value > 0 for value in values if not math.isnan(value))


def _row(plan: Plan, rows: RunRows, cell: Cell, seeds: Sequence[int], metric: str) -> list[float]:
    runs = plan.runs_of[cell.index]
    return [rows.of(runs[seed].run_id).result(metric) for seed in seeds]
