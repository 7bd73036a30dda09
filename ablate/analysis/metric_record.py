"""One metric of a study, cell by cell."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ablate.analysis.arrays import Values, on_scale, value_text, values_again, values_of
from ablate.analysis.blocks import block_record
from ablate.analysis.families import (
    detectable,
    in_pairs,
    may_be_best,
    pairs_of_all,
    resolution,
    told_pairs,
)
from ablate.analysis.measured import (
    Measured,
    compared,
    measured_of,
    scaled,
    seeds_compared,
    told_comparisons,
    with_cause,
)
from ablate.analysis.records import CellRecord, MetricRecord, SameNumbers
from ablate.analysis.resolution import found_equivalent
from ablate.analysis.same_numbers import same_numbers
from ablate.analysis.scatter import scatter_cautions, seed_factors
from ablate.analysis.scope import scope_of
from ablate.analysis.unequal_training import EARLY
from ablate.plan.against import against
from ablate.plan.plan import Plan
from ablate.run_row import RunRows
from ablate.spec.models import text
from ablate.spec.seeds import SeedRule
from ablate.stats.aa_test import AATest, compare_aa
from ablate.stats.all_pairs import AllPairs, compare_pairs, pairs_at_worst
from ablate.stats.layout import num_results
from ablate.stats.spread import spread
from ablate.stats.verdicts import Comparison, Comparisons
from ablate.stats.worst_case import all_no_surer
from ablate.text import printable

CLEARLY_WIDER = 1.2


def metric_record(plan: Plan, rows: RunRows, metric: str, unlike: Sequence[str]) -> MetricRecord:
    """One metric, cell by cell; `unlike` are keys by which it measures other things in cells."""
    told_same, measured = _measured(plan, rows, metric)
    comparisons = compared(plan, measured)
    pairs = _pairs(plan, measured)
    each = comparisons.each if pairs is None else [pair.comparison for pair in pairs.pairs]
    num_seeds, df = _num_seeds(plan, measured, comparisons), comparisons.df
    sd = measured.widening * comparisons.residual_sd
    tests = comparisons.tests
    families = measured.num_families
    power = found_equivalent(each, sd, df, num_seeds, measured.margin, families, tests)
    if pairs is not None:
        comparisons = in_pairs(comparisons, pairs, measured.values)
    num = None if pairs is None else len(np.unique(measured.same))
    seen = detectable(each, sd, df, num_seeds, families, num_in_pairs=num, tests=tests)
    comparisons = told_comparisons(plan, comparisons, measured)
    worst, said = _worst_case(plan, measured), against(plan)
    best = _may_be_best(measured, worst, not unlike)
    return MetricRecord(
        name=metric,
        mode=measured.mode,
        ranked=measured.ranked,
        value_text=value_text(plan, rows, metric),
        log_scale=measured.log_scale,
        has_ratios=plan.model.metric(metric).has_ratios,
        values=measured.raw,
        cells=_cells(plan, comparisons, measured, best, said.each),
        against=said.all_alike,
        blocks=[block_record(block, measured, plan) for block in plan.blocks],
        num_lost=measured.lost.sum(axis=1).tolist(),
        at_worst=_at_worst(plan, worst, comparisons.each) if worst and pairs is None else (),
        comparisons=comparisons,
        resolution=resolution(each),
        detectable=seen,
        equivalence_power=power,
        floor=_floor(plan, rows, metric),
        cautions=_cautions(plan, rows, comparisons, measured, metric, unlike),
        same=told_same,
        seed_factors=seed_factors(plan, comparisons),
        is_paired=measured.is_paired,
        margin=plan.study.margin if measured.margin is not None else None,
        is_foreign=bool(plan.origin),
        again=_again(plan, rows, metric, measured),
        scope=scope_of(plan, rows, metric),
        pairs=pairs and _told_pairs(pairs, measured),
        pairs_at_worst=worst and pairs and _pairs_at_worst(plan, worst, pairs),
        is_judged=measured.is_judged,
        num_families=measured.num_families,
        widening=measured.widening,
    )


def _measured(plan: Plan, rows: RunRows, metric: str) -> tuple[Sequence[SameNumbers], Measured]:
    """What repeats itself of a metric, and the metric with what its comparisons rest on."""
    raw = values_of(plan, rows, metric)
    told, same = same_numbers(plan, rows, metric, raw)
    told = tuple(replace(one, takes_effect=_takes_effect(plan, rows, raw, one)) for one in told)
    return told, measured_of(plan, rows, metric, raw, same)


def _takes_effect(plan: Plan, rows: RunRows, raw: Values, found: SameNumbers) -> bool:
    """Whether other metrics prove that levels with the same numbers do something.

    One that differs and varies over seeds does, if it is the study's own, or if these numbers are
    the same for all seeds anyway, as a count of operations: else it may be a duration.
    """
    judged = set(plan.study.judged_metrics)
    telling = [name for name in found.differing if name in judged or not _varies(raw)]
    return any(_varies(values_of(plan, rows, name)) for name in telling)


def _varies(values: Values) -> bool:
    """Whether runs of any cell differ: (num_cells, num_seeds), nan where one is missing."""
    return any(len(np.unique(row[~np.isnan(row)])) > 1 for row in values)


def _num_seeds(plan: Plan, measured: Measured, comparisons: Comparisons) -> float:
    """The seeds of a cell, as many in all, that differences rest on."""
    if plan.study.compares_pairs:
        return num_results(measured.values)
    return seeds_compared(comparisons, measured, plan)


def _cautions(
    plan: Plan, rows: RunRows, comparisons: Comparisons, measured: Measured, metric: str,
    unlike: Sequence[str],
) -> list[str]:  # fmt: skip
    """Cautions about what is measured, how runs ended, and how they scatter."""
    return [
        *_of_metric(plan, metric, measured.log_scale, unlike),
        *_selected(plan, rows),
        *_wider_than_asked(plan, comparisons, measured, metric),
        *scatter_cautions(plan, comparisons, metric),
    ]


def _worst_case(plan: Plan, measured: Measured) -> Measured | None:
    """With the runs that cells lost by themselves as the table's worst; None without any."""
    has_some = ~np.isnan(measured.values).all(axis=1, keepdims=True)
    return measured.at_worst(plan, measured.lost & has_some)


def _at_worst(plan: Plan, worst: Measured, observed: Sequence[Comparison]) -> Sequence[Comparison]:
    """Each cell with its lost runs as the worst, none surer than what was seen of it."""
    return all_no_surer(told_comparisons(plan, compared(plan, worst), worst).each, observed)


def _pairs_at_worst(plan: Plan, worst: Measured, observed: AllPairs) -> AllPairs | None:
    pairs = _pairs(plan, worst)
    return pairs and _told_pairs(pairs_at_worst(pairs, observed), worst)


def _told_pairs(pairs: AllPairs, measured: Measured) -> AllPairs:
    return told_pairs(pairs, measured.ranked, measured.is_judged, measured.lost)


def _pairs(plan: Plan, measured: Measured) -> AllPairs | None:
    """All cells with each other, where the study asks for that."""
    if not plan.study.compares_pairs:
        return None
    pairs = compare_pairs(
        measured.distinct, measured.mode, measured.margin, first_seeds=measured.first_seeds,
        num_families=measured.num_families, widening=measured.widening,
        is_paired=measured.is_paired,
    )  # fmt: skip
    return pairs_of_all(pairs, measured.same)


def _may_be_best(
    measured: Measured, worst: Measured | None, is_comparable: bool
) -> Sequence[bool | None]:
    """None where no cell is better than another, or where they measure different things.

    What is left of lost runs may flatter their cell, so that others seem worse than it is: a cell
    may also be the best if it may be so with the lost runs as the table's worst.
    """
    if not measured.ranked or not is_comparable:
        return [None] * len(measured.values)
    found = _best_of(measured)
    at_worst = _best_of(worst) if worst else found
    return [
        None if one is None else one or bool(other)
        for one, other in zip(found, at_worst, strict=True)
    ]


def _best_of(measured: Measured) -> Sequence[bool | None]:
    found = may_be_best(
        measured.distinct, measured.mode, first_seeds=measured.first_seeds,
        families=measured.num_families, widening=measured.widening,
        is_paired=measured.is_paired,
    )  # fmt: skip
    return [found[cell] for cell in measured.same]


def _again(plan: Plan, rows: RunRows, metric: str, measured: Measured) -> AATest | None:
    """The baseline against the second one, where there is a second one."""
    if plan.aa_cell is None:
        return None
    again = on_scale(values_again(plan, rows, metric), measured.log_scale)
    return compare_aa(measured.values[plan.blocks[0].baseline], again)


def _cells(
    plan: Plan,
    comparisons: Comparisons,
    measured: Measured,
    best: Sequence[bool | None],
    against_each: Sequence[str],
) -> list[CellRecord]:
    cells: list[CellRecord] = []
    baselines = frozenset[int]() if plan.study.compares_pairs else plan.baselines
    for index, cell in enumerate(plan.cells):
        labels = {printable(name): text(label) for name, label in cell.labels.items()}
        reference = plan.references[index]
        comparison = with_cause(
            comparisons.each[index], measured.waiting[index], measured.some_ok[index]
        )
        cells.append(
            CellRecord(
                name=cell.name,
                block=cell.block,
                labels=labels,
                is_baseline=index in baselines and reference == index,
                reference=reference,
                against=against_each[index],
                num_planned=len(plan.runs_of[cell.index]),
                value=spread(measured.raw[index]),
                comparison=comparison,
                may_be_best=best[index],
            )
        )
    return cells


def _selected(plan: Plan, rows: RunRows) -> list[str]:
    """That runs were ended, or their weights chosen, by what measures other things elsewhere."""
    stopped = any(rows.of(run.run_id).stop_reason == EARLY for run in plan.runs)
    early = plan.selection.early_ends if stopped else []
    return [*early, *plan.selection.chosen_weights]


def _floor(plan: Plan, rows: RunRows, metric: str) -> tuple[float, float] | None:
    found = [rows.of(run.run_id).get(f"{metric}_floor") for run in plan.runs]
    known = [value for value in found if value is not None]
    return (min(known), max(known)) if known else None


def _of_metric(plan: Plan, metric: str, log_scale: bool, incomparable: Sequence[str]) -> list[str]:
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
    plan: Plan, comparisons: Comparisons, measured: Measured, metric: str
) -> list[str]:
    """Cells whose own spread makes their interval wider than the rule for seeds asked."""
    rule = plan.study.seeds
    if not isinstance(rule, SeedRule) or not plan.seeds_decided:
        return []
    asked = rule.until.half_width
    wanted = scaled(plan, metric, measured.log_scale, asked)
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
