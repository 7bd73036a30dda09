"""The answer of a study in words: factors, interactions, the cells that matter."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ablate.analysis.records import BlockRecord, CellRecord, MetricRecord, StudyRecord
from ablate.numbers import p_text
from ablate.report.comparisons import pair_p_text
from ablate.report.cost import cost_text, level_cost
from ablate.report.findings import Change, at_worst_text, finding, null_text
from ablate.report.level_rows import LevelRow, level_rows, partners_text
from ablate.report.notes import ALPHA
from ablate.report.pair_table import pair_answers
from ablate.report.reconciled import is_only_as_cell
from ablate.stats.effects import MainEffect
from ablate.stats.verdicts import Cause

NOTHING = "There is nothing to compare: the study has one cell."
NAMED = 3
"""Cells, or levels of a factor, that are named one by one."""
NAMED_IN_GRIDS = 2
"""The same of cells, where factors have been told of before them."""


def answers(record: StudyRecord) -> list[str]:
    """What the study found about its metric: what differs, what does not, what cannot be said."""
    metric = record.metric
    if not metric.is_judged:
        return [f"No verdict on {metric.name}: a further metric, the table has its intervals."]
    if metric.pairs is not None:
        return [*pair_answers(metric, metric.pairs), *_open(metric.cells)] or [NOTHING]
    compared = [cell for cell in metric.cells if not cell.is_baseline]
    told = [*_effect_answers(metric), *_cell_answers(metric, compared)]
    if not told and compared:
        return ["No comparison was planned (compare:): the table has the means."]
    return told or [NOTHING]


def _effect_answers(metric: MetricRecord) -> Iterator[str]:
    """A line a factor, over all the others, where a study has several; then how they interact."""
    for block in metric.blocks:
        for effect in block.effects.mains if block.effects else ():
            if block.factors[effect.factor] in block.conditions:
                continue  # its effect holds those of the factors that depend on it
            yield from _factor_answer(block, effect, metric)
        yield from _interactions(block)


def _factor_answer(block: BlockRecord, effect: MainEffect, metric: MetricRecord) -> list[str]:
    """`flow, over all others: vp lowers fid by ...; target within noise; 3 seeds`.

    Of a factor that interacts: `aug, within size: at size=500 mixup lowers fid by ...`.
    """
    rows, partners = level_rows(block, effect.factor), partners_text(block, effect.factor)
    sign = 1 if metric.mode == "min" else -1
    differ = [row for row in rows if row.comparison.verdict.is_different]
    if not partners:  # else as in the table: place by place
        differ.sort(key=lambda row: sign * row.comparison.difference)
    told = [
        _level_finding(block, row, metric, "it" * (place > 0))
        for place, row in enumerate(differ[:NAMED])
    ]
    told += [f"{len(differ) - NAMED} more {'levels ' * (not partners)}differ"] * (
        len(differ) > NAMED
    )
    told += _alike_levels(block, [row for row in rows if row not in differ], metric)
    if not told:
        return []
    of = f" of {block.name}" if block.name else ""
    seeds = int((~np.isnan(effect.level_table)).any(axis=0).sum())
    told += [_seeds(seeds)] * bool(differ)
    where = f"within {partners}" if partners else "over all others"
    return [f"{block.factors[effect.factor]}{of}, {where}: {'; '.join(told)}"]


def _level_finding(block: BlockRecord, row: LevelRow, metric: MetricRecord, of: str) -> str:
    found = row.comparison
    means = [_own_units(mean, metric.log_scale) for mean in (row.baseline_mean, row.mean)]
    cost = cost_text(level_cost(block, row))
    return (
        finding(row.name, found, Change(*means), metric, of)
        + f" at {cost}" * bool(cost)
        + block.remark(found.verdict, row.factor, row.level)
        + at_worst_text(found, row.at_worst, metric.log_scale)
    )


def _own_units(value: float, log_scale: bool) -> float:
    return math.exp(value) if log_scale else float(value)


def _alike_levels(block: BlockRecord, rows: Sequence[LevelRow], metric: MetricRecord) -> list[str]:
    """The levels of which no difference is found, those of one verdict together."""
    alike = dict[str, list[str]]()
    for row in rows:
        if row.is_baseline:
            continue
        found = row.comparison
        is_short = len(block.levels[row.factor]) == 2 and not row.place
        text = null_text(found, metric.log_scale) if is_short else found.verdict.text
        remark = block.remark(found.verdict, row.factor, row.level)
        alike.setdefault(text + remark, []).append(row.name)
    return [f"{_names(names, ', ')} {text}" for text, names in alike.items()]


def _interactions(block: BlockRecord) -> Iterator[str]:
    if block.effects is None:
        return
    tested = [n for n, pair in enumerate(block.effects.interactions) if not math.isnan(pair.p)]
    found = [n for n in tested if block.effects.interactions[n].p < ALPHA]
    pairs = f"{len(tested)} pair{'s' * (len(tested) > 1)}"
    for number in found:
        one, other = (block.factors[n] for n in block.effects.interactions[number].factors)
        yield (
            f"{one} and {other} interact (p {pair_p_text(block, number)}, adjusted over {pairs}): "
            f"what {one} does depends on {other}{' (exploratory)' * bool(block.exploratory)}"
        )
    if tested and not found:
        least = min(block.effects.interactions[n].p for n in tested)
        of = f" of {block.name}" if block.name else ""
        told = f"none found in {pairs} of factors (least adjusted p {p_text(least)})"
        yield f"interactions{of}: {told}"


def _cell_answers(metric: MetricRecord, cells: Sequence[CellRecord]) -> Iterator[str]:
    """The cells that matter, the best first, and in one line what is true of the others."""
    has_effects = any(block.effects for block in metric.blocks)
    differ = [cell for cell in cells if cell.comparison.verdict.is_different]
    sign = 1 if metric.mode == "min" else -1
    differ.sort(key=lambda cell: sign * cell.comparison.difference)
    shown = differ[: NAMED_IN_GRIDS if has_effects else NAMED]
    for cell in shown:
        yield _cell_finding(metric, cell)
    names = {cell.name for cell in shown}
    left = [cell for cell in cells if cell.name not in names]
    yield from _without_baseline(metric, left)
    rest = [cell for cell in left if cell.comparison.verdict.cause is not Cause.NO_BASELINE]
    if any(_says_something(cell) for cell in rest):
        yield from _others(metric, rest, by_name=not has_effects)
    yield from _open([cell for cell in metric.cells if cell.is_baseline])


def _cell_finding(metric: MetricRecord, cell: CellRecord) -> str:
    worst = dict(zip((c.name for c in metric.cells), metric.at_worst, strict=False))
    reference = metric.cells[cell.reference]
    whole = all(c.value.num == c.num_planned for c in (cell, reference))
    change = Change(reference.value.mean, cell.value.mean) if whole else Change()
    against = f" (against {cell.against})" if _names_baseline(metric) else ""
    cost = cost_text(cell.cost)
    return (
        finding(cell.name + against, cell.comparison, change, metric)
        + f"; {_seeds(cell.value.num)}"
        + f"; {cost}" * bool(cost)
        + cell.remark
        + "; as a cell only" * is_only_as_cell(metric, cell)
        + at_worst_text(cell.comparison, worst.get(cell.name), metric.log_scale)
    )


def _names_baseline(metric: MetricRecord) -> bool:
    """Whether a cell's line names what it is compared with: in grids it is no factor's level."""
    return metric.has_baselines or any(block.effects for block in metric.blocks)


def _others(metric: MetricRecord, cells: Sequence[CellRecord], by_name: bool) -> list[str]:
    """A line a verdict: `gain=3; gain=4: within noise`; in grids how many of each in one line."""
    alike: dict[str, list[str]] = {}
    for cell in sorted(cells, key=lambda cell: not cell.comparison.verdict.is_different):
        found, remark = cell.comparison, cell.remark if by_name else ""
        is_short = by_name and len(cells) == 1
        text = null_text(found, metric.log_scale) if is_short else found.verdict.text
        alike.setdefault(text + remark, []).append(cell.name)
    if by_name:
        return [f"{_names(names)}: {text}" for text, names in alike.items()]
    counts = ", ".join(f"{len(names)} {text}" for text, names in alike.items())
    return [f"other cells: {counts}"]


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
            f"{_names(found)}: nothing to compare with: {which} has 0 of {baseline.num_planned} "
            "results"
        )
    return told


def _open(cells: Sequence[CellRecord]) -> list[str]:
    """What cannot be said, and why."""
    told: list[str] = []
    for cause in (Cause.TOO_FEW_SEEDS, Cause.NOT_MEASURED, Cause.FAILED):
        found = [cell.name for cell in cells if cell.comparison.verdict.cause is cause]
        if found:
            told.append(f"{_names(found)}: {cause}")
    return told


def _seeds(number: int) -> str:
    return f"{number} seed{'s' * (number != 1)}"


def _names(names: Sequence[str], between: str = "; ") -> str:
    shown = between.join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
