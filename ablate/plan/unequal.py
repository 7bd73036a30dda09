"""Cells that are not trained alike, in steps or parameters: by which factors, and by how much."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ablate.plan.plan import Plan
from ablate.spec.design import Cell
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
    if found is None or is_asked_length(plan, found):
        return []
    fix = f"; set {keys[0]}: N to train all equally" if keys else ""
    return [f"cells train for {found.summary}{fix}"]


def is_asked_length(plan: Plan, found: Inequality) -> bool:
    """Whether a factor that explains it sets how long cells train: then that is what is asked."""
    keys = (key for name in found.factors for key in plan.factors[name].keys)
    return any(key in plan.model.length_keys for key in keys)


def inequality(plan: Plan, unit: str, cells: Mapping[int, Amount]) -> Inequality | None:
    """Cells grouped by what explains how much they have; None where all have the same.

    Args:
        plan: The plan.
        unit: What they have, for people.
        cells: By position, the cells of which it is known.
    """
    if len({number for amount in cells.values() for number in amount.numbers}) < 2:
        return None
    factors = _explaining(plan, cells)
    if factors:
        return Inequality(unit, factors, _in_order(_by_levels(plan, cells, factors)))
    each = {plan.cells[cell].name: [amount] for cell, amount in cells.items()}
    return Inequality(unit, (), _in_order(each))


def _planned_steps(plan: Plan, known: Mapping[str, Mapping[str, object]]) -> dict[int, Amount]:
    found: dict[int, Amount] = {}
    for cell in plan.cells:
        facts = (known.get(run.run_id, {}) for run in plan.runs_of.get(cell.index, {}).values())
        steps = next((s for f in facts if isinstance(s := f.get("planned_steps"), int)), None)
        steps = cell.model.planned_steps(cell.validated) if steps is None else steps
        if steps is not None:
            found[cell.index] = Amount([steps])
    return found


def _by_levels(
    plan: Plan, cells: Mapping[int, Amount], factors: Sequence[str]
) -> dict[str, list[Amount]]:
    """Cells by their levels of some factors, as far as these apply."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for cell in cells:
        levels = plan.cells[cell].levels
        key = tuple(levels[name].key if name in levels else "" for name in factors)
        groups.setdefault(key, []).append(cell)
    return {_named(plan.cells[group[0]], factors): [cells[cell] for cell in group]
            for group in groups.values()}  # fmt: skip


def _named(cell: Cell, factors: Sequence[str]) -> str:
    """`unet, 500`: a cell's levels of some factors, as far as these apply."""
    told = [cell.levels[name].text for name in factors if name in cell.levels]
    return ", ".join(told) or "others"


def _explaining(plan: Plan, cells: Mapping[int, Amount]) -> tuple[str, ...]:
    """The one factor, else the two, whose levels explain how much cells have; empty if none do."""
    means = np.array([amount.mean for amount in cells.values()])
    codes = {name: _codes(plan, cells, name) for name in plan.factors}
    for number in range(1, MOST_FACTORS + 1):
        shares = {
            names: _explained(means, _joined([codes[name] for name in names]))
            for names in itertools.combinations(codes, number)
        }
        best = max(shares, key=lambda names: shares[names], default=())
        if best and shares[best] >= EXPLAINED:
            return best
    return ()


def _joined(codes: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Numbers that are equal where all of some are."""
    joined = codes[0]
    for code in codes[1:]:
        joined = joined * (1 + int(code.max())) + code
    return joined


def _codes(plan: Plan, cells: Mapping[int, Amount], name: str) -> NDArray[np.int64]:
    """Numbers that are equal for cells with the same level of a factor, or all without."""
    known: dict[str, int] = {}
    levels = (plan.cells[cell].levels.get(name) for cell in cells)
    codes = [known.setdefault(level.key if level else "", len(known)) for level in levels]
    return np.array(codes, dtype=np.int64)


def _explained(values: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    """The share of the variance that is between groups of equal codes."""
    _, group = np.unique(codes, return_inverse=True)
    num = np.bincount(group)
    about = values - values.mean()
    means = np.bincount(group, about) / num
    whole = float((about**2).sum())
    return float((num * means**2).sum()) / whole if whole else 0.0


def _in_order(groups: Mapping[str, Sequence[Amount]]) -> list[Group]:
    joined = [
        Group(
            name, Amount([n for a in amounts for n in a.numbers], sum(a.num_early for a in amounts))
        )
        for name, amounts in groups.items()
    ]
    return sorted(joined, key=lambda group: group.amount.mean)
