"""Plan and ledger -> the records of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ablate.analysis.arrays import Values, on_scale, uses_log, values_again, values_of
from ablate.analysis.background import environment, how_it_came, missing_runs, run_records
from ablate.analysis.records import (
    BlockRecord,
    CellRecord,
    MetricRecord,
    StudyRecord,
)
from ablate.analysis.scatter import grid_codes, groups_of, scatter_cautions, seed_factors
from ablate.analysis.seed_rule import first_stage
from ablate.plan.plan import Plan, PlannedBlock
from ablate.run_row import RunRows, Status
from ablate.spec.models import SeedRule, text
from ablate.stats.aa_test import AATest, compare_aa
from ablate.stats.effects import Effects, MainEffect, factor_effects
from ablate.stats.groups import Groups
from ablate.stats.layout import num_results
from ablate.stats.replication import detectable_difference
from ablate.stats.spread import spread
from ablate.stats.verdicts import (
    Cause,
    Comparison,
    Comparisons,
    Mode,
    Verdict,
    VerdictKind,
    compare_to_baseline,
)
from ablate.text import printable
from ablate.trainable.metric_rules import differing_keys

CLEARLY_WIDER = 1.2


def study_record(
    plan: Plan,
    rows: Mapping[str, Mapping[str, Any]],
    metric: str | None = None,
    study_yaml: str = "",
    notes: Sequence[str] = (),
    tracked_at: str = "",
) -> StudyRecord:
    """The results of a plan, from the rows of its ledger.

    Args:
        plan: The plan.
        rows: The ledger's rows by run id.
        metric: What to report in the place of the study's own metrics.
        study_yaml: The study as last run.
        notes: What else the reader should know.
        tracked_at: The page of its runs in W&B.
    """
    study, rows = plan.study, RunRows.of_plain(rows)
    names = study.metrics if metric is None else (metric,)
    incomparable = _incomparable(plan)
    first, *further = [
        _metric_record(plan, rows, name, incomparable.get(name, ())) for name in names
    ]
    runs = run_records(plan, rows)
    return StudyRecord(
        name=study.study,
        question=study.question,
        metric=first,
        further=further,
        factors=tuple(map(printable, plan.factors)),
        seeds=plan.seeds,
        design=_design(plan),
        notes=[*how_it_came(plan, rows), *notes],
        runs=runs,
        missing=missing_runs(plan, rows, first.name),
        seconds=sum(run.seconds for run in runs if not np.isnan(run.seconds)),
        environment=environment(plan, rows),
        study_yaml=study_yaml,
        incomparable=incomparable,
        tracked_at=tracked_at,
    )


def _metric_record(
    plan: Plan, rows: RunRows, metric: str, incomparable: Sequence[str]
) -> MetricRecord:
    """One metric, cell by cell: means, comparisons, effects of the factors."""
    values, measured = values_of(plan, rows, metric), _measured(plan, rows, metric)
    comparisons = compare_to_baseline(
        measured.values, np.array(plan.references), measured.mode, measured.margin,
        family=np.array(plan.compared), first_seeds=measured.first_seeds,
        groups=measured.groups, codes=grid_codes(plan), has_ratios=measured.has_ratios,
    )  # fmt: skip
    comparisons = comparisons if measured.ranked else _unranked(comparisons)
    cautions = _cautions(plan, metric, measured.log_scale, incomparable)
    return MetricRecord(
        name=metric,
        mode=measured.mode,
        ranked=measured.ranked,
        log_scale=measured.log_scale,
        values=values,
        cells=_cells(plan, values, comparisons, measured),
        blocks=[_block(block, measured, plan) for block in plan.blocks],
        comparisons=comparisons,
        resolution=_resolution(comparisons),
        detectable=_detectable(comparisons, measured.values),
        floor=_floor(plan, rows, metric),
        cautions=[
            *cautions,
            *_wider_than_asked(plan, comparisons, measured, metric),
            *scatter_cautions(plan, comparisons, metric),
        ],
        seed_factors=seed_factors(plan, comparisons),
        margin=None if measured.margin is None else plan.study.margin,
        again=_again(plan, rows, metric, measured),
    )


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """A metric on the scale on which it is compared, and how it is."""

    values: Values
    waiting: Sequence[bool]
    """Of each cell, whether runs of it are still to come."""
    some_ok: Sequence[bool]
    """Of each cell, whether any run of it ended well."""
    ranked: bool
    log_scale: bool
    mode: Mode
    margin: float | None
    first_seeds: int | None
    groups: Groups
    """(num_cells,), equal for cells in which it measures the same thing."""
    has_ratios: bool
    """Whether values are positive by their meaning, and are not logarithms already."""


def _measured(plan: Plan, rows: RunRows, metric: str) -> _Measured:
    log_scale = uses_log(plan, rows, metric)
    statuses = [
        {rows.status(run.run_id) for run in plan.runs_of[cell.index].values()}
        for cell in plan.cells
    ]
    return _Measured(
        values=on_scale(values_of(plan, rows, metric), log_scale),
        waiting=[not all(s.has_ended for s in each) for each in statuses],
        some_ok=[Status.OK in each for each in statuses],
        ranked=plan.model.metric(metric).ranks,
        log_scale=log_scale,
        mode=plan.mode(metric),
        margin=_margin(plan, metric, log_scale),
        first_seeds=first_stage(plan),
        groups=groups_of(plan, metric),
        has_ratios=plan.model.metric(metric).has_ratios and not log_scale,
    )


def _again(plan: Plan, rows: RunRows, metric: str, measured: _Measured) -> AATest | None:
    """The baseline against the second one, where there is a second one."""
    if plan.again is None:
        return None
    again = on_scale(values_again(plan, rows, metric), measured.log_scale)
    return compare_aa(measured.values[plan.blocks[0].baseline], again)


def _detectable(comparisons: Comparisons, compared: Values) -> float:
    """Of the seeds that are there: an interrupted study cannot do what its plan can."""
    judged = [c.pooled and not np.isnan(c.p) for c in comparisons.each]
    return detectable_difference(
        comparisons.residual_sd, comparisons.df, sum(judged), num_results(compared[judged])
    )


def _unranked(comparisons: Comparisons) -> Comparisons:
    """Of a metric that says nothing of better or worse."""
    each = [
        replace(comparison, verdict=Verdict(VerdictKind.DIFFERS))
        if comparison.verdict.is_different
        else comparison
        for comparison in comparisons.each
    ]
    return replace(comparisons, each=each)


def _margin(plan: Plan, metric: str, log_scale: bool) -> float | None:
    """The margin on the scale of comparison; it was fixed for the study's own metric alone."""
    margin = plan.study.margin
    return None if margin is None else _scaled(plan, metric, log_scale, margin)


def _scaled(plan: Plan, metric: str, log_scale: bool, asked: float) -> float | None:
    """What a study asks of its own metric, on the scale of comparison; None elsewhere."""
    if metric != plan.study.metric or plan.study.log_scale != log_scale:
        return None
    return float(np.log1p(asked)) if log_scale else asked


def _cells(
    plan: Plan, values: Values, comparisons: Comparisons, measured: _Measured
) -> list[CellRecord]:
    cells: list[CellRecord] = []
    for index, cell in enumerate(plan.cells):
        labels = {printable(name): text(label) for name, label in cell.labels.items()}
        reference = plan.references[index]
        comparison = _with_cause(
            comparisons.each[index], measured.waiting[index], measured.some_ok[index]
        )
        cells.append(
            CellRecord(
                name=cell.name,
                block=cell.block,
                labels=labels,
                is_baseline=reference == index,
                reference=reference,
                num_planned=len(plan.seeds),
                value=spread(values[index]),
                comparison=comparison,
            )
        )
    return cells


def _with_cause(comparison: Comparison, waiting: bool, some_ok: bool) -> Comparison:
    """Without any value a cell has failed only where its runs have, and have ended."""
    verdict = comparison.verdict
    if verdict.cause is not Cause.FAILED or not (waiting or some_ok):
        return comparison
    too_few = None if verdict.kind is VerdictKind.BASELINE else Cause.TOO_FEW_SEEDS
    cause = Cause.NOT_MEASURED if some_ok else too_few
    return replace(comparison, verdict=replace(verdict, cause=cause))


def _block(block: PlannedBlock, measured: _Measured, plan: Plan) -> BlockRecord:
    names = [factor.name for factor in block.factors]
    codes = [[levels.get(name, -1) for name in names] for levels in block.levels]
    baseline = block.levels[block.members.index(block.baseline)]
    baseline_levels = [baseline.get(name, 0) for name in names]
    labels = [[text(level.label) for level in factor.levels] for factor in block.factors]
    effects = None
    if block.design == "grid" and len(names) > 1:
        effects = _effects(block, measured, np.array(codes), baseline_levels)
    return BlockRecord(
        name=block.name,
        factors=[printable(name) for name in names],
        levels=labels,
        baseline_levels=baseline_levels,
        members=block.members,
        codes=codes,
        conditions=frozenset(map(printable, block.conditions)),
        effects=effects,
    )


def _effects(
    block: PlannedBlock, measured: _Measured, codes: NDArray[np.intp], baseline: Sequence[int]
) -> Effects:
    found = factor_effects(
        measured.values[list(block.members)], codes, [len(f.levels) for f in block.factors],
        baseline, measured.mode, measured.margin, first_seeds=measured.first_seeds,
        groups=measured.groups[list(block.members)],
    )  # fmt: skip
    levels = np.full((len(measured.values), codes.shape[1]), -1)
    levels[list(block.members)] = codes
    mains = [
        _told_effect(effect, levels[:, effect.factor], baseline[effect.factor], measured)
        for effect in found.mains
    ]
    return replace(found, mains=mains)


def _told_effect(
    effect: MainEffect, levels: NDArray[np.intp], baseline: int, measured: _Measured
) -> MainEffect:
    """An effect whose verdicts name the causes that its cells' do.

    Args:
        effect: As computed.
        levels: (num_cells,), of each cell of the study the factor's level; -1 where it has none.
        baseline: The level that the others are compared with.
        measured: The metric.
    """
    # Results that cannot be told from other factors' effects are too few, and no failure.
    there = (~np.isnan(measured.values)).sum(axis=1) > 0
    waiting, some_ok = there | np.array(measured.waiting), np.array(measured.some_ok)
    each: list[Comparison] = []
    for level, comparison in enumerate(effect.comparisons.each):
        cells = levels == level
        unmeasured = bool(some_ok[cells].any() and not there[cells].any())
        told = _with_cause(comparison, bool(waiting[cells].any()), unmeasured)
        if told.verdict.cause is Cause.NO_BASELINE and there[levels == baseline].any():
            told = replace(told, verdict=Verdict.none(Cause.TOO_FEW_SEEDS))
        each.append(told)
    comparisons = replace(effect.comparisons, each=each)
    return replace(effect, comparisons=comparisons if measured.ranked else _unranked(comparisons))


def _resolution(comparisons: Comparisons) -> float:
    widths = [(c.high - c.low) / 2 for c in comparisons.each if c.pooled]
    known = [width for width in widths if not np.isnan(width)]
    return float(np.median(known)) if known else float("nan")


def _floor(plan: Plan, rows: RunRows, metric: str) -> tuple[float, float] | None:
    found = [rows.of(run.run_id).get(f"{metric}_floor") for run in plan.runs]
    known = [value for value in found if value is not None]
    return (min(known), max(known)) if known else None


def _cautions(plan: Plan, metric: str, log_scale: bool, incomparable: Sequence[str]) -> list[str]:
    cautions: list[str] = []
    if incomparable:
        keys = ", ".join(incomparable)
        cautions.append(f"{metric} measures different things in cells that differ in {keys}")
    if plan.study.log_scale and not log_scale:
        known = plan.model.metric(metric).has_ratios
        why = "is not always positive" if known else "has no meaningful zero"
        cautions.append(f"{metric} {why}: compared as it is, not by ratios, and without a margin")
    return cautions


def _wider_than_asked(
    plan: Plan, comparisons: Comparisons, measured: _Measured, metric: str
) -> list[str]:
    """Cells whose own spread makes their interval wider than the rule for seeds asked."""
    rule = plan.study.seeds
    if not isinstance(rule, SeedRule) or not plan.seeds_decided:
        return []
    asked = rule.until.half_width
    wanted = _scaled(plan, metric, measured.log_scale, asked)
    if wanted is None:
        return []
    least = CLEARLY_WIDER * float(np.nanmax([wanted, _resolution(comparisons)]))
    wide = [
        cell.name
        for cell, found, waits in zip(plan.cells, comparisons.each, measured.waiting, strict=True)
        if not (found.pooled or waits) and (found.high - found.low) / 2 > least
    ]
    why = "these cells' runs, or their baseline's, vary more than the others"
    return [f"intervals wider than the requested half-width of {asked:g}, because {why}: "
            f"{', '.join(wide)}"] * bool(wide)  # fmt: skip


_KINDS = {"grid": "grid of", "one_at_a_time": "one at a time:", "cells": "chosen cells of"}


def _incomparable(plan: Plan) -> dict[str, list[str]]:
    configs = [cell.validated for cell in plan.cells]
    metrics = dict.fromkeys([*plan.model.metrics, *plan.study.metrics])
    found = {metric: differing_keys(plan.model, configs, metric) for metric in metrics}
    return {metric: keys for metric, keys in found.items() if keys}


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
