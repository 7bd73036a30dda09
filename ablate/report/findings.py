"""One comparison as a sentence: `vp lowers fid by 0.54 [0.24, 0.85] (7.03 -> 6.48, -7.7 %)`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ablate.analysis.records import CellRecord, MetricRecord
from ablate.numbers import interval_text, rounded, share_text
from ablate.report.comparisons import AT_WORST, judged_text
from ablate.report.cost import cost_text
from ablate.report.reconciled import is_only_as_cell
from ablate.stats.verdicts import Comparison, Verdict, VerdictKind
from ablate.text import printable

NAMED = 3
"""Cells, or levels of a factor, that are named one by one."""


@dataclass(frozen=True)
class Change:
    """What is compared: the baseline's mean and another one, in the metric's own units."""

    before: float = math.nan
    after: float = math.nan


def finding(
    subject: str, found: Comparison, change: Change, metric: MetricRecord, of: str = ""
) -> str:
    """What a cell or a level does to a metric, of one that differs.

    Args:
        subject: The cell or the level.
        found: Its comparison with the baseline.
        change: The means; nan where missing runs make them say something else.
        metric: The metric.
        of: What it is called here, where its name stands just before.
    """
    verb = "lowers" if found.difference < 0 else "raises"
    told = f"{subject} {verb} {of or printable(metric.name)}{_size(found, metric.log_scale)}"
    return told + _means(found, change, metric) + _reservations(found.verdict)


def cell_finding(
    metric: MetricRecord, cell: CellRecord, subject: str, seeds: str = "", of: str = ""
) -> str:
    """`finding` of a cell, with what it costs and what becomes of it at worst."""
    worst = dict(zip((c.name for c in metric.cells), metric.at_worst, strict=False))
    reference = metric.cells[cell.reference]
    whole = all(c.value.num == c.num_planned for c in (cell, reference))
    change = Change(reference.value.mean, cell.value.mean) if whole else Change()
    cost = cost_text(cell.cost)
    return (
        finding(subject, cell.comparison, change, metric, of)
        + f"; {seeds}" * bool(seeds)
        + f"; {cost}" * bool(cost)
        + cell.remark
        + "; as a cell only" * is_only_as_cell(metric, cell)
        + at_worst_text(cell.comparison, worst.get(cell.name), metric.log_scale)
    )


def names_text(names: Sequence[str], between: str = "; ") -> str:
    """The first few names, and how many there are besides."""
    shown = between.join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"


def null_text(found: Comparison, log_scale: bool) -> str:
    """`within noise, -0.0009 [-0.0021, +0.0003]`; the verdict alone where there is no interval."""
    return found.verdict.text if math.isnan(found.low) else judged_text(found, log_scale)


def at_worst_text(found: Comparison, worst: Comparison | None, log_scale: bool) -> str:
    """What becomes of a verdict of the runs that ended where the lost ones count as the worst."""
    if worst is None or not found.verdict.of_those_that_ended:
        return ""
    return f"; {AT_WORST}: {judged_text(worst, log_scale)}"


def _size(found: Comparison, log_scale: bool) -> str:
    """How much: without a sign, for the verb has it; on the log scale as a change by a share."""
    if log_scale:
        return f": {share_text(found.difference, found.low, found.high)}"
    bounds = sorted((found.low, found.high), key=abs)
    sign = math.copysign(1.0, found.difference)
    return f" by {interval_text(abs(found.difference), *(sign * b for b in bounds), signed=False)}"


def _means(found: Comparison, change: Change, metric: MetricRecord) -> str:
    before, after = change.before, change.after
    if math.isnan(before) or math.isnan(after):
        return ""
    half = math.nan if metric.log_scale else (found.high - found.low) / 2
    told = f"{rounded(before, half)} -> {rounded(after, half)}"
    if metric.has_ratios and not metric.log_scale and before > 0 and after > 0:
        percent = 100 * (after / before - 1)
        told += f", {rounded(percent, abs(percent), signed=True)} %"
    return f" ({told})"


def _reservations(verdict: Verdict) -> str:
    """What is to be said with a difference, but of one that is plainly better."""
    margin = ", but within the margin" * verdict.within_margin
    is_plain = verdict.kind is not VerdictKind.WORSE and not margin
    told = "" if is_plain else f"; {verdict.kind}{margin}"
    return told + "; of the runs that ended" * verdict.of_those_that_ended
