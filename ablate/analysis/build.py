"""Plan and ledger -> the records of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ablate.analysis.arrays import (
    Flags,
    Values,
    lost_of,
    on_scale,
    uses_log,
    value_text,
    values_again,
    values_of,
)
from ablate.analysis.background import environment, how_it_came, missing_runs, run_records
from ablate.analysis.cost import compute_of, with_costs
from ablate.analysis.deviations import with_deviations
from ablate.analysis.families import (
    detectable,
    in_pairs,
    may_be_best,
    num_families,
    resolution,
    told,
    told_pairs,
)
from ablate.analysis.kept_analysis import KeptAnalysis
from ablate.analysis.records import (
    BlockRecord,
    CellRecord,
    MetricRecord,
    StudyRecord,
)
from ablate.analysis.resolution import found_equivalent
from ablate.analysis.scatter import grid_codes, groups_of, scatter_cautions, seed_factors
from ablate.analysis.scope import scope_of
from ablate.analysis.seed_rule import first_stage
from ablate.plan.plan import Plan, PlannedBlock
from ablate.run_row import RunRows, Status
from ablate.spec.models import SeedRule, text
from ablate.stats.aa_test import AATest, compare_aa
from ablate.stats.all_pairs import AllPairs, compare_pairs
from ablate.stats.effects import Effects, MainEffect, factor_effects
from ablate.stats.groups import Groups
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
from ablate.stats.worst_case import of_those_that_ended, partial, worst_case
from ablate.text import printable
from ablate.trainable.metric_rules import differing_keys

CLEARLY_WIDER = 1.2
EARLY = "early_stopping"
"""Why a run ended that would have gone on, but for the metric that it is selected by."""


def study_record(
    plan: Plan,
    rows: Mapping[str, Mapping[str, Any]],
    metric: str | None = None,
    study_yaml: str = "",
    notes: Sequence[str] = (),
    tracked_at: str = "",
    kept: KeptAnalysis | None = None,
) -> StudyRecord:
    """The results of a plan, from the rows of its ledger.

    Args:
        plan: The plan.
        rows: The ledger's rows by run id.
        metric: What to report in the place of the study's own metrics.
        study_yaml: The study as last run.
        notes: What else the reader should know.
        tracked_at: The page of its runs in W&B.
        kept: The analysis as it was fixed, up to today's; nothing is said of that where None.
    """
    study, rows = plan.study, RunRows.of_plain(rows)
    names = study.metrics if metric is None else (metric,)
    incomparable = _incomparable(plan)
    metrics = [_metric_record(plan, rows, name, incomparable.get(name, ())) for name in names]
    first, *further = with_costs(plan, rows, metrics)
    runs = run_records(plan, rows)
    record = StudyRecord(
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
        origin=plan.origin,
        compute=compute_of(plan, rows),
    )
    return record if kept is None else with_deviations(record, plan, rows, kept)


def _metric_record(
    plan: Plan, rows: RunRows, metric: str, incomparable: Sequence[str]
) -> MetricRecord:
    """One metric, cell by cell: means, comparisons, effects of the factors."""
    values, measured = values_of(plan, rows, metric), _measured(plan, rows, metric)
    has_some = ~np.isnan(measured.values).all(axis=1, keepdims=True)
    comparisons = _compared(plan, measured)
    at_worst = measured.at_worst(plan, measured.lost & has_some)
    pairs = _pairs(plan, measured)
    each = comparisons.each if pairs is None else [pair.comparison for pair in pairs.pairs]
    power = found_equivalent(comparisons, measured.values, measured.margin)
    if pairs is not None:
        comparisons = in_pairs(comparisons, pairs, measured.values)
        pairs = told_pairs(pairs, measured.ranked, measured.is_judged)
    seen = detectable(
        each, comparisons.residual_sd, comparisons.df, measured.values, measured.num_families,
        in_pairs=pairs is not None,
    )  # fmt: skip
    comparisons = _told(plan, comparisons, measured)
    best = _may_be_best(measured, is_comparable=not incomparable)
    cautions = _cautions(plan, metric, measured.log_scale, incomparable)
    return MetricRecord(
        name=metric,
        mode=measured.mode,
        ranked=measured.ranked,
        value_text=value_text(plan, rows, metric),
        log_scale=measured.log_scale,
        values=values,
        cells=_cells(plan, values, comparisons, measured, best),
        blocks=[_block(block, measured, plan) for block in plan.blocks],
        num_lost=measured.lost.sum(axis=1).tolist(),
        at_worst=_told(plan, _compared(plan, at_worst), at_worst).each if at_worst else (),
        comparisons=comparisons,
        resolution=resolution(each),
        detectable=seen,
        equivalence_power=power,
        floor=_floor(plan, rows, metric),
        cautions=[
            *cautions,
            *_selected(plan, rows),
            *_wider_than_asked(plan, comparisons, measured, metric),
            *scatter_cautions(plan, comparisons, metric),
        ],
        seed_factors=seed_factors(plan, comparisons),
        margin=None if measured.margin is None else plan.study.margin,
        is_foreign=bool(plan.origin),
        again=_again(plan, rows, metric, measured),
        scope=scope_of(plan, rows, metric),
        pairs=pairs,
        is_judged=measured.is_judged,
        num_families=measured.num_families,
    )


@dataclass(frozen=True, kw_only=True)
class _Measured:
    """A metric on the scale on which it is compared, and how it is."""

    values: Values
    waiting: Sequence[bool]
    """Of each cell, whether runs of it are still to come."""
    some_ok: Sequence[bool]
    """Of each cell, whether any run of it ended well."""
    lost: Flags
    """(num_cells, num_seeds), runs that their cell lost by itself."""
    ranked: bool
    log_scale: bool
    mode: Mode
    margin: float | None
    first_seeds: int | None
    is_judged: bool
    """Whether the study's verdicts are about it."""
    num_families: int
    """Metrics whose verdicts are to hold at once with those on this one."""

    def at_worst(self, plan: Plan, lost: Flags) -> "_Measured | None":
        """With lost runs as the worst of the table; None where there are none, or is no worst."""
        if not (self.ranked and lost.any()):
            return None
        values = worst_case(self.values, lost, np.array(plan.references), self.mode)
        return replace(self, values=values, lost=np.zeros_like(lost))

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
        lost=lost_of(plan, rows, metric),
        ranked=plan.model.metric(metric).ranks,
        log_scale=log_scale,
        mode=plan.mode(metric),
        margin=_margin(plan, metric, log_scale),
        first_seeds=first_stage(plan),
        is_judged=metric in plan.study.judged_metrics,
        num_families=num_families(plan.study, metric),
        groups=groups_of(plan, metric),
        has_ratios=plan.model.metric(metric).has_ratios and not log_scale,
    )


def _compared(plan: Plan, measured: _Measured) -> Comparisons:
    """Every cell against its baseline."""
    return compare_to_baseline(
        measured.values, np.array(plan.references), measured.mode, measured.margin,
        family=np.array(plan.compared), first_seeds=measured.first_seeds,
        groups=measured.groups, codes=grid_codes(plan), has_ratios=measured.has_ratios,
        num_families=measured.num_families,
    )  # fmt: skip


def _pairs(plan: Plan, measured: _Measured) -> AllPairs | None:
    """All cells with each other, where the study asks for that."""
    if not plan.study.compares_pairs:
        return None
    return compare_pairs(
        measured.values, measured.mode, measured.margin, first_seeds=measured.first_seeds,
        num_families=measured.num_families,
    )  # fmt: skip


def _may_be_best(measured: _Measured, is_comparable: bool) -> Sequence[bool | None]:
    """None where no cell is better than another, or where they measure different things."""
    if not measured.ranked or not is_comparable:
        return [None] * len(measured.values)
    return may_be_best(
        measured.values, measured.mode, first_seeds=measured.first_seeds,
        families=measured.num_families,
    )  # fmt: skip


def _again(plan: Plan, rows: RunRows, metric: str, measured: _Measured) -> AATest | None:
    """The baseline against the second one, where there is a second one."""
    if plan.aa_cell is None:
        return None
    again = on_scale(values_again(plan, rows, metric), measured.log_scale)
    return compare_aa(measured.values[plan.blocks[0].baseline], again)


def _told(plan: Plan, comparisons: Comparisons, measured: _Measured) -> Comparisons:
    """Comparisons as far as the metric and the lost runs let one tell them."""
    each = [told(one, measured.ranked, measured.is_judged) for one in comparisons.each]
    each = of_those_that_ended(each, np.array(plan.references), measured.lost)
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
    plan: Plan,
    values: Values,
    comparisons: Comparisons,
    measured: _Measured,
    best: Sequence[bool | None],
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
                is_baseline=reference == index and not plan.study.compares_pairs,
                reference=reference,
                num_planned=len(plan.runs_of[cell.index]),
                value=spread(values[index]),
                comparison=comparison,
                may_be_best=best[index],
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
    is_member = np.isin(np.arange(len(measured.lost)), block.members)[:, np.newaxis]
    lost = measured.lost & is_member
    effects = at_worst = None
    # Factors are compared with the baseline's levels: where there is none, they are not.
    if block.design == "grid" and len(names) > 1 and not plan.study.compares_pairs:
        effects = _effects(block, measured, np.array(codes), baseline_levels)
        at_worst = measured.at_worst(plan, lost)
        at_worst = at_worst and _effects(block, at_worst, np.array(codes), baseline_levels)
    mains = effects.mains if effects else ()
    return BlockRecord(
        name=block.name,
        factors=[printable(name) for name in names],
        levels=labels,
        baseline_levels=baseline_levels,
        members=block.members,
        codes=codes,
        conditions=frozenset(map(printable, block.conditions)),
        effects=effects,
        detectable=[_detectable_levels(effect) for effect in mains],
        of_those_that_ended=bool(lost.any()),
        at_worst=at_worst,
    )


def _detectable_levels(effect: MainEffect) -> float:
    """The difference of a factor's levels that such a study finds four times in five."""
    found = effect.comparisons
    return detectable(found.each, found.residual_sd, found.df, effect.level_table, 1, False)


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
    with_lost = np.any(measured.lost, axis=1)
    each: list[Comparison] = []
    for level, comparison in enumerate(effect.comparisons.each):
        cells = levels == level
        unmeasured = bool(some_ok[cells].any() and not there[cells].any())
        one = _with_cause(comparison, bool(waiting[cells].any()), unmeasured)
        if one.verdict.cause is Cause.NO_BASELINE and there[levels == baseline].any():
            one = replace(one, verdict=Verdict.none(Cause.TOO_FEW_SEEDS))
        one = told(one, measured.ranked, measured.is_judged)
        is_partial = with_lost[cells | (levels == baseline)].any()
        each.append(partial(one) if is_partial else one)
    return replace(effect, comparisons=replace(effect.comparisons, each=each))


def _selected(plan: Plan, rows: RunRows) -> list[str]:
    """That runs were ended, or their weights chosen, by what measures other things elsewhere."""
    stopped = any(rows.of(run.run_id).stop_reason == EARLY for run in plan.runs)
    early = plan.selection.early_ends if stopped else []
    return [*early, *plan.selection.chosen_weights]


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
    least = CLEARLY_WIDER * float(np.nanmax([wanted, resolution(comparisons.each)]))
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
