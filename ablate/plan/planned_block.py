"""A block of a design in a plan: positions, levels and baselines of its cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ablate.identity import canonical_json
from ablate.spec.design import DesignBlock
from ablate.spec.models import Factor
from ablate.spec.selection import num_changes


@dataclass(frozen=True, kw_only=True)
class PlannedBlock:
    """Factors that are varied together, and the positions of their cells in the plan."""

    name: str
    design: str
    factors: tuple[Factor, ...]
    members: tuple[int, ...]
    """Positions in the plan's cells."""
    levels: tuple[Mapping[str, int], ...]
    """For each member, the index of the level of each factor that applies."""
    baseline_levels: tuple[int, ...]
    """Of each factor the index of the level that its others are compared with."""
    references: tuple[int | None, ...]
    """For each member the cell that it is compared with, itself for a baseline: see
    `DesignBlock.references`."""
    conditions: frozenset[str]
    """Factors whose levels decide whether others apply."""

    @cached_property
    def baselines(self) -> tuple[int, ...]:
        """Positions of the cells that others are compared with."""
        pairs = zip(self.members, self.references, strict=True)
        return tuple(member for member, reference in pairs if member == reference)

    @property
    def baseline(self) -> int:
        """The first of them."""
        return self.baselines[0]

    @property
    def near_baseline(self) -> list[int]:
        """Positions of the cells that differ from the first baseline in one factor at most."""
        if self.design == "cells":
            return list(self.members)
        own = self.levels[self.members.index(self.baseline)]
        return [
            member
            for member, levels in zip(self.members, self.levels, strict=True)
            if num_changes(levels, own) <= 1
        ]


def planned_block(block: DesignBlock, members: Sequence[int]) -> PlannedBlock:
    """A block whose cells have these positions."""
    numbers = {f.name: {level.key: n for n, level in enumerate(f.levels)} for f in block.factors}
    levels = tuple(
        {name: numbers[name][level.key] for name, level in cell.levels.items()}
        for cell in block.cells
    )
    start = {name: canonical_json(label) for name, label in block.baseline_labels.items()}
    references = tuple(None if n is None else members[n] for n in block.references)
    conditions = frozenset(name for when in block.spec.when.values() for name in when)
    return PlannedBlock(
        name=block.name, design=block.spec.design, factors=block.factors, members=tuple(members),
        levels=levels, references=references, conditions=conditions,
        baseline_levels=tuple(numbers[f.name].get(start[f.name], 0) for f in block.factors),
    )  # fmt: skip
