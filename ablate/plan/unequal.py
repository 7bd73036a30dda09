"""Cells that are not trained alike, in steps or parameters: by which factors, and by how much."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ablate.plan.plan import Plan
from ablate.spec.models import text
from ablate.text import printable

EXPLAINED = 0.95
"""Share of the variance between cells from which on factors explain in what they differ."""
MOST_FACTORS = 2
SHOWN = 3
"""Groups of cells in a line."""
CLEAR = 1.1
"""Most over least from which on a reader is warned."""


@dataclass
class Amount:
    """How much the runs of one cell have of something."""

    numbers: list[int] = field(default_factory=list[int])
    """One a run."""
    num_early: int = 0
    """Runs that were ended by the metric that they are selected by."""

    @property
    def mean(self) -> float:
        """Over runs."""
        return math.fsum(self.numbers) / len(self.numbers)


@dataclass(frozen=True)
class Group:
    """Cells that have about as much, by the levels that they share."""

    name: str
    amount: Amount

    @property
    def line(self) -> str:
        """`unet, 500: 437 on average, 3 of 3 stopped early`."""
        amount = self.amount
        average = " on average" * (len(set(amount.numbers)) > 1)
        early = f", {amount.num_early} of {len(amount.numbers)} stopped early"
        return f"{self.name}: {amount.mean:,.0f}{average}{early * bool(amount.num_early)}"


@dataclass(frozen=True)
class Inequality:
    """What cells have that do not all have the same."""

    unit: str
    factors: Sequence[str]
    """What explains it; empty where neither one factor nor two do."""
    groups: Sequence[Group]
    """By the levels of these factors, else the cells; the least first."""

    @property
    def is_clear(self) -> bool:
        """Whether some have so much more that results can come of it."""
        return self.groups[-1].amount.mean > CLEAR * self.groups[0].amount.mean

    @property
    def summary(self) -> str:
        """`75 to 1,200 steps, by data.size (500: 75; 1000: 150; all: 1,200)`."""
        ends = (f"{group.amount.mean:,.0f}" for group in (self.groups[0], self.groups[-1]))
        by = f", by {' and '.join(map(printable, self.factors))}" * bool(self.factors)
        lines = [group.line for group in self.groups]
        if len(lines) > SHOWN:
            lines = [*lines[: SHOWN - 1], "...", lines[-1]]
        return f"{' to '.join(dict.fromkeys(ends))} {self.unit}{by} ({'; '.join(lines)})"

    @property
    def details(self) -> str:
        """All groups, where the summary has not got all."""
        return "; ".join(group.line for group in self.groups) * (len(self.groups) > SHOWN)


def length_notes(plan: Plan, known: Mapping[str, Mapping[str, object]]) -> list[str]:
    """That cells are going to train unequally long, where nobody asks for that by a factor.

    Args:
        plan: The plan.
        known: What is known of runs before they start: `planned_steps`, where it is.
    """
    found, keys = inequality(plan, "steps", _planned_steps(plan, known)), plan.model.length_keys
    if found is None:
        return []
    levels = [level for name in found.factors for level in plan.factors[name].levels]
    if any(key in keys for level in levels for key in level.sets):
        return []  # how long they train is what is asked
    fix = f"; {keys[0]}: N trains all alike" if keys else ""
    return [f"cells train for {found.summary}{fix}"]


def inequality(plan: Plan, unit: str, cells: Mapping[int, Amount]) -> Inequality | None:
    """Cells grouped by what explains how much they have; None where all have the same.

    Args:
        plan: The plan.
        unit: What they have, for people.
        cells: By position, the cells of which it is known.
    """
    if len({number for amount in cells.values() for number in amount.numbers}) < 2:
        return None
    names = [name for name, factor in plan.factors.items() if len(factor.levels) > 1]
    for number in range(1, MOST_FACTORS + 1):
        choices = list(itertools.combinations(names, number))
        shares = [_explained(_by_levels(plan, cells, factors)) for factors in choices]
        if max(shares, default=0.0) >= EXPLAINED:
            factors = choices[shares.index(max(shares))]
            groups = _by_levels(plan, cells, factors)
            return Inequality(unit, factors, _in_order(groups))
    return Inequality(
        unit, (), _in_order({plan.cells[cell].name: [amount] for cell, amount in cells.items()})
    )


def _planned_steps(plan: Plan, known: Mapping[str, Mapping[str, object]]) -> dict[int, Amount]:
    found: dict[int, Amount] = {}
    for cell in plan.cells:
        facts = (known.get(run.run_id, {}) for run in plan.runs_of.get(cell.index, {}).values())
        steps = next((s for f in facts if isinstance(s := f.get("planned_steps"), int)), None)
        steps = plan.model.planned_steps(cell.validated) if steps is None else steps
        if steps is not None:
            found[cell.index] = Amount([steps])
    return found


def _by_levels(
    plan: Plan, cells: Mapping[int, Amount], factors: Sequence[str]
) -> dict[str, list[Amount]]:
    """Cells by their levels of some factors, as far as these apply."""
    groups: dict[str, list[Amount]] = {}
    for cell, amount in cells.items():
        labels = plan.cells[cell].labels
        name = ", ".join(text(labels[factor]) for factor in factors if factor in labels)
        groups.setdefault(name or "others", []).append(amount)
    return groups


def _explained(groups: Mapping[str, Sequence[Amount]]) -> float:
    """The share of the variance between cells that is between groups of them."""
    each = [[amount.mean for amount in amounts] for amounts in groups.values()]
    whole = _squares([mean for means in each for mean in means])
    return 1 - math.fsum(map(_squares, each)) / whole if whole else 0.0


def _squares(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values)


def _in_order(groups: Mapping[str, Sequence[Amount]]) -> list[Group]:
    joined = [
        Group(
            name, Amount([n for a in amounts for n in a.numbers], sum(a.num_early for a in amounts))
        )
        for name, amounts in groups.items()
    ]
    return sorted(joined, key=lambda group: group.amount.mean)
