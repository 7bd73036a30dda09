"""What factors do, in words: a line each, then how they interact."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ablate.analysis.records import BlockRecord, CellRecord, MetricRecord
from ablate.numbers import p_text
from ablate.report.comparisons import pair_p_text
from ablate.report.cost import cost_text, level_cost
from ablate.report.findings import (
    NAMED,
    Change,
    at_worst_text,
    cell_finding,
    finding,
    names_text,
    null_text,
)
from ablate.report.level_rows import LevelRow, level_rows, partners_text
from ablate.report.notes import ALPHA
from ablate.stats.effects import MainEffect
from ablate.stats.verdicts import Cause, Comparison, VerdictKind
from ablate.text import seeds_text


def effect_answers(metric: MetricRecord) -> Iterator[str]:
    """A line a factor of a grid of several, over the others or within those it interacts with."""
    for block in metric.blocks:
        for effect in block.effects.mains if block.effects else ():
            yield from _effect_answer(block, effect, metric)
        yield from _interactions(block)


@dataclass(frozen=True)
class FactorCells:
    """A factor each of whose levels is a cell, all else being equal."""

    block: BlockRecord
    factor: int
    cells: Sequence[CellRecord]
    """Those that differ from what they are compared with in this factor alone."""


def one_by_one(metric: MetricRecord) -> list[FactorCells]:
    """The factors of blocks that are no grids of several, where a study has several factors."""
    found: list[FactorCells] = []
    for block in metric.blocks:
        if block.effects or block.is_listed or len(metric.blocks) + len(block.factors) < 3:
            continue
        changes = [_changed_factor(metric, block, number) for number in range(len(block.members))]
        for factor in range(len(block.factors)):
            cells = [
                metric.cells[member]
                for member, changed in zip(block.members, changes, strict=True)
                if changed == factor
            ]
            found += [FactorCells(block, factor, cells)] * bool(cells)
    return found


def one_by_one_answers(metric: MetricRecord) -> Iterator[str]:
    """A line a factor of `one_by_one`: `lr, all else equal: 0.01 lowers fid by ...; 3 seeds`."""
    for found in one_by_one(metric):
        levels = [
            _Level(
                label=cell.labels[found.block.factors[found.factor]],
                comparison=cell.comparison,
                remark=cell.remark,
                is_alone=len(found.cells) == 1,
                finding=lambda label, of, cell=cell: cell_finding(metric, cell, label, of=of),
            )
            for cell in found.cells
        ]
        seeds = max(cell.value.num for cell in found.cells)
        where = "all else equal"
        yield from _line(
            found.block, found.factor, where, _best_first(levels, metric), seeds, metric
        )


def told_of_factors(metric: MetricRecord) -> set[str]:
    """Names of the cells of which the lines on factors tell all that their own would.

    Those of `one_by_one`, and where a factor interacts with all others its levels at each place.
    """
    cells = [cell for found in one_by_one(metric) for cell in found.cells]
    for block in metric.blocks:
        place = {tuple(codes): number for number, codes in enumerate(block.codes)}
        for row in (row for factor in block.within for row in level_rows(block, factor)):
            codes = [*block.codes[row.members[0]]]
            codes[row.factor] = block.baseline_levels[row.factor]
            other, cell = place.get(tuple(codes)), metric.cells[block.members[row.members[0]]]
            is_alone = len(row.members) == 1 and not row.is_baseline
            if is_alone and other is not None and block.members[other] == cell.reference:
                cells.append(cell)
    return {cell.name for cell in cells}


@dataclass(frozen=True, kw_only=True)
class _Level:
    """A level as its factor's line tells of it."""

    label: str
    comparison: Comparison
    remark: str
    is_alone: bool
    """Whether there is room for its interval where it is within noise."""
    finding: Callable[[str, str], str]
    """The sentence where it differs, of its label and of what the metric is called there."""


def _effect_answer(block: BlockRecord, effect: MainEffect, metric: MetricRecord) -> Iterator[str]:
    """`flow, over all others: vp lowers fid by ...; target within noise; 3 seeds`.

    Of a factor that interacts: `aug, within size: at size=500 mixup lowers fid by ...`.
    """
    partners = partners_text(block, effect.factor)
    levels = [
        _Level(
            label=row.name,
            comparison=row.comparison,
            remark=block.remark(row.comparison.verdict, row.factor, row.level),
            is_alone=len(block.levels[row.factor]) == 2 and not row.place,
            finding=lambda label, of, row=row: _row_finding(block, row, metric, label, of),
        )
        for row in level_rows(block, effect.factor)
        if not row.is_baseline
    ]
    seeds = int((~np.isnan(effect.level_table)).any(axis=0).sum())
    # Place by place, as in the table; else the best first.
    levels = levels if partners else _best_first(levels, metric)
    where = f"within {partners}" if partners else "over all others"
    where += _held_text(block, effect.factor)
    yield from _line(block, effect.factor, where, levels, seeds, metric)


def _held_text(block: BlockRecord, factor: int) -> str:
    """` (with alpha's effect)` of a factor at some of whose levels alone others apply."""
    if block.factors[factor] not in block.conditions:
        return ""
    held: list[str] = []
    for other, name in enumerate(block.factors):
        applies: dict[int, bool] = {}
        for codes in block.codes:
            applies[codes[factor]] = applies.get(codes[factor], False) or codes[other] >= 0
        held += [name] * (other != factor and len({*applies.values()}) > 1)
    whose = " and ".join(f"{name}'s" for name in held)
    return f" (with {whose} effect{'s' * (len(held) > 1)})" * bool(held)


def _best_first(levels: Sequence[_Level], metric: MetricRecord) -> list[_Level]:
    """Those that differ, the best first, then the others in their order."""
    sign = 1 if metric.mode == "min" else -1
    differ = [level for level in levels if level.comparison.verdict.is_different]
    differ.sort(key=lambda level: sign * level.comparison.difference)
    return [*differ, *(one for one in levels if not one.comparison.verdict.is_different)]


def _line(
    block: BlockRecord, factor: int, where: str, levels: Sequence[_Level], num_seeds: int,
    metric: MetricRecord,
) -> Iterator[str]:  # fmt: skip
    """The levels that differ, at most a few of them, then those of which no difference is found."""
    differ = [level for level in levels if level.comparison.verdict.is_different]
    told = [
        level.finding(level.label, "it" * (place > 0)) for place, level in enumerate(differ[:NAMED])
    ]
    told += [f"{len(differ) - NAMED} more differ"] * (len(differ) > NAMED)
    alike: dict[str, list[str]] = {}
    for level in levels:
        found = level.comparison
        is_told = found.verdict.is_different or found.verdict.cause is Cause.SAME_NUMBERS
        if not is_told:
            text = null_text(found, metric.log_scale) if level.is_alone else found.verdict.text
            alike.setdefault(text + level.remark, []).append(level.label)
    told += [f"{names_text(names, ', ')} {text}" for text, names in alike.items()]
    told += [seeds_text(num_seeds)] * bool(differ)
    of = f" of {block.name}" if block.name else ""
    if told:
        yield f"{block.factors[factor]}{of}, {where}: {'; '.join(told)}"


def _row_finding(
    block: BlockRecord, row: LevelRow, metric: MetricRecord, label: str, of: str
) -> str:
    found = row.comparison
    means = [_own_units(mean, metric.log_scale) for mean in (row.baseline_mean, row.mean)]
    # Of many places the table has them; where runs are missing they say something else.
    change = Change() if row.place or not row.is_difference_of_means else Change(*means)
    cost = cost_text(level_cost(block, row))
    return (
        finding(label, found, change, metric, of)
        + f" at {cost}" * bool(cost)
        + block.remark(found.verdict, row.factor, row.level)
        + at_worst_text(found, row.at_worst, metric.log_scale)
    )


def _own_units(value: float, log_scale: bool) -> float:
    return math.exp(value) if log_scale else float(value)


def _changed_factor(metric: MetricRecord, block: BlockRecord, number: int) -> int | None:
    """The one factor in which a member differs from what it is compared with; None of others.

    A factor that applies to one of the two alone follows from another.
    """
    cell = metric.cells[block.members[number]]
    silent = cell.comparison.verdict.kind is VerdictKind.NOT_COMPARED
    lacks = cell.comparison.verdict.cause is Cause.NO_BASELINE
    if silent or lacks or cell.reference not in block.members:
        return None
    other = block.codes[block.members.index(cell.reference)]
    pairs = enumerate(zip(block.codes[number], other, strict=True))
    changed = [factor for factor, (a, b) in pairs if a != b and min(a, b) >= 0]
    return changed[0] if len(changed) == 1 else None


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
