"""The results of a plan as arrays: a row a cell, a column a seed, nan where there is none."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ablate.losses import Loss
from ablate.plan.plan import Plan
from ablate.run_row import AtStep, RunRow, RunRows, Status, Value
from ablate.spec.design import Cell
from ablate.spec.models import AA_SEED_OFFSET

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
AS_GIVEN = "as given"
"""Of numbers of which nobody says whether they are a run's last or its best."""


def values_of(plan: Plan, rows: RunRows, metric: str) -> Values:
    """A metric of every cell and seed, (num_cells, num_seeds); nan where no run ended well."""
    if not rows:  # of a plan, which may have thousands of cells
        return np.full((len(plan.cells), len(plan.seeds)), np.nan)
    value = value_taken(plan, rows, metric)
    return np.array([_row(plan, rows, cell, plan.seeds, metric, value) for cell in plan.cells])


def value_taken(plan: Plan, rows: RunRows, metric: str) -> Value:
    """Which of its values of a metric is each run's result: the same one of all.

    It is the plan's, but where some run lacks it and all have the other: `ablate evaluate` measures
    best weights alone.
    """
    done = [rows.of(run.run_id) for run in plan.runs if rows.status(run.run_id) is Status.OK]
    return value_had(done, metric, plan.value)


def value_had(rows: Sequence[RunRow], metric: str, wanted: Value) -> Value:
    """The value that is wanted of runs; the other one where they all have that alone.

    Where none has a value at the step that is asked for, it is the last one: of a metric that has
    no curve.
    """
    if isinstance(wanted, AtStep):
        measured = [row for row in rows if row.measured(metric) is not None]
        has_some = any(row.has(metric, wanted) for row in measured)
        return wanted if has_some or not measured else "last"
    other: Value = "last" if wanted == "best" else "best"
    lacks_wanted = not is_measured_alike(rows, metric, wanted)
    return other if lacks_wanted and is_measured_alike(rows, metric, other) else wanted


def is_measured_alike(rows: Sequence[RunRow], metric: str, value: Value) -> bool:
    """Whether all runs that measured a metric have such a value of it."""
    return all(row.has(metric, value) for row in rows if row.measured(metric) is not None)


def value_text(plan: Plan, rows: RunRows, metric: str) -> str:
    """Which value of a run a number is, for people: `final weights`, `last value`."""
    if plan.origin:
        return plan.values_told.get(metric, AS_GIVEN)
    return text_of(plan, metric, value_taken(plan, rows, metric))


def text_of(plan: Plan, metric: str, value: Value) -> str:
    """A value of runs for people, by the metric that chooses their weights, where one does."""
    if isinstance(value, AtStep):
        return f"value {value}"
    chosen_by = plan.model.selected_by
    if chosen_by is None and value == "best" and metric != plan.study.metric:
        return "best weights"  # of a further metric nobody keeps the best value: it was evaluated
    if chosen_by is None:
        return f"{value} value"
    return f"best weights by {chosen_by}" if value == "best" else "final weights"


def values_again(plan: Plan, rows: RunRows, metric: str) -> Values:
    """A metric of the second baseline, (num_seeds,)."""
    assert plan.aa_cell is not None
    seeds = [seed + AA_SEED_OFFSET for seed in plan.seeds]
    value = value_taken(plan, rows, metric)
    return np.array(_row(plan, rows, plan.aa_cell, seeds, metric, value))


def planned_of(plan: Plan) -> Flags:
    """Whether a cell has a run of a seed in the plan, (num_cells, num_seeds)."""
    runs = [plan.runs_of.get(cell.index, {}) for cell in plan.cells]
    return np.array([[seed in of for seed in plan.seeds] for of in runs])


def lost_of(plan: Plan, rows: RunRows, metric: str) -> Flags:
    """Runs whose result their cell lost by itself, (num_cells, num_seeds)."""
    return np.array([
        [_is_lost(plan, rows, cell, seed, metric) for seed in plan.seeds] for cell in plan.cells
    ])  # fmt: skip


def _is_lost(plan: Plan, rows: RunRows, cell: Cell, seed: int, metric: str) -> bool:
    run = plan.runs_of.get(cell.index, {}).get(seed)
    return run is not None and rows.of(run.run_id).loss(metric) is Loss.CELL


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
    cells = [*plan.cells, *([plan.aa_cell] if plan.aa_cell else [])]
    runs = [run for cell in cells for run in plan.runs_of[cell.index].values()]
    value = value_taken(plan, rows, metric)
    results = [rows.of(run.run_id).result(metric, value) for run in runs]
    return all(result > 0 for result in results if not math.isnan(result))


def _row(
    plan: Plan, rows: RunRows, cell: Cell, seeds: Sequence[int], metric: str, value: Value
) -> list[float]:
    runs = plan.runs_of.get(cell.index, {})
    return [
        rows.of(runs[seed].run_id).result(metric, value) if seed in runs else math.nan
        for seed in seeds
    ]
