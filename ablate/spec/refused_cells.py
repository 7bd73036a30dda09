"""What the config model refuses of a study's cells: each cause once, at the keys that make it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from ablate.dotted import flatten, split_key, value_at
from ablate.errors import MISSING, Problem
from ablate.spec.design import Cell, DesignBlock
from ablate.spec.models import Study
from ablate.spec.pydantic_problems import Path, problems_by_path
from ablate.text import first_line, message_of

MAX_PROBED = 200
"""Causes whose keys are looked for; a grid may have as many messages as cells."""
MAX_LABELS = 3
"""Levels of a factor that are named as those of the cells with a mistake."""


@dataclass(frozen=True)
class _Refusal:
    """What the model says of one cell."""

    block: DesignBlock
    cell: Cell
    path: Path
    problem: Problem

    @property
    def is_joint(self) -> bool:
        """Whether it is said of a mapping as a whole: some of its keys do not go together."""
        if self.problem.value is not MISSING:
            return False
        config = self.cell.written_config()
        return not self.path or isinstance(value_at(config, _dotted(self.path)), Mapping)

    @property
    def is_of_unknown_key(self) -> bool:
        """Whether it is said of a key, not of its value."""
        return self.problem.message == "unknown key"

    @property
    def makers(self) -> set[str]:
        """Places of factors that set something below its key, where `base` does not."""
        below = f"{_dotted(self.path)}."
        if any(f"{key}.".startswith(below) for key, _ in flatten(self.cell.base)):
            return set()
        return {
            f"{self.block.place}factors.{name}"
            for name, level in self.cell.levels.items()
            if any(key.startswith(below) for key in level.sets)
        }


@dataclass
class _Cause:
    """One mistake of keys that do not go together, and the cells that have it."""

    problem: Problem
    path: Path
    keys: frozenset[str]
    cells: dict[int, tuple[DesignBlock, Cell]] = field(
        default_factory=dict[int, tuple[DesignBlock, Cell]]
    )
    """By identity."""

    def is_behind(self, told: Problem, refusals: Sequence["_Refusal"], keys: Sequence[str]) -> bool:
        """Whether this makes something else that is told, too: of no cell of its own.

        So it is where both are told of the same keys, or one of more of them, and have a value in
        common: a level that does not go with three others, say.
        """
        places = {self.problem.key, *self.problem.others} & {told.key, *told.others}
        is_nested = self.keys <= {*keys} or self.keys >= {*keys}
        is_elsewhere = self.cells.keys().isdisjoint(id(refusal.cell) for refusal in refusals)
        return refusals[0].path == self.path and bool(places) and is_nested and is_elsewhere


def config_problems(blocks: Sequence[DesignBlock], reported_keys: set[str]) -> list[Problem]:
    """What the config model refuses, each mistake once, at the place in the YAML that sets it.

    Args:
        blocks: The blocks of a study.
        reported_keys: Places of mistakes that are told already; unknown keys there, or which only
            a factor there sets, are left out.
    """
    single: dict[str, _Refusal] = {}
    joint: dict[tuple[Path, str], list[_Refusal]] = {}
    for block in blocks:
        for cell in block.cells if block.model.model else ():
            for refusal in _refused(block, cell):
                if refusal.is_joint:
                    said = refusal.path, refusal.problem.message
                    joint.setdefault(said, []).append(refusal)
                else:
                    single.setdefault(refusal.problem.key, refusal)
    causes = _causes(list(joint.values()))
    told = [
        _as_key_of_study(refusal.problem)
        for refusal in single.values()
        if not (refusal.is_of_unknown_key and _is_told(refusal, reported_keys))
    ]
    num_all = sum(len(block.cells) for block in blocks)
    return [
        *told,
        *(with_cells(cause.problem, [*cause.cells.values()], num_all) for cause in causes),
    ]


def with_cells(
    problem: Problem, cells: Sequence[tuple[DesignBlock, Cell]], num_all: int
) -> Problem:
    """A problem that says which cells have it, if not all of them do.

    Args:
        problem: The mistake.
        cells: The cells that have it, each with its block.
        num_all: How many cells there are.
    """
    if len(cells) >= num_all:
        return problem
    named = _in_common(cells) or f"{cells[0][1].name}{', ...' * (len(cells) > 1)}"
    counted = f" (in {len(cells):,} of {num_all:,} cells: {named})"
    return replace(problem, message=problem.message + counted)


def with_places(problem: Problem, block: DesignBlock, cell: Cell, keys: Sequence[str]) -> Problem:
    """A problem that is told at the places in the YAML that set some keys of a cell's config."""
    return problem.of_keys(*(place_of(block, cell, key) for key in keys))


def place_of(block: DesignBlock, cell: Cell, key: str) -> str:
    """The place in the YAML that sets a key of a cell's config."""
    return _place_of(block, cell, (key,))


def _place_of(block: DesignBlock, cell: Cell, path: Path) -> str:
    """The same of the path to a key."""
    dotted = _dotted(path)
    for factor in block.factors:
        level = cell.levels.get(factor.name)
        for key in level.sets if level else ():
            if dotted == key or dotted.startswith(f"{key}."):
                assert level is not None
                return block.place + factor.where(level, dotted)
    if not path:
        return "base"
    written = [key for key, _ in flatten(block.spec.base)]
    own = any(dotted == key or dotted.startswith(f"{key}.") for key in written)
    return f"{block.place if own else ''}base.{dotted}"


def _causes(said: Sequence[Sequence[_Refusal]]) -> list[_Cause]:
    """The causes of what is said of cells as wholes; see `_Cause.is_behind`."""
    causes: list[_Cause] = []
    for number, refusals in enumerate(said):
        first = refusals[0]
        cause = next((one for one in reversed(causes) if one.path == first.path), None)
        if number < MAX_PROBED or cause is None:
            keys = _involved(first)
            told = with_places(first.problem, first.block, first.cell, keys)
            cause = next((one for one in causes if one.is_behind(told, refusals, keys)), None)
            if cause is None:
                causes.append(cause := _Cause(told, first.path, frozenset(keys)))
        cause.cells |= {id(refusal.cell): (refusal.block, refusal.cell) for refusal in refusals}
    return causes


def _involved(refusal: _Refusal) -> list[str]:
    """The keys of a config without any one of which the model does not say this of it."""
    config = refusal.cell.written_config()
    said = refusal.path, refusal.problem.message

    def is_said_without(key: str) -> bool:
        cell = replace(refusal.cell, levels={}, base=_without(config, key))
        return said in [(r.path, r.problem.message) for r in _refused(refusal.block, cell)]

    return [key for key, _ in flatten(config) if not is_said_without(key)]


def _without(config: Mapping[Any, Any], dotted: str) -> dict[Any, Any]:
    """A config that lacks a key."""
    key, rest = split_key(config, dotted)
    if rest and isinstance(config.get(key), Mapping):
        return {**config, key: _without(config[key], rest)}
    return {name: value for name, value in config.items() if name != key}


def _refused(block: DesignBlock, cell: Cell) -> Iterator[_Refusal]:
    model = block.model.model
    assert model is not None
    try:
        cell.config  # noqa: B018
    except ValidationError as error:
        found = problems_by_path(error, model, lambda path: _place_of(block, cell, path))
        yield from (_Refusal(block, cell, path, problem) for path, problem in found)
    except Exception as error:  # noqa: BLE001 - custom validators may raise anything
        cause = first_line(f"{type(error).__name__}: {message_of(error)}")
        message = f"{model.__name__} cannot take the config: {cause}"
        problem = Problem(f"{block.place}base", message, fix="change the config, or the model")
        yield _Refusal(block, cell, (), problem)


def _in_common(cells: Sequence[tuple[DesignBlock, Cell]]) -> str:
    """The levels that only these cells of their block have: `flow=vp or si, lr=0.1`."""
    block = cells[0][0]
    if any(other is not block for other, _ in cells):
        return ""
    wanted: dict[str, set[str]] = {}
    for factor in block.factors:
        there = {cell.levels[factor.name].key for _, cell in cells if factor.name in cell.levels}
        if len(there) < len({level.key for level in factor.levels}):
            wanted[factor.name] = there
    alike = sum(
        all(name in cell.levels and cell.levels[name].key in keys for name, keys in wanted.items())
        for cell in block.cells
    )
    if alike != len(cells) or any(len(keys) > MAX_LABELS for keys in wanted.values()):
        return ""
    labels = {factor.name: [level.text for level in factor.levels if level.key in keys]
              for factor in block.factors if (keys := wanted.get(factor.name))}  # fmt: skip
    named = ", ".join(f"{name}={' or '.join(texts)}" for name, texts in labels.items())
    return f"{block.place}{named}" if named else ""


def _as_key_of_study(problem: Problem) -> Problem:
    """A problem of a config's key, which may be a key of the study in the wrong place."""
    fix = fix_of_study_key(problem.value) if problem.message == "unknown key" else ""
    return replace(problem, fix=fix) if fix else problem


def fix_of_study_key(key: object) -> str:
    """What to do with a key of the study that stands among keys of configs; `` for other keys."""
    if key not in Study.model_fields:
        return ""
    return f"{key} is a key of the study: write it at the beginning of a line"


def _is_told(refusal: _Refusal, places: set[str]) -> bool:
    """Whether something is told already of a place around it, or of a factor that makes it."""
    key = refusal.problem.key
    is_inside = any(key.startswith((f"{place}.", f"{place}[")) for place in places)
    return is_inside or bool(refusal.makers & places)


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))
