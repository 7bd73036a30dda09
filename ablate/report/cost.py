"""What cells cost, in words: of a better one that costs clearly more, that has to be said."""

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from ablate.analysis.records import BlockRecord, CellRecord, Compute, Cost
from ablate.numbers import rounded, share_text
from ablate.report.level_rows import LevelRow, level_rows
from ablate.stats.verdicts import VerdictKind

FLAGGED = 1.10
"""Training time or parameters over the baseline's from which on a better cell is flagged."""
LEAST_TOLD = 0.01
"""Share of the training time below which nobody is told of a difference."""
NAMED = 6
"""Cells that are named one by one."""


def excess_text(cost: Cost) -> str:
    """`+23 % training time, +300 % parameters`: what is over 10 % more than the baseline's."""
    ratios = {"training time": cost.time_ratio, "parameters": cost.parameter_ratio}
    return ", ".join(
        f"{share_text(math.log(ratio))} {what}" for what, ratio in ratios.items() if ratio > FLAGGED
    )


def cost_text(cost: Cost) -> str:
    """`+4 % training time`: how the time differs, where known, and parameters over 10 % more."""
    time = cost.time_ratio
    told = abs(time - 1) >= LEAST_TOLD  # not of nan
    parts = [f"{share_text(math.log(time))} training time"] * told
    return ", ".join([*parts, excess_text(replace(cost, time_ratio=math.nan))]).strip(", ")


def price_of_better(cell: CellRecord) -> str:
    """What a better cell costs more than its baseline; nothing where it is no more than 10 %."""
    return excess_text(cell.cost) if cell.comparison.verdict.kind is VerdictKind.BETTER else ""


def price_of_level(block: BlockRecord, row: LevelRow) -> str:
    """What a better level of a factor costs more than the baseline's, the others being equal."""
    if row.comparison.verdict.kind is not VerdictKind.BETTER:
        return ""
    return excess_text(level_cost(block, row))


def level_cost(block: BlockRecord, row: LevelRow) -> Cost:
    """What a level costs beside its factor's baseline, the others being equal: the median."""
    costs = {tuple(code): cost for code, cost in zip(block.codes, block.costs, strict=True)}
    codes = [tuple(block.codes[member]) for member in row.members]
    base = block.baseline_levels[row.factor]
    others = [_with_level(code, row.factor, base) for code in codes]
    pairs = [
        (costs[code], costs[other])
        for code, other in zip(codes, others, strict=True)
        if other in costs
    ]
    # Both are ratios to one baseline, so that their ratio is what one costs over the other.
    return Cost(
        time_ratio=_median([one.time_ratio / other.time_ratio for one, other in pairs]),
        parameter_ratio=_median(
            [one.parameter_ratio / other.parameter_ratio for one, other in pairs]
        ),
    )


def _with_level(code: tuple[int, ...], factor: int, level: int) -> tuple[int, ...]:
    return (*code[:factor], level, *code[factor + 1 :])


def _median(ratios: Sequence[float]) -> float:
    known = [ratio for ratio in ratios if not math.isnan(ratio)]
    return median(known) if known else math.nan


def costlier_text(cells: Sequence[CellRecord]) -> str:
    """Which cells are better at over 10 % more cost, and by how much more; nothing without any."""
    return _listed([(cell.name, price_of_better(cell)) for cell in cells])


def costlier_levels_text(block: BlockRecord) -> str:
    """As `costlier_text`, of what is told of the levels of factors."""
    return _listed([
        (f"{name}={row.full_name}", price_of_level(block, row))
        for factor, name in enumerate(block.factors)
        for row in level_rows(block, factor)
    ])  # fmt: skip


def _listed(prices: Sequence[tuple[str, str]]) -> str:
    told = [f"{name}: {price}" for name, price in prices if price]
    more = f"; and {len(told) - NAMED} more" * (len(told) > NAMED)
    return f"better, but costlier: {'; '.join(told[:NAMED])}{more}" if told else ""


def device_time(seconds: float, compute: Compute) -> str:
    """Training time as device time: `1.25 GPU hours`, `34 CPU core minutes`."""
    unit, divisor = unit_of(seconds * compute.per_trial)
    return f"{amount(seconds * compute.per_trial / divisor)} {compute.device} {unit}s"


def unit_of(seconds: float) -> tuple[str, float]:
    """The unit in which a duration is written, and its seconds."""
    return next(
        ((unit, size) for unit, size in (("hour", 3600.0), ("minute", 60.0)) if seconds >= size),
        ("second", 1.0),
    )


def amount(value: float) -> str:
    """A number as to two or three digits: `0.25`, `34`, `1230`."""
    return rounded(value, value)
