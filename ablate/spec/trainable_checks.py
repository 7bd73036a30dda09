"""Checks how a study fits a trainable of one's own: parameters, paths, and when its runs end."""

from collections.abc import Iterable, Iterator, Sequence

from pydantic import ValidationError

from ablate.dotted import value_at
from ablate.errors import Problem
from ablate.functions.signature import signature_problem
from ablate.spec.design import Cell, DesignBlock
from ablate.spec.environment import unset_problems
from ablate.spec.models import Study
from ablate.text import some
from ablate.trainable.config_model import ConfigModel
from ablate.trainable.registry import TrainableEntry

OF_TUNE = ("training_iteration", "time_total_s", "timesteps_total", "episodes_total")
"""Numbers that Tune adds to results, or adds up."""


def trainable_problems(
    study: Study, entries: Iterable[TrainableEntry], blocks: Sequence[DesignBlock]
) -> Iterator[Problem]:
    """What does not fit, of each trainable of a study.

    Args:
        study: The study.
        entries: Its trainables.
        blocks: Its design.
    """
    for entry in entries:
        own = [block for block in blocks if block.entry == entry]
        for place in list(dict.fromkeys(block.trainable_place for block in own))[:1]:
            yield from _function_problems(entry, own, place)
        yield from _stop_problems(study, entry)
        yield from _unset_path_problems(entry.config_model(), own)


def _function_problems(
    entry: TrainableEntry, blocks: Sequence[DesignBlock], place: str
) -> Iterator[Problem]:
    """Parameters of a function and keys of cells that do not fit each other."""
    if not entry.is_function:
        return
    cells = ((cell.name, config) for _, cell, config in _configs(blocks))
    problem = signature_problem(entry.name, entry.load_function(), cells)
    if problem is not None:
        yield problem.of_keys(place, *(_written(blocks, key) for key in problem.others))


def _written(blocks: Sequence[DesignBlock], key: str) -> str:
    """Where a key that some cell has is written first."""
    places = (
        f"{block.place}{_where(block, cell, key)}"
        for block, cell, config in _configs(blocks)
        if key in config
    )
    return next(places, key)


def _stop_problems(study: Study, entry: TrainableEntry) -> Iterator[Problem]:
    """Where `stop` cannot hold."""
    if not study.stop:
        return
    model = entry.config_model()
    if entry.hooks.packs and entry.command is None:
        names = [f"base.{key}" for key in model.length_keys]
        fix = f"drop it, and set {some(names, between=' or ')}" if names else "drop it"
        yield Problem("stop", f"ends trials, and {entry.name} may train several runs in one, each "
                      "with an end of its own", study.stop, fix=fix)  # fmt: skip
        return
    known = (*model.metrics, *OF_TUNE)
    for name in study.stop if model.metrics else ():
        if name not in known:
            yield Problem(f"stop.{name}", "the trainable reports no such number", name, known)


def _unset_path_problems(model: ConfigModel, blocks: Sequence[DesignBlock]) -> Iterator[Problem]:
    """Paths that name what the environment does not have, each once."""
    seen = set[str]()
    for block, cell, config in _configs(blocks) if model.paths else ():
        for key in sorted(model.paths):
            written = value_at(config, key)
            place = f"{block.place}{_where(block, cell, key)}"
            if place not in seen:
                seen.add(place)
                yield from unset_problems(place, written)


def _where(block: DesignBlock, cell: Cell, key: str) -> str:
    """Where a key of a cell's config is written, below its block."""
    for factor in block.factors:
        level = cell.levels.get(factor.name)
        if level is not None and key in level.sets:
            return factor.where(level, key)
    return f"base.{key}"


def _configs(
    blocks: Iterable[DesignBlock],
) -> Iterator[tuple[DesignBlock, Cell, dict[str, object]]]:
    """The cells whose configs are valid; the others are told elsewhere."""
    for block in blocks:
        for cell in block.cells:
            try:
                yield block, cell, cell.config
            except ValidationError:
                continue
