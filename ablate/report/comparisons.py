"""Comparisons in words: differences with intervals, and what lost runs may hide."""

import math
from collections.abc import Sequence

from ablate.analysis.records import BlockRecord, MetricRecord, Note
from ablate.numbers import interval_text, p_text, share_text
from ablate.report.level_rows import level_rows
from ablate.stats.verdicts import Comparison

NO_VERDICT_TEXT = (
    "further metric: no verdict, for the study's are about another one; verdicts: all gives "
    "verdicts on all its metrics, adjusted for their number too"
)
AT_WORST = "worst case (lost runs = the table's worst value)"


def difference_text(comparison: Comparison, log_scale: bool) -> str:
    """A difference with its interval; on the log scale a change by a share."""
    show = share_text if log_scale else interval_text
    return show(comparison.difference, comparison.low, comparison.high)


def pairing_text(is_paired: bool) -> str:
    """How runs of two cells are compared."""
    return "paired by seed" if is_paired else "unpaired (of means, whichever the seeds are)"


def no_partner_text(metric: MetricRecord) -> str:
    """`; 2 cells have no partner`, to be said with what cells are compared with; empty of none."""
    num = len(metric.alone)
    told = "1 cell has" if num == 1 else f"{num} cells have"
    return f"; {told} no partner" * bool(num)


def judged_text(comparison: Comparison, log_scale: bool) -> str:
    """`within noise, +0.01 [-0.02, +0.04]`."""
    return f"{comparison.verdict.text}, {difference_text(comparison, log_scale)}"


def lost_runs_notes(metric: MetricRecord) -> list[Note]:
    """Which cells lost runs by themselves, and what their comparisons are at worst."""
    lost = [
        f"{cell.name} {num} of {cell.num_planned}"
        for cell, num in zip(metric.cells, metric.num_lost, strict=True)
        if num
    ]
    if not lost:
        return []
    at_worst = [
        f"{cell.name}: {judged_text(worst, metric.log_scale)}"
        for cell, worst in zip(metric.cells, metric.at_worst, strict=bool(metric.at_worst))
        if cell.comparison.verdict.of_those_that_ended
    ]
    return _notes(f"runs lost by their own cells (failed or diverged): {', '.join(lost)}", at_worst)


def lost_level_notes(block: BlockRecord, metric: MetricRecord) -> list[Note]:
    """As `lost_runs_notes`, of the levels of factors."""
    if block.effects is None or block.at_worst is None:
        return []
    at_worst = [
        f"{name}={row.full_name}: {judged_text(row.at_worst, metric.log_scale)}"
        for factor, name in enumerate(block.factors)
        for row in level_rows(block, factor)
        if row.at_worst is not None and row.comparison.verdict.of_those_that_ended
    ]
    return _notes("some levels' cells lost runs by themselves", at_worst) if at_worst else []


def pair_p_text(block: BlockRecord, number: int) -> str:
    """The p of a pair of factors; where its cells lost runs, that of the worst case beside it."""
    assert block.effects is not None
    told = p_text(block.effects.interactions[number].p)
    if not block.of_those_that_ended:
        return told
    worst = block.at_worst.interactions[number].p if block.at_worst else math.nan
    return f"{told}, of the runs that ended" + f"; worst case {p_text(worst)}" * (worst == worst)


def _notes(what: str, at_worst: Sequence[str]) -> list[Note]:
    notes = [Note(f"{what}: what is left may flatter them", is_caution=True)]
    return notes + [Note(f"{AT_WORST}: {'; '.join(at_worst)}", is_caution=True)] * bool(at_worst)
