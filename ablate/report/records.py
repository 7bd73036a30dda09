"""What a report says, cell by cell, before anything is rendered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ablate.comparability import differing_keys, resolved_model
from ablate.design import Cell
from ablate.ledger import Row, metric_value
from ablate.plan import Plan, Run
from ablate.stats.spread import Spread, spread

if TYPE_CHECKING:
    from ablate.stats.verdicts import Comparison, Judgement


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
    comparison: "Comparison"


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
    judgement: "Judgement"
    resolution: float
    """The smallest difference that this study can tell from noise: half an interval's width."""
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
    values = np.array(
        [[_value(rows, runs_of[id(cell)][s], metric) for s in study.seeds] for cell in plan.cells]
    )
    # SciPy takes half a second to import: not where a plan is shown.
    from ablate.stats.verdicts import judge

    baseline = next(i for i, cell in enumerate(plan.cells) if cell is plan.baseline)
    margin = study.margin if metric == study.metric else None
    judgement = judge(values, baseline, study.mode, margin)
    cells = [
        CellRecord(
            cell, cell is plan.baseline, len(study.seeds), spread(row),
            _with_cause(comparison, [rows.get(r.run_id, {}) for r in runs_of[id(cell)].values()]),
        )
        for cell, row, comparison in zip(plan.cells, values, judgement.comparisons, strict=True)
    ]  # fmt: skip
    caveat = ""
    broken = differing_keys([resolved_model(study, c, plan.model) for c in plan.cells], metric)
    if broken:
        caveat = f"{metric} measures another thing in cells that differ in {', '.join(broken)}"
    return StudyRecord(
        study.study, study.question, metric, study.mode, tuple(study.factors), study.seeds,
        cells, _missing(plan, rows, metric), sum(_seconds(rows, run) for run in plan.runs), caveat,
        judgement, _resolution(judgement), _floor(plan, rows, metric),
    )  # fmt: skip


def _value(rows: Mapping[str, Row], run: Run, metric: str) -> float:
    row: Mapping[str, Any] = rows.get(run.run_id, {})
    value = metric_value(row, metric) if row.get("status") == "ok" else None
    return float("nan") if value is None else value


def _seconds(rows: Mapping[str, Row], run: Run) -> float:
    return rows.get(run.run_id, {}).get("seconds") or 0.0


def _with_cause(comparison: "Comparison", rows: Sequence[Mapping[str, Any]]) -> "Comparison":
    """A cell without any result has failed only where its runs have ended."""
    waiting = any(row.get("status", "pending") in ("pending", "interrupted") for row in rows)
    if comparison.verdict == "failed" and waiting:
        return replace(comparison, verdict="not enough seeds")
    return comparison


def _resolution(judgement: "Judgement") -> float:
    widths = [(c.high - c.low) / 2 for c in judgement.comparisons if c.pooled]
    known = [width for width in widths if not np.isnan(width)]
    return float(np.median(known)) if known else float("nan")


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
