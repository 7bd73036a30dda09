"""What a report says, cell by cell, before anything is rendered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ablate.comparability import differing_keys, resolved_model
from ablate.design import Cell
from ablate.ledger import Row, metric_value
from ablate.plan import Plan, Run
from ablate.stats import Spread, paired_difference, spread


@dataclass(frozen=True)
class MissingRun:
    """A planned run without a result, and why."""

    run_name: str
    status: str
    cause: str


@dataclass(frozen=True)
class CellRecord:
    """One row of the ablation table."""

    cell: Cell
    is_baseline: bool
    num_planned: int
    value: Spread
    difference: Spread | None
    """None for the baseline itself."""


@dataclass(frozen=True)
class StudyRecord:
    """The ablation table of a study, as far as its runs are done."""

    name: str
    question: str
    metric: str
    mode: str
    factors: Sequence[str]
    seeds: Sequence[int]
    cells: Sequence[CellRecord]
    missing: Sequence[MissingRun]
    seconds: float
    """Training time of all runs together."""
    caveat: str
    floor: tuple[float, float] | None
    """Lowest and highest `<metric>_floor` of the runs: what a fresh sample of the data scores."""


def study_record(plan: Plan, rows: Mapping[str, Row], metric: str | None = None) -> StudyRecord:
    """The table of a plan, from the rows of its ledger.

    Args:
        plan: The plan.
        rows: The ledger's rows by run id.
        metric: What to tabulate; the study's own metric by default.
    """
    study = plan.study
    metric = metric or study.metric
    runs_of: dict[int, dict[int, Run]] = {}
    for run in plan.runs:
        runs_of.setdefault(id(run.cell), {})[run.seed] = run
    values = {
        id(cell): np.array([_value(rows, runs_of[id(cell)][s], metric) for s in study.seeds])
        for cell in plan.cells
    }
    baseline = values[id(plan.baseline)]
    cells = [
        CellRecord(
            cell,
            cell is plan.baseline,
            len(study.seeds),
            spread(values[id(cell)]),
            None if cell is plan.baseline else paired_difference(values[id(cell)], baseline),
        )
        for cell in plan.cells
    ]
    caveat = ""
    broken = differing_keys([resolved_model(study, c, plan.model) for c in plan.cells], metric)
    if broken:
        caveat = f"{metric} measures another thing in cells that differ in {', '.join(broken)}"
    return StudyRecord(
        study.study, study.question, metric, study.mode, tuple(study.factors), study.seeds,
        cells, _missing(plan, rows, metric), sum(_seconds(rows, run) for run in plan.runs), caveat,
        _floor(plan, rows, metric),
    )  # fmt: skip


def _value(rows: Mapping[str, Row], run: Run, metric: str) -> float:
    row: Mapping[str, Any] = rows.get(run.run_id, {})
    value = metric_value(row, metric) if row.get("status") == "ok" else None
    return float("nan") if value is None else value


def _seconds(rows: Mapping[str, Row], run: Run) -> float:
    return rows.get(run.run_id, {}).get("seconds") or 0.0


def _floor(plan: Plan, rows: Mapping[str, Row], metric: str) -> tuple[float, float] | None:
    found = [rows.get(run.run_id, {}).get(f"{metric}_floor") for run in plan.runs]
    known = [value for value in found if value is not None]
    return (min(known), max(known)) if known else None


def _missing(plan: Plan, rows: Mapping[str, Row], metric: str) -> list[MissingRun]:
    missing: list[MissingRun] = []
    for run in plan.runs:
        row = rows.get(run.run_id, {})
        status = row.get("status", "pending")
        if status == "ok":
            if np.isnan(_value(rows, run, metric)):
                cause = f"reported no {metric}"
                if metric in getattr(plan.model, "measurable", ()):
                    cause += f" (ablate evaluate STUDY_DIR --metric {metric} adds it)"
                missing.append(MissingRun(run.run_name, status, cause))
            continue
        cause = ": ".join(filter(None, [row.get("error_type"), row.get("error")]))
        missing.append(MissingRun(run.run_name, status, cause.splitlines()[0] if cause else ""))
    return missing
