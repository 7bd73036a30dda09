"""The answer of a study in words: factors, interactions, the cells that matter."""

import math
from collections.abc import Iterator, Sequence

from ablate.analysis.records import CellRecord, MetricRecord, StudyRecord
from ablate.report.factor_words import effect_answers, one_by_one_answers, told_of_factors
from ablate.report.findings import NAMED, cell_finding, names_text, null_text
from ablate.report.pair_table import pair_answers
from ablate.report.same_numbers import same_text
from ablate.stats.verdicts import Cause
from ablate.text import seeds_text

NOTHING = "There is nothing to compare: the study has one cell."
NAMED_IN_GRIDS = 2
"""Cells that are named one by one, where factors have been told of before them."""


def answers(record: StudyRecord) -> list[str]:
    """What the study found about its metric: what differs, what does not, what cannot be said."""
    metric = record.metric
    if not metric.is_judged:
        return [f"No verdict on {metric.name}: a further metric, the table has its intervals."]
    same = [same_text(found, metric.name) for found in metric.same]
    same = same[:NAMED] + [f"and {len(same) - NAMED} more such"] * (len(same) > NAMED)
    if metric.pairs is not None:
        return [*same, *pair_answers(metric, metric.pairs), *_open(metric.cells)] or [NOTHING]
    compared = [cell for cell in metric.cells if not cell.is_baseline]
    told = [*effect_answers(metric), *one_by_one_answers(metric)]
    told_of = told_of_factors(metric)
    left = [cell for cell in compared if cell.name not in told_of]
    told = [*same, *told, *_cell_answers(metric, left, has_factors=bool(told))]
    if not told and compared:
        return ["No comparison was planned (compare:): the table has the means."]
    return told or [NOTHING]


def _cell_answers(
    metric: MetricRecord, cells: Sequence[CellRecord], has_factors: bool
) -> Iterator[str]:
    """The cells that matter, the best first, and in one line what is true of the others."""
    differ = [cell for cell in cells if cell.comparison.verdict.is_different]
    sign = 1 if metric.mode == "min" else -1
    differ.sort(key=lambda cell: sign * cell.comparison.difference)
    shown = differ[: NAMED_IN_GRIDS if has_factors else NAMED]
    names_baseline = has_factors or metric.has_baselines
    for cell in shown:
        against = f" (against {cell.against})" if names_baseline else ""
        yield cell_finding(metric, cell, cell.name + against, seeds_text(cell.value.num))
    names = {cell.name for cell in shown}
    left = [cell for cell in cells if cell.name not in names]
    yield from _without_baseline(metric, left)
    rest = [cell for cell in left if cell.comparison.verdict.cause not in _TOLD_BEFORE]
    if any(_says_something(cell) for cell in rest):
        yield from _others(metric, rest, by_name=not has_factors)
    yield from _open([cell for cell in metric.cells if cell.is_baseline])


def _others(metric: MetricRecord, cells: Sequence[CellRecord], by_name: bool) -> list[str]:
    """A line a verdict: `gain=3; gain=4: within noise`; in grids how many of each in one line."""
    alike: dict[str, list[str]] = {}
    for cell in sorted(cells, key=lambda cell: not cell.comparison.verdict.is_different):
        found, remark = cell.comparison, cell.remark if by_name else ""
        is_short = by_name and len(cells) == 1
        text = null_text(found, metric.log_scale) if is_short else found.verdict.text
        alike.setdefault(text + remark, []).append(cell.name)
    if by_name:
        return [f"{names_text(names)}: {text}" for text, names in alike.items()]
    counts = ", ".join(f"{len(names)} {text}" for text, names in alike.items())
    return [f"other cells: {counts}"]


_TOLD_BEFORE = (Cause.NO_BASELINE, Cause.SAME_NUMBERS)


def _says_something(cell: CellRecord) -> bool:
    verdict = cell.comparison.verdict
    return verdict.cause is not None or not math.isnan(cell.comparison.low)


def _without_baseline(metric: MetricRecord, cells: Sequence[CellRecord]) -> list[str]:
    """The cells whose baseline has no result."""
    names: dict[int, list[str]] = {}
    for cell in cells:
        if cell.comparison.verdict.cause is Cause.NO_BASELINE:
            names.setdefault(cell.reference, []).append(cell.name)
    told: list[str] = []
    for reference, found in names.items():
        baseline = metric.cells[reference]
        which = baseline.name if metric.has_baselines else "the baseline"
        told.append(
            f"{names_text(found)}: nothing to compare with: {which} has 0 of "
            f"{baseline.num_planned} results"
        )
    return told


def _open(cells: Sequence[CellRecord]) -> list[str]:
    """What cannot be said, and why."""
    told: list[str] = []
    for cause in (Cause.TOO_FEW_SEEDS, Cause.NOT_MEASURED, Cause.FAILED):
        found = [cell.name for cell in cells if cell.comparison.verdict.cause is cause]
        if found:
            told.append(f"{names_text(found)}: {cause}")
    return told
