"""The design of a study: factors -> cells, each with its resolved config."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ValidationError

from ablate.identity import canonical_json
from ablate.nested import nest, set_key
from ablate.study import Level, Study


@dataclass(frozen=True)
class Cell:
    """One choice of a level for every factor."""

    levels: Mapping[str, Level]

    @cached_property
    def labels(self) -> dict[str, Any]:
        """The label of each factor's level."""
        return {name: level.label for name, level in self.levels.items()}

    @property
    def name(self) -> str:
        """The cell for people: `flow=icfm, arch=mlp`."""
        return ", ".join(f"{name}={text(label)}" for name, label in self.labels.items()) or "base"

    def matches(self, choice: Mapping[str, Any]) -> bool:
        """Whether the cell has every level that a choice names."""
        return all(
            name in self.levels and self.levels[name].key == canonical_json(label)
            for name, label in choice.items()
        )

    def written_config(self, study: Study) -> dict[str, Any]:
        """The config as the YAML says it: the base with the levels' keys set."""
        config = nest(study.base)
        for level in self.levels.values():
            for key, value in level.sets.items():
                set_key(config, key, value)
        return config


def cells_of(study: Study) -> Iterator[Cell]:
    """The cells of a study's design, excluded ones left out."""
    for cell in all_cells(study):
        if not any(cell.matches(choice) for choice in study.exclude):
            yield cell


def all_cells(study: Study) -> Iterator[Cell]:
    """The full grid, in the order of the YAML: the last factor changes fastest."""
    factors = study.factor_list
    for levels in itertools.product(*[factor.levels for factor in factors]):
        yield Cell({f.name: level for f, level in zip(factors, levels, strict=True)})


def baseline_choice(study: Study) -> dict[str, Any]:
    """The labels of the baseline: those of the YAML, else the first level of each factor."""
    first = {f.name: f.levels[0].label for f in study.factor_list if f.levels}
    return {**first, **study.baseline}


def resolve_config(model: type[BaseModel] | None, config: dict[str, Any]) -> dict[str, Any]:
    """A config with its defaults, as plain JSON values.

    Raises:
        ValidationError: Where the config model refuses it.
    """
    if model is None:
        return config
    return model.model_validate(config).model_dump(mode="json")


def text(label: Any) -> str:
    """A level's label as people read it."""
    return label if isinstance(label, str) else canonical_json(label).strip('"')


__all__ = [
    "Cell",
    "ValidationError",
    "all_cells",
    "baseline_choice",
    "cells_of",
    "resolve_config",
    "text",
]
