"""A metric on the scale on which it is compared, and what comes of comparing it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ablate.analysis.arrays import Flags, Values, lost_of, on_scale, uses_log
from ablate.analysis.families import num_families, told
from ablate.analysis.scatter import grid_codes, groups_of, held_out_of
from ablate.analysis.seed_rule import first_stage
from ablate.plan.plan import Plan
from ablate.run_row import RunRows, Status
from ablate.stats.groups import Groups
from ablate.stats.layout import seeds_alike
from ablate.stats.repeats import Cells, counted_once
from ablate.stats.splits import widening
from ablate.stats.verdicts import (
    Cause,
    Comparison,
    Comparisons,
    Mode,
    Verdict,
    VerdictKind,
    compare_to_baseline,
)
from ablate.stats.worst_case import of_those_that_ended, worst_case


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A metric on the scale on which it is compared, and how it is."""

    raw: Values
    """(num_cells, num_seeds), in the metric's own units."""
    values: Values
    """The same on the scale of comparison."""
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
    held_out: float
    """Rows measured on for each row trained on where splits vary with the seed; 0 elsewhere."""
    is_paired: bool
    """Whether runs of one seed have something in common."""
    groups: Groups
    """(num_cells,), equal for cells in which it measures the same thing."""
    same: Cells
    """(num_cells,), the cell that stands for all with the same numbers; each itself elsewhere."""
    has_ratios: bool
    """Whether values are positive by their meaning, and are not logarithms already."""

    @property
    def distinct(self) -> Values:
        """Values without those that another cell stands for."""
        stands = self.same == np.arange(len(self.same))
        return np.where(stands[:, np.newaxis], self.values, np.nan)

    @property
    def widening(self) -> float:
        """What standard errors are multiplied by since splits overlap."""
        num_splits = int((~np.isnan(self.values)).any(axis=0).sum())
        return widening(num_splits, self.held_out)

    def at_worst(self, plan: Plan, lost: Flags) -> "Measured | None":
        """With lost runs as the worst of the table; None where there are none, or is no worst."""
        if not (self.ranked and lost.any()):
            return None
        values = worst_case(self.values, lost, np.array(plan.references), self.mode)
        own, others = np.arange(len(values)), values[self.same]
        is_same = ((values == others) | (np.isnan(values) & np.isnan(others))).all(axis=1)
        same = np.where(is_same, self.same, own)  # they lost the same runs
        return replace(self, values=values, lost=np.zeros_like(lost), same=same)


def measured_of(plan: Plan, rows: RunRows, metric: str, raw: Values, same: Cells) -> Measured:
    """A metric of a plan, with what its comparisons rest on.

    Args:
        plan: The plan.
        rows: The rows of its runs.
        metric: The metric.
        raw: (num_cells, num_seeds), its results, nan where there is none.
        same: As in `Measured`.
    """
    log_scale = uses_log(plan, rows, metric)
    statuses = [
        {rows.status(run.run_id) for run in plan.runs_of[cell.index].values()}
        for cell in plan.cells
    ]
    return Measured(
        raw=raw,
        values=on_scale(raw, log_scale),
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
        is_paired=plan.is_paired,
        groups=groups_of(plan, metric),
        same=same,
        held_out=held_out_of(plan, metric),
        has_ratios=plan.model.metric(metric).has_ratios and not log_scale,
    )


def compared(plan: Plan, measured: Measured) -> Comparisons:
    """Every cell against its baseline; in pairs none, on the one residual that pairs rest on."""
    pairs = plan.study.compares_pairs
    once = counted_once(measured.same, plan.references, plan.compared)
    found = compare_to_baseline(
        once.of(measured.values), once.references, measured.mode, measured.margin,
        family=once.family, first_seeds=measured.first_seeds,
        groups=None if pairs else measured.groups, codes=None if pairs else grid_codes(plan),
        has_ratios=measured.has_ratios,
        num_families=measured.num_families, widening=measured.widening,
        is_paired=measured.is_paired, same=once.same,
    )  # fmt: skip
    found = once.for_all(found)
    if pairs or not plan.alone:
        return found
    each = list(found.each)
    for cell in plan.alone:  # nobody's baseline, though it is compared with none
        each[cell] = Comparison(verdict=Verdict(VerdictKind.NOT_COMPARED))
    return replace(found, each=each)


def seeds_compared(comparisons: Comparisons, measured: Measured, plan: Plan) -> float:
    """The seeds of a cell, as many in all, that would give differences their standard error."""
    judged = [cell for cell, c in enumerate(comparisons.each) if c.pooled and not np.isnan(c.p)]
    return seeds_alike(
        ~np.isnan(measured.values), np.array(judged, dtype=np.intp), np.array(plan.references),
        measured.is_paired,
    )  # fmt: skip


def told_comparisons(plan: Plan, comparisons: Comparisons, measured: Measured) -> Comparisons:
    """Comparisons as far as the metric and the lost runs let one tell them."""
    each = [told(one, measured.ranked, measured.is_judged) for one in comparisons.each]
    each = of_those_that_ended(each, np.array(plan.references), measured.lost)
    return replace(comparisons, each=each)


def with_cause(comparison: Comparison, waiting: bool, some_ok: bool) -> Comparison:
    """Without any value a cell has failed only where its runs have, and have ended."""
    verdict = comparison.verdict
    if verdict.cause is not Cause.FAILED or not (waiting or some_ok):
        return comparison
    too_few = None if verdict.kind is VerdictKind.BASELINE else Cause.TOO_FEW_SEEDS
    cause = Cause.NOT_MEASURED if some_ok else too_few
    return replace(comparison, verdict=replace(verdict, cause=cause))


def _margin(plan: Plan, metric: str, log_scale: bool) -> float | None:
    """The margin on the scale of comparison; it was fixed for the study's own metric alone."""
    margin = plan.study.margin
    return None if margin is None else scaled(plan, metric, log_scale, margin)


def scaled(plan: Plan, metric: str, log_scale: bool, asked: float) -> float | None:
    """What a study asks of its own metric, on the scale of comparison; None elsewhere."""
    if metric != plan.study.metric or plan.study.log_scale != log_scale:
        return None
    return float(np.log1p(asked)) if log_scale else asked
