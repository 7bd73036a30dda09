"""The design of a study: blocks of factors -> cells, each with its config."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from ablate.dotted import merged, with_key
from ablate.spec.combinations import Choices, Conditions, Levels, applicable, conditions_of, grid
from ablate.spec.config_keys import as_nested, may_have_keys_of_its_own
from ablate.spec.models import Block, Factor, NamedBlock, Study
from ablate.spec.trainables import Trainables
from ablate.text import printable
from ablate.trainable.config_model import ConfigModel
from ablate.trainable.registry import TrainableEntry

UNKNOWN = TrainableEntry("", "")
"""Stands for a trainable where none is known: any config is valid."""
_KEPT = ("model", "validated", "config")
UNPLACED = -1
"""The index of the A/A cell, which is not among a plan's cells, and of cells without a plan."""


@dataclass(frozen=True)
class Cell:
    """One level of every factor that applies."""

    levels: Levels
    base: Mapping[str, Any]
    """The config in which the levels' keys are set."""
    block: str = ""
    """The block's name if it has its own base: then labels alone do not identify the cell."""
    is_aa: bool = False
    """Whether it is the A/A cell: the baseline on other seeds."""
    entry: TrainableEntry = UNKNOWN
    """The trainable."""
    index: int = UNPLACED
    """Position in the plan's cells, the key of everything that belongs to it."""

    @cached_property
    def model(self) -> ConfigModel:
        """The config model of the trainable."""
        return self.entry.config_model()

    @property
    def configured(self) -> tuple[ConfigModel, Any]:
        """The model and the config that it validated."""
        return self.model, self.validated

    @cached_property
    def labels(self) -> dict[str, Any]:
        """The label of each factor's level."""
        return {name: level.label for name, level in self.levels.items()}

    @property
    def name(self) -> str:
        """The cell for people: `flow=icfm, arch=mlp`."""
        name = (
            ", ".join(f"{printable(name)}={level.text}" for name, level in self.levels.items())
            or "base"
        )
        if self.block:
            name = f"{self.block}: {name}"
        return f"{name} again" if self.is_aa else name

    def placed(self, index: int) -> "Cell":
        """The cell at its place in a plan, keeping its validated config."""
        cell = replace(self, index=index)
        vars(cell).update({k: vars(self)[k] for k in _KEPT if k in vars(self)})
        return cell

    def written_config(self) -> dict[str, Any]:
        """The config as the YAML says it: the base with the levels' keys set."""
        config = dict(self.base)
        for level in self.levels.values():
            for key, value in level.sets.items():
                if "." in key:
                    config = with_key(config, key, value)
                else:  # the most common case, without copying the other keys
                    config[key] = value
        return config

    @cached_property
    def validated(self) -> Any:
        """The config as validated by its model; as written if there is none.

        Raises:
            ValidationError: If the config model refuses it.
        """
        return self.model.validate(self.written_config())

    @cached_property
    def config(self) -> dict[str, Any]:
        """The config with its defaults, as plain values."""
        return plain_config(self.validated)


@dataclass(frozen=True)
class DesignBlock:
    """Factors that are varied together: the study's own, or those of one of its `blocks`."""

    name: str
    place: str
    """Its prefix in the YAML: `` or `blocks[0].`."""
    spec: Block
    base: Mapping[str, Any]
    """The study's base with the block's own over it, nested."""
    entry: TrainableEntry = UNKNOWN
    """The trainable of its cells."""

    @cached_property
    def model(self) -> ConfigModel:
        """The config model of the trainable."""
        return self.entry.config_model()

    @property
    def has_own_trainable(self) -> bool:
        """Whether it names a trainable, and so does not have the study's."""
        return isinstance(self.spec, NamedBlock) and self.spec.trainable is not None

    @property
    def trainable_place(self) -> str:
        """Where its trainable is named in the YAML."""
        return f"{self.place}trainable" if self.has_own_trainable else "trainable"

    @cached_property
    def factors(self) -> tuple[Factor, ...]:
        """The factors in the order of the YAML."""
        return self.spec.factor_list

    @cached_property
    def candidates(self) -> tuple[Cell, ...]:
        """The cells of the design before exclusion."""
        cells: dict[Any, Cell] = {}
        name = self.name if self.place and self._is_apart else ""
        for levels in self._combinations():
            key = _keys(levels)
            if key not in cells:
                cells[key] = Cell(levels, self.base, name, entry=self.entry)
                vars(cells[key])["model"] = self.model  # looked up once
        return tuple(cells.values())

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of the design."""
        excluded = Choices(self.spec.exclude)
        return tuple(cell for cell in self.candidates if not excluded.hold(cell.levels))

    @cached_property
    def baseline_labels(self) -> dict[str, Any]:
        """Of each factor the level that others are compared with: that in the YAML, or the first.

        It is also what cells start from whose levels are not all given.
        """
        first = {f.name: f.levels[0].label for f in self.factors if f.levels}
        listed = self.spec.design == "cells" and self.spec.cells and not self.spec.baseline
        return {**first, **(self.spec.cells[0] if listed else self.spec.baseline)}

    @property
    def named_baseline(self) -> Mapping[str, Any]:
        """The labels that make a cell a baseline, whatever its other levels are.

        All of them where the YAML names none. One at a time starts from one whole recipe.
        """
        is_whole = self.spec.design == "one_at_a_time" or not self.spec.baseline
        return self.baseline_labels if is_whole else self.spec.baseline

    @cached_property
    def references(self) -> tuple[int | None, ...]:
        """For each cell the place of the one that it is compared with: a baseline's is its own.

        It has the named levels and is otherwise the same, as far as factors apply to it; those that
        apply to it alone have the level of `baseline_labels`. None where the design has no such
        cell, and of cells to which none of the named factors applies.
        """
        named, start = self._levels(self.named_baseline), self._levels(self.baseline_labels)
        place = {_keys(cell.levels): number for number, cell in enumerate(self.cells)}
        found: list[int | None] = []
        for cell in self.cells:
            partner = applicable({**start, **cell.levels, **named}, self._conditions)
            is_apart = bool(named) and not named.keys() & cell.levels.keys()
            found.append(None if is_apart else place.get(_keys(partner)))
        return tuple(found)

    @cached_property
    def baseline(self) -> Cell | None:
        """The first of the cells that others are compared with; None if the design has none."""
        own = (n for n, reference in enumerate(self.references) if reference == n)
        return next((self.cells[number] for number in own), None)

    @cached_property
    def _conditions(self) -> Conditions:
        return conditions_of(self.spec, self.factors)

    @property
    def _is_apart(self) -> bool:
        """Whether labels alone do not tell its cells from those of other blocks."""
        return bool(self.spec.base) or self.has_own_trainable

    def _combinations(self) -> Iterator[Levels]:
        """Combinations of applicable levels, possibly repeated."""
        if self.spec.design == "grid":
            yield from grid(self.factors, self._conditions)
            return
        for levels in self._chosen():
            yield applicable(levels, self._conditions)

    def _chosen(self) -> Iterator[Levels]:
        """Combinations with a level of each factor, applicable or not."""
        start = self._levels(self.baseline_labels)
        if self.spec.design == "cells":
            yield from ({**start, **self._levels(labels)} for labels in self.spec.cells)
            return
        yield start
        for factor in self.factors:
            yield from ({**start, factor.name: level} for level in factor.levels)

    def _levels(self, labels: Mapping[str, Any]) -> Levels:
        levels = {f.name: f.level(labels[f.name]) for f in self.factors if f.name in labels}
        return {name: level for name, level in levels.items() if level is not None}


def _keys(levels: Levels) -> frozenset[tuple[str, str]]:
    """Equal for the same levels."""
    return frozenset((name, level.key) for name, level in levels.items())


def blocks_of(study: Study, trainables: Trainables) -> list[DesignBlock]:
    """The study's own factors as a block, then its further blocks.

    The first is left out if the study has blocks but no factors of its own. The latest result is
    cached, with the configs that were validated meanwhile.
    """
    parts = (trainables, repr([getattr(study, name) for name in _PARTS]))
    if _LAST and _LAST[0][0] == parts:
        return _LAST[0][1]
    _LAST[:] = [(parts, _blocks(study, trainables))]
    return _LAST[0][1]


_PARTS = ("base", "factors", "baseline", "design", "cells", "when", "exclude", "blocks")
"""The fields of a study that define its design."""
_LAST: list[tuple[tuple[Trainables, str], list[DesignBlock]]] = []


def _blocks(study: Study, trainables: Trainables) -> list[DesignBlock]:
    blocks: list[DesignBlock] = []
    if trainables.is_used:
        model = trainables.own.config_model().model
        blocks.append(DesignBlock("", "", study, as_nested(model, study.base), trainables.own))
    pairs = zip(study.blocks, trainables.of_blocks, strict=True)
    for index, (spec, entry) in enumerate(pairs):
        name, place = spec.name or str(index + 1), f"blocks[{index}]."
        model = entry.config_model().model
        below = {} if spec.trainable is not None else as_nested(model, study.base)
        own = merged(below, as_nested(model, spec.base))
        blocks.append(DesignBlock(name, place, spec, own, entry))
    return blocks


def factors_of(blocks: Sequence[Any]) -> dict[str, Factor]:
    """The factors of all blocks by name; a factor in several blocks has the levels of all."""
    factors: dict[str, Factor] = {}
    for factor in (factor for block in blocks for factor in block.factors):
        merged_factor = factors.get(factor.name, Factor(factor.name, (), factor.named))
        new = tuple(level for level in factor.levels if merged_factor.level(level.label) is None)
        factors[factor.name] = Factor(factor.name, (*merged_factor.levels, *new), factor.named)
    return factors


def plain_config(validated: Any) -> dict[str, Any]:
    """A validated config with its defaults, as plain values."""
    if not isinstance(validated, BaseModel):
        return validated
    plain = validated.model_dump(mode="json")
    if not may_have_keys_of_its_own(type(validated)):
        return plain
    return _with_own_keys(validated.model_dump(), plain)


def hashed_config(model: ConfigModel, config: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved config without the keys that do not affect results."""
    unhashed = model.unhashed
    return {key: value for key, value in config.items() if key not in unhashed}


def _with_own_keys(dumped: Any, plain: Any) -> Any:
    """Plain values with their original keys: JSON turns numbers and null into strings."""
    if isinstance(dumped, Mapping) and isinstance(plain, dict):
        if len(dumped) == len(plain):
            pairs = zip(dumped.items(), plain.items(), strict=True)
            return {_own(key, word): _with_own_keys(value, item)
                    for (key, value), (word, item) in pairs}  # fmt: skip
        return {_own(key, str(key)): to_jsonable_python(item) for key, item in dumped.items()}
    if isinstance(dumped, list | tuple) and isinstance(plain, list) and len(dumped) == len(plain):
        return [_with_own_keys(*pair) for pair in zip(dumped, plain, strict=True)]
    return plain


def _own(key: Any, word: str) -> Any:
    return key if key is None or type(key) in (str, int, float, bool) else word
