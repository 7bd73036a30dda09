"""What is told of a factor, row by row: over all the others, or at the levels of some."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ablate.analysis.records import BlockRecord
from ablate.report.text_table import NOT_APPLICABLE
from ablate.stats.simple_effects import SimpleEffects
from ablate.stats.verdicts import Comparison


@dataclass(frozen=True, kw_only=True)
class LevelRow:
    """A level of a factor, over all the others or at one place."""

    factor: int
    level: int
    label: str
    place: str
    """The levels of the factors that it interacts with: `size=500`; empty without any."""
    members: Sequence[int]
    """Places among the block's members of the cells that it is the mean of."""
    mean: float
    baseline_mean: float
    """Of the baseline's level at the same place."""
    is_baseline: bool
    comparison: Comparison
    at_worst: Comparison | None
    """With lost runs as the table's worst; None without any."""

    @property
    def is_difference_of_means(self) -> bool:
        """Whether the comparison's difference is that of the means; not where runs are missing."""
        found = self.comparison.difference
        rounding = 1e-9 * max(abs(self.mean), abs(self.baseline_mean))
        return math.isclose(self.mean - self.baseline_mean, found, rel_tol=1e-6, abs_tol=rounding)

    @property
    def name(self) -> str:
        """`mixup`, or `at size=500 mixup`."""
        return f"at {self.place} {self.label}" if self.place else self.label

    @property
    def full_name(self) -> str:
        """`mixup`, or `mixup at size=500`, for behind the factor's name."""
        return f"{self.label} at {self.place}" if self.place else self.label


def level_rows(block: BlockRecord, factor: int) -> list[LevelRow]:
    """What is told of a factor, where its block has effects: its table's rows."""
    within = block.within.get(factor)
    return _within(block, within) if within else _over_all(block, factor)


def partners_text(block: BlockRecord, factor: int, between: str = " and ") -> str:
    """The factors within which a factor is compared; empty where it is over all of them."""
    within = block.within.get(factor)
    return between.join(block.factors[other] for other in within.within) if within else ""


def _over_all(block: BlockRecord, factor: int) -> list[LevelRow]:
    assert block.effects is not None
    effect, base = block.effects.mains[factor], block.baseline_levels[factor]
    worst = block.at_worst.mains[factor].comparisons.each if block.at_worst else None
    return [
        LevelRow(
            factor=factor, level=level, label=label, place="",
            members=[n for n, codes in enumerate(block.codes) if codes[factor] == level],
            mean=float(effect.level_means[level]), baseline_mean=float(effect.level_means[base]),
            is_baseline=level == base, comparison=effect.comparisons.each[level],
            at_worst=worst[level] if worst else None,
        )
        for level, label in enumerate(block.levels[factor])
    ]  # fmt: skip


def _within(block: BlockRecord, found: SimpleEffects) -> list[LevelRow]:
    worst = block.within_at_worst.get(found.factor)
    rows: list[LevelRow] = []
    for entry, (level, reference) in enumerate(zip(found.levels, found.references, strict=True)):
        rows.append(LevelRow(
            factor=found.factor, level=int(level), label=block.levels[found.factor][int(level)],
            place=_place(block, found, entry),
            members=[n for n, own in enumerate(found.entries) if own == entry],
            mean=float(found.means[entry]), baseline_mean=float(found.means[reference]),
            is_baseline=entry == reference, comparison=found.comparisons.each[entry],
            at_worst=worst.comparisons.each[entry] if worst else None,
        ))  # fmt: skip
    return rows


def _place(block: BlockRecord, found: SimpleEffects, entry: int) -> str:
    levels = zip(found.within, found.places[entry].tolist(), strict=True)
    return ", ".join(
        f"{block.factors[f]}={block.levels[f][at] if at >= 0 else NOT_APPLICABLE}"
        for f, at in levels
    )
