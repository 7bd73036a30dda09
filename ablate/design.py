"""The design of a study: blocks of factors -> cells, each with its config."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ValidationError

from ablate.identity import canonical_json
from ablate.nested import flatten, nest, set_key
from ablate.study import Block, Factor, Level, Study
from ablate.text import printable, shortened

Levels = Mapping[str, Level]
MAX_LABEL = 200
"""Characters of a level's label where people read it."""


@dataclass(frozen=True)
class Cell:
    """One choice of a level for every factor that applies."""

    levels: Levels
    base: Mapping[str, Any]
    """The config that the levels' keys are set in."""
    block: str = ""
    """The block's name where it has a base of its own: its labels alone do not say it all."""
    again: bool = False
    """A second baseline, run on other seeds (A/A)."""

    @cached_property
    def labels(self) -> dict[str, Any]:
        """The label of each factor's level."""
        return {name: level.label for name, level in self.levels.items()}

    @property
    def name(self) -> str:
        """The cell for people: `flow=icfm, arch=mlp`."""
        name = (
            ", ".join(f"{printable(name)}={text(label)}" for name, label in self.labels.items())
            or "base"
        )
        if self.block:
            name = f"{self.block}: {name}"
        return f"{name} again" if self.again else name

    def matches(self, choice: Mapping[str, Any]) -> bool:
        """Whether the cell has every level that a choice names."""
        return all(
            name in self.levels and self.levels[name].key == canonical_json(label)
            for name, label in choice.items()
        )

    def written_config(self) -> dict[str, Any]:
        """The config as the YAML says it: the base with the levels' keys set."""
        config = nest(self.base)
        for level in self.levels.values():
            for key, value in level.sets.items():
                set_key(config, key, value)
        return config


@dataclass(frozen=True)
class DesignBlock:
    """Factors that are varied together, the study's own or those of one of its `blocks`."""

    name: str
    place: str
    """Where it stands in the YAML: `` or `blocks[0].`."""
    spec: Block
    base: Mapping[str, Any]
    """The study's base with the block's own over it, nested."""

    @cached_property
    def factors(self) -> tuple[Factor, ...]:
        """The factors in the order of the YAML."""
        return self.spec.factor_list

    @cached_property
    def candidates(self) -> tuple[Cell, ...]:
        """The cells of the design before any is excluded."""
        found: dict[tuple[Any, ...], Cell] = {}
        name = self.name if self.place and self.spec.base else ""
        for levels in self._combinations():
            applicable = self._applicable(levels)
            key = tuple((name, level.key) for name, level in applicable.items())
            found.setdefault(key, Cell(applicable, self.base, name))
        return tuple(found.values())

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of the design."""
        excluded = self.spec.exclude
        return tuple(c for c in self.candidates if not any(c.matches(e) for e in excluded))

    @cached_property
    def baseline_labels(self) -> dict[str, Any]:
        """Labels of the baseline: as the YAML says, else the first level of each factor."""
        first = {f.name: f.levels[0].label for f in self.factors if f.levels}
        listed = self.spec.design == "cells" and self.spec.cells and not self.spec.baseline
        return {**first, **(self.spec.cells[0] if listed else self.spec.baseline)}

    @cached_property
    def baseline(self) -> Cell | None:
        """The cell that the others are compared with; None where the design has no such cell."""
        levels = self._applicable(self._levels(self.baseline_labels))
        wanted = {name: level.key for name, level in levels.items()}
        return next(
            (c for c in self.cells if {n: level.key for n, level in c.levels.items()} == wanted),
            None,
        )

    def _combinations(self) -> Iterator[Levels]:
        """Choices of a level for each factor, applicable or not."""
        if self.spec.design == "grid":
            for levels in itertools.product(*[factor.levels for factor in self.factors]):
                yield {f.name: level for f, level in zip(self.factors, levels, strict=True)}
            return
        start = self._levels(self.baseline_labels)
        if self.spec.design == "cells":
            yield from ({**start, **self._levels(labels)} for labels in self.spec.cells)
            return
        yield start
        for factor in self.factors:
            yield from ({**start, factor.name: level} for level in factor.levels)

    def _levels(self, labels: Mapping[str, Any]) -> Levels:
        found = {f.name: f.level(labels[f.name]) for f in self.factors if f.name in labels}
        return {name: level for name, level in found.items() if level is not None}

    def _applicable(self, levels: Levels) -> Levels:
        """Without the factors whose `when` does not hold; dropping one may drop others."""
        kept = {n: level for n, level in levels.items() if _holds(self.spec.when.get(n), levels)}
        return kept if len(kept) == len(levels) else self._applicable(kept)


def blocks_of(study: Study) -> list[DesignBlock]:
    """The study's own factors, then its further blocks.

    The study's own are left out where it has none, but blocks.
    """
    base = nest(study.base)
    blocks: list[DesignBlock] = []
    if study.factors or not study.blocks:
        blocks.append(DesignBlock("", "", study, base))
    for index, spec in enumerate(study.blocks):
        merged = nest(base)
        for key, value in flatten(spec.base):
            set_key(merged, key, value)
        blocks.append(DesignBlock(spec.name or str(index + 1), f"blocks[{index}].", spec, merged))
    return blocks


def factors_of(blocks: Sequence[Any]) -> dict[str, Factor]:
    """The factors of all blocks by name; one that stands in several has the levels of all."""
    found: dict[str, Factor] = {}
    for factor in (factor for block in blocks for factor in block.factors):
        known = found.get(factor.name, Factor(factor.name, (), factor.named))
        new = tuple(level for level in factor.levels if known.level(level.label) is None)
        found[factor.name] = Factor(factor.name, (*known.levels, *new), factor.named)
    return found


def as_labels(written: Any) -> list[Any]:
    """The labels of a condition: `si` and `[si, vp]` alike as a list."""
    return list(written) if isinstance(written, list | tuple) else [written]


def resolve_config(model: type[BaseModel] | None, config: dict[str, Any]) -> dict[str, Any]:
    """A config with its defaults, as plain JSON values.

    Raises:
        ValidationError: Where the config model refuses it.
    """
    if model is None:
        return config
    return model.model_validate(config).model_dump(mode="json")


def hashed_config(model: type[BaseModel] | None, config: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved config without the keys that change no result."""
    unhashed = getattr(model, "unhashed", frozenset())
    return {key: value for key, value in config.items() if key not in unhashed}


def text(label: Any) -> str:
    """A level's label as people read it."""
    shown = label if isinstance(label, str) else canonical_json(label).strip('"')
    return shortened(printable(shown), MAX_LABEL)


def _holds(condition: Mapping[str, Any] | None, levels: Levels) -> bool:
    return all(
        name in levels and levels[name].key in map(canonical_json, as_labels(labels))
        for name, labels in (condition or {}).items()
    )


__all__ = [
    "Cell",
    "DesignBlock",
    "ValidationError",
    "as_labels",
    "blocks_of",
    "factors_of",
    "hashed_config",
    "resolve_config",
    "text",
]
