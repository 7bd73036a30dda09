"""Factors and levels that changed nothing: where their cells came to the same numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ablate.analysis.arrays import Values, lost_of
from ablate.analysis.likeness import Alike, Likeness, Place, places_of
from ablate.analysis.records import SameNumbers
from ablate.plan.plan import Plan
from ablate.run_row import RunRows
from ablate.spec.models import Factor
from ablate.stats.repeats import (
    Cells,
    Classes,
    CountedOnce,
    counted_once,
    equal_rows,
    merged,
    never_varies,
    with_losses,
)
from ablate.text import printable


def same_numbers(
    plan: Plan, rows: RunRows, metric: str, values: Values
) -> tuple[Sequence[SameNumbers], Cells]:
    """Factors and levels that changed nothing of a metric, and the cells with the same numbers.

    Args:
        plan: The plan.
        rows: The rows of its runs.
        metric: The metric.
        values: (num_cells, num_seeds), its results, nan where there is none.

    Returns:
        What is to be told; and (num_cells,) the cell that stands for all with its numbers, see
        `Classes`: each cell itself where there is no other.
    """
    if never_varies(values) or not _may_repeat(values):
        return (), np.arange(len(values))
    results = with_losses(values, lost_of(plan, rows, metric))
    classes = Classes(results, plan.references)
    likeness = Likeness(plan, rows, metric)
    found: dict[tuple[int, str], _Factor] = {}
    for place in places_of(plan):
        known = found.setdefault((id(place.block), place.factor.name), _Factor(plan, place.factor))
        known.places.append(place)
        for alike in _alike_levels(place, likeness, results):
            for cell in alike.cells[1:]:
                classes.join(alike.cells[0], cell)
            known.alike.setdefault(alike.levels, []).append(alike)
    told = [one for factor in found.values() for one in factor.told(values)]
    return [*told, *_unlike_settings(plan, likeness, classes)], classes.all()


def repeated_once(plan: Plan, rows: RunRows, values: Values) -> CountedOnce:
    """What is compared of the study's own metric where cells with the same numbers are one.

    Args:
        plan: The plan.
        rows: The rows of its runs.
        values: (num_cells, num_seeds), its results, nan where there is none.
    """
    _, same = same_numbers(plan, rows, plan.study.metric, values)
    return counted_once(same, plan.references, plan.compared)


def at_one_place(plan: Plan, place: Place, levels: Sequence[int], found: Alike) -> SameNumbers:
    """What is told of two levels that are alike at one place, while others have not ended."""
    factor = _Factor(plan, place.factor)
    where = ", ".join(_labels(place.block.factors, place.at))
    return factor.same(levels, [_AlikeLevels(place, tuple(levels), [found])], where)


@dataclass(frozen=True)
class _AlikeLevels:
    """Levels with the same numbers at one place."""

    place: Place
    levels: tuple[int, ...]
    found: Sequence[Alike]

    @property
    def cells(self) -> list[int]:
        return [self.place.cells[level] for level in self.levels]


@dataclass
class _Factor:
    """What is known of a factor's levels, place by place."""

    plan: Plan
    factor: Factor
    places: list[Place] = field(default_factory=list[Place])
    alike: dict[tuple[int, ...], list[_AlikeLevels]] = field(
        default_factory=dict[tuple[int, ...], list[_AlikeLevels]]
    )

    def told(self, values: Values) -> Iterator[SameNumbers]:
        """One for all places where the same levels are alike."""
        for levels, alike in self.alike.items():
            there = [place for place in self.places if _num_known(place, levels, values) > 1]
            yield self.same(levels, alike, _where([one.place for one in alike], there))

    def same(self, levels: Sequence[int], alike: Sequence[_AlikeLevels], where: str) -> SameNumbers:
        """The fact, in the words of the YAML."""
        found = [each for one in alike for each in one.found]
        return SameNumbers(
            factor=printable(self.factor.name),
            levels=[self.factor.texts[level] for level in levels],
            at=where,
            is_whole=len(levels) == len(self.factor.levels),
            seeds=sorted({seed for each in found for seed in each.seeds}),
            differing=list(dict.fromkeys(name for each in found for name in each.differing)),
            are_twins=all(self.plan.are_twins(one.cells) for one in alike),
        )


def _alike_levels(place: Place, likeness: Likeness, results: Values) -> Iterator[_AlikeLevels]:
    """The sets of levels that are alike at a place, each with all others of its set."""
    first: list[int] = []
    known = np.empty((0, results.shape[1]))
    alike: dict[int, list[tuple[int, Alike]]] = {}
    for level, cell in sorted(place.cells.items()):
        for number in equal_rows(known, results[cell]):
            found = likeness.of(place.cells[first[number]], cell)
            if found is not None:
                alike.setdefault(first[number], []).append((level, found))
                known[number] = merged(known[number], results[cell])
                break
        else:
            first.append(level)
            known = np.vstack([known, results[cell]])
    for level, others in alike.items():
        levels = (level, *(other for other, _ in others))
        yield _AlikeLevels(place, levels, [found for _, found in others])


def _unlike_settings(plan: Plan, likeness: Likeness, classes: Classes) -> Iterator[SameNumbers]:
    """Cells with the numbers of what they are compared with, which no one factor explains."""
    for cell, reference in enumerate(plan.references):
        if classes.of(cell) == classes.of(reference):
            continue
        alike = likeness.of(cell, reference)
        if alike is not None and classes.join(cell, reference):
            yield SameNumbers(
                factor="", levels=[plan.cells[n].name for n in (reference, cell)],
                seeds=alike.seeds, differing=alike.differing,
                are_twins=plan.are_twins([reference, cell]),
            )  # fmt: skip


def _may_repeat(values: Values) -> bool:
    """Whether any two cells have a result in common, on whatever seed."""
    known = [results[~np.isnan(results)] for results in values.T]
    return any(len(np.unique(results)) < len(results) for results in known)


def _num_known(place: Place, levels: Sequence[int], values: Values) -> int:
    """How many of some levels have any result at a place."""
    cells = [place.cells[level] for level in levels if level in place.cells]
    return int((~np.isnan(values[cells])).any(axis=1).sum())


def _where(alike: Sequence[Place], places: Sequence[Place]) -> str:
    """Of all places those where levels are alike: `net=mlp`; empty where they are all."""
    if len(alike) == len(places):
        return ""
    block = alike[0].block
    wanted = {name: {place.at[name] for place in alike if name in place.at} for name in alike[0].at}
    held = {
        name: levels for name, levels in wanted.items()
        if levels != {place.at[name] for place in places if name in place.at}
    }  # fmt: skip
    fitting = [p for p in places if all(p.at.get(name) in held[name] for name in held)]
    if held and len(fitting) == len(alike):
        return ", ".join(
            label for name in held for label in _labels(block.factors, {name: held[name]})
        )
    return f"{len(alike)} of {len(places)} places"


def _labels(factors: Sequence[Factor], at: Mapping[str, int | set[int]]) -> Iterator[str]:
    """`net=mlp`, `width=1 or 2`."""
    for factor in factors:
        if factor.name in at:
            levels = at[factor.name]
            numbers = sorted(levels) if isinstance(levels, set) else [levels]
            labels = " or ".join(factor.texts[n] for n in numbers)
            yield f"{printable(factor.name)}={labels}"
