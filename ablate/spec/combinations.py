"""The combinations of levels in a design, and how to count them beforehand."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ablate.identity import canonical_json
from ablate.spec.models import Block, Factor, Level

Levels = Mapping[str, Level]
Conditions = Mapping[str, Mapping[str, frozenset[str]]]
"""By factor, and by each factor that it depends on: the keys of the levels that it needs."""


class Choices:
    """Partial assignments of levels, as in `exclude` and `compare`."""

    def __init__(self, written: Iterable[Mapping[str, Any]]) -> None:
        self._keys: dict[tuple[str, ...], dict[tuple[str, ...], list[int]]] = {}
        for index, choice in enumerate(written):
            names = tuple(sorted(choice))
            keys = tuple(canonical_json(choice[name]) for name in names)
            self._keys.setdefault(names, {}).setdefault(keys, []).append(index)

    def hold(self, levels: Levels) -> bool:
        """Whether one of the choices matches some levels."""
        return any(True for _ in self.holding(levels))

    def holding(self, levels: Levels) -> Iterator[int]:
        """The indices of the choices that match some levels."""
        for names, choices in self._keys.items():
            if all(name in levels for name in names):
                yield from choices.get(tuple(levels[name].key for name in names), ())


def conditions_of(spec: Block, factors: Sequence[Factor]) -> Conditions:
    """The conditions of a block's factors."""
    by_name = {factor.name: factor for factor in factors}
    return {
        name: {
            other: frozenset(map(canonical_json, accepted(by_name.get(other), written)))
            for other, written in condition.items()
        }
        for name, condition in spec.when.items()
    }


def accepted(factor: Factor | None, written: Any) -> list[Any]:
    """The labels that a condition names: `si` or `[si, vp]`, unless the list itself is a level."""
    is_level = factor is not None and factor.level(written) is not None
    is_several = isinstance(written, list | tuple) and not is_level
    return list(written) if is_several else [written]


def applicable(levels: Levels, conditions: Conditions) -> Levels:
    """Levels of the factors that apply; dropping one may make others not apply."""
    applying = {n: level for n, level in levels.items() if _holds(conditions.get(n), levels)}
    return applying if len(applying) == len(levels) else applicable(applying, conditions)


def grid(factors: Sequence[Factor], conditions: Conditions) -> Iterator[Levels]:
    """Every combination of levels, in the order of the factors; the last one varies fastest."""
    if not conditions:
        for levels in itertools.product(*[factor.levels for factor in factors]):
            yield {f.name: level for f, level in zip(factors, levels, strict=True)}
        return
    position = {f.name: {level.key: n for n, level in enumerate(f.levels)} for f in factors}

    def order(levels: Levels) -> tuple[int, ...]:
        return tuple(position[f.name][levels[f.name].key] if f.name in levels else 0
                     for f in factors)  # fmt: skip

    for levels in sorted(_conditional(factors, conditions), key=order):
        yield {f.name: levels[f.name] for f in factors if f.name in levels}


def num_combinations(spec: Block, factors: Sequence[Factor], most: int) -> tuple[int, bool]:
    """How many cells a block has before exclusion, and whether that count is complete.

    Args:
        spec: The block.
        factors: Its factors.
        most: Where counting stops if factors depend on each other.
    """
    if spec.design == "cells":
        return len(spec.cells), True
    if spec.design == "one_at_a_time":
        return 1 + sum(len(factor.levels) - 1 for factor in factors), True
    conditions = conditions_of(spec, factors)
    involved = {*conditions, *(other for needed in conditions.values() for other in needed)}
    free = math.prod(len(factor.levels) for factor in factors if factor.name not in involved)
    tied = [factor for factor in factors if factor.name in involved]
    count = len(_conditional(tied, conditions, most))
    return free * count, count <= most


def _conditional(
    factors: Sequence[Factor], conditions: Conditions, most: float = math.inf
) -> list[Levels]:
    """Combinations of levels of applicable factors, in any order; stops soon after `most`."""
    combinations: list[dict[str, Level]] = [{}]
    for factor in _in_order(factors, conditions):
        grown: list[dict[str, Level]] = []
        for levels in combinations:
            if not _holds(conditions.get(factor.name), levels):
                grown.append(levels)
            else:
                grown += [{**levels, factor.name: level} for level in factor.levels]
            if len(grown) > most:
                return list(grown)
        combinations = grown
    return list(combinations)


def _in_order(factors: Sequence[Factor], conditions: Conditions) -> list[Factor]:
    """The factors, each after those it depends on."""
    unordered = {factor.name: factor for factor in factors}
    ordered: list[Factor] = []
    while unordered:
        ready = [
            f for n, f in unordered.items() if not unordered.keys() & conditions.get(n, {}).keys()
        ]
        ready = ready or list(unordered.values())  # a cycle, which is reported elsewhere
        ordered += ready
        unordered = {name: factor for name, factor in unordered.items() if factor not in ready}
    return ordered


def _holds(needed: Mapping[str, frozenset[str]] | None, levels: Levels) -> bool:
    return all(name in levels and levels[name].key in keys for name, keys in (needed or {}).items())
