"""Plan and ledger -> the records of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ablate.analysis.background import (
    cautions_of,
    environment,
    how_it_came,
    missing_runs,
    run_records,
)
from ablate.analysis.cost import compute_of, with_costs
from ablate.analysis.deviations import with_deviations
from ablate.analysis.kept_analysis import KeptAnalysis
from ablate.analysis.metric_record import metric_record
from ablate.analysis.records import MetricRecord, StudyRecord
from ablate.analysis.settings import settings_of
from ablate.analysis.unread_values import unread_values
from ablate.analysis.within_runs import spread_within
from ablate.evaluations import Evaluations
from ablate.plan.plan import Plan
from ablate.run_row import RunRows
from ablate.text import printable
from ablate.trainable.metric_rules import differing_keys

NO_EVALUATIONS = Evaluations()
_KINDS = {"grid": "grid of", "one_at_a_time": "one at a time:", "cells": "chosen cells of"}


def study_record(
    plan: Plan,
    rows: Mapping[str, Mapping[str, Any]],
    metric: str | None = None,
    study_yaml: str = "",
    notes: Sequence[str] = (),
    tracked_at: str = "",
    kept: KeptAnalysis | None = None,
    evaluations: Evaluations = NO_EVALUATIONS,
) -> StudyRecord:
    """The results of a plan, from the rows of its ledger.

    Args:
        plan: The plan.
        rows: The ledger's rows by run id.
        metric: What to report in the place of the study's own metrics.
        study_yaml: The study as last run.
        notes: Further ones.
        tracked_at: Its page in W&B.
        kept: The analysis as it was fixed, up to today's; nothing is said of that where None.
        evaluations: What results are means of, where runs were evaluated more than once.
    """
    study, rows = plan.study, RunRows.of_plain(rows)
    names = study.metrics if metric is None else (metric,)
    incomparable = _incomparable(plan)
    metrics = [_metric(plan, rows, name, incomparable.get(name, ()), evaluations) for name in names]
    first, *further = with_costs(plan, rows, metrics)
    record = StudyRecord(
        name=study.study, question=study.question,
        metric=first,
        further=further,
        factors=tuple(map(printable, plan.factors)),
        seeds=plan.seeds,
        design=_design(plan),
        notes=[*how_it_came(plan, rows), *notes],
        cautions=cautions_of(plan, rows),
        runs=(runs := run_records(plan, rows)),
        missing=missing_runs(plan, rows, first.name),
        seconds=sum(run.seconds for run in runs if not np.isnan(run.seconds)),
        environment=environment(plan, rows),
        study_yaml=study_yaml,
        incomparable=incomparable,
        tracked_at=tracked_at,
        origin=plan.origin,
        compute=compute_of(plan, rows),
        settings=settings_of(plan),
        can_sample=_can_sample(plan),
        chosen_by=_chosen_by(plan), has_splits=study.split_seed is not None,
    )  # fmt: skip
    return record if kept is None else with_deviations(record, plan, rows, kept)


def _can_sample(plan: Plan) -> bool:
    return any(
        run.cell.entry.hooks.keep_samples and run.config.get("keep_samples") != 0
        for run in plan.runs
    )


def _metric(
    plan: Plan, rows: RunRows, name: str, incomparable: Sequence[str], evaluations: Evaluations
) -> MetricRecord:
    record = metric_record(plan, rows, name, incomparable)
    return replace(
        record,
        spread_within=spread_within(plan, name, evaluations),
        cautions=[*record.cautions, *unread_values(plan, rows, name)],
    )


def _incomparable(plan: Plan) -> dict[str, list[str]]:
    configs = [cell.configured for cell in plan.cells]
    metrics = dict.fromkeys([*plan.model.metrics, *plan.study.metrics])
    found = {metric: differing_keys(configs, metric) for metric in metrics}
    return {metric: keys for metric, keys in found.items() if keys}


def _chosen_by(plan: Plan) -> str:
    if plan.choice is None:
        return ""
    metric, mode = plan.choice
    return f"{'lowest' if mode == 'min' else 'highest'} {printable(metric)}"


def _design(plan: Plan) -> str:
    """`grid of flow (3) x arch (2)`, for each block."""
    parts: list[str] = []
    for block in plan.blocks:
        factors = (
            " x ".join(f"{printable(f.name)} ({len(f.levels)})" for f in block.factors)
            or "one config"
        )
        name = f"{block.name}: " if block.name else ""
        parts.append(f"{name}{_KINDS[block.design]} {factors}, {len(block.members)} cells")
    return "; ".join(parts)
