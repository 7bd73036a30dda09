"""What pydantic cannot see of a study file: how its parts fit each other and the trainable."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from ablate.comparability import differing_keys, measures, resolved_model
from ablate.design import Cell, all_cells, baseline_choice, cells_of, resolve_config, text
from ablate.errors import Problem
from ablate.identity import canonical_json
from ablate.ledger import COLUMNS
from ablate.registry import find_trainable
from ablate.study import NAME, Factor, Study
from ablate.validation import Path, keys_of, problems_of

RESERVED = frozenset(COLUMNS)
"""Columns of the ledger that a factor cannot be called."""


def study_problems(study: Study) -> list[Problem]:
    """Every mistake of a study whose fields are well-formed one by one."""
    problems = [*_storage_problems(study), *_seed_problems(study)]
    entry = find_trainable(study.trainable)
    if isinstance(entry, Problem):
        return [*problems, entry, *_factor_shape_problems(study.factors)]
    model = entry.config_model()
    problems += _metric_problems(study, model)
    study, shapes = _well_formed(study)
    problems += shapes
    problems += _factor_problems(study.factor_list, model)
    choices = [*_choice_problems("baseline", study.baseline, study.factor_list)]
    for index, choice in enumerate(study.exclude):
        choices += _choice_problems(f"exclude[{index}]", choice, study.factor_list)
    problems += choices or _cell_choice_problems(study)
    problems += _config_problems(study, model)
    return problems or [
        *_coinciding_cells(study, model),
        *_unmeasured(study, model),
        *_comparability(study, model),
    ]


def _well_formed(study: Study) -> tuple[Study, list[Problem]]:
    """The study without the factors whose very shape is wrong, so that the rest is checked."""
    problems: list[Problem] = []
    factors: dict[str, Any] = {}
    for name, raw in study.factors.items():
        wrong = list(_factor_shape_problems({name: raw}))
        problems += wrong
        if not wrong:
            factors[name] = raw
    dropped = study.factors.keys() - factors.keys()
    kept = {
        "factors": factors,
        "baseline": {k: v for k, v in study.baseline.items() if k not in dropped},
        "exclude": tuple(choice for choice in study.exclude if not dropped & choice.keys()),
    }
    return study.model_copy(update=kept), problems


def _storage_problems(study: Study) -> Iterator[Problem]:
    if "://" in study.storage:
        yield Problem(
            "storage", "only local paths for now", study.storage, fix="write a path, ./studies say"
        )
        return
    existing = study.directory
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        yield Problem("storage", f"{existing} is a file, not a directory", study.storage,
                      fix="name another path, or move the file away")  # fmt: skip
    elif not os.access(existing, os.W_OK | os.X_OK):
        yield Problem("storage", f"{existing} cannot be written", study.storage,
                      fix="name a path that you may write, or --storage DIR")  # fmt: skip


def _seed_problems(study: Study) -> Iterator[Problem]:
    for index, seed in enumerate(study.seeds):
        if seed in study.seeds[:index]:
            yield Problem(f"seeds[{index}]", "the seed stands twice", seed, fix="drop one")


def _metric_problems(study: Study, model: type[BaseModel] | None) -> Iterator[Problem]:
    known = getattr(model, "metrics", ())
    if known and study.metric not in known:
        yield Problem("metric", "the trainable reports no such metric", study.metric, tuple(known))


def _factor_shape_problems(factors: Mapping[str, Any]) -> Iterator[Problem]:
    for name, raw in factors.items():
        key = f"factors.{name}"
        if name in RESERVED:
            yield Problem(key, "is a column of the ledger: a factor cannot be called so",
                          fix="seeds go under 'seeds:'; else use another name")  # fmt: skip
        if not isinstance(raw, list | Mapping):
            yield Problem(key, "is neither a list of levels nor a mapping of named levels", raw,
                          fix=f"write {name}: [{raw}, ...]")  # fmt: skip
        elif not raw:
            yield Problem(key, "has no levels", fix="add levels, or drop the factor")
        elif isinstance(raw, Mapping):
            yield from _named_level_problems(key, raw)


def _named_level_problems(key: str, levels: Mapping[Any, Any]) -> Iterator[Problem]:
    for label, sets in levels.items():
        if not isinstance(label, str) or not NAME.fullmatch(label):
            yield Problem(f"{key}.{label}", "a level's name becomes part of file names", label,
                          fix="use letters, digits, '.', '_' and '-' only")  # fmt: skip
        if not isinstance(sets, Mapping) or not sets:
            yield Problem(f"{key}.{label}", "does not say which config keys it sets", sets,
                          fix=f"write {label}: {{key: value, ...}}")  # fmt: skip


def _factor_problems(factors: Sequence[Factor], model: type[BaseModel] | None) -> Iterator[Problem]:
    keys = tuple(keys_of(model)) if model else ()
    owners: dict[str, str] = {}
    for factor in factors:
        seen: set[str] = set()
        for index, level in enumerate(factor.levels):
            if level.key in seen:
                yield Problem(f"factors.{factor.name}[{index}]", "the level stands twice",
                              level.label, fix="drop one")  # fmt: skip
            seen.add(level.key)
        for key in dict.fromkeys(key for level in factor.levels for key in level.sets):
            if keys and not any(known == key or known.startswith(f"{key}.") for known in keys):
                place = f"factors.{factor.name}"
                yield Problem(place, "names no config key", key, keys)
            if key in owners:
                yield Problem(f"factors.{factor.name}", f"sets a key that {owners[key]} sets too",
                              key, fix="let one factor set it")  # fmt: skip
            owners[key] = f"factors.{factor.name}"


def _choice_problems(
    place: str, choice: Mapping[str, Any], factors: Sequence[Factor]
) -> Iterator[Problem]:
    by_name = {factor.name: factor for factor in factors}
    for name, label in choice.items():
        if name not in by_name:
            yield Problem(f"{place}.{name}", "is not a factor", name, tuple(by_name))
        elif by_name[name].level(label) is None:
            labels = tuple(text(level.label) for level in by_name[name].levels)
            yield Problem(f"{place}.{name}", "is not a level of the factor", label, labels)


def _cell_choice_problems(study: Study) -> Iterator[Problem]:
    grid = list(all_cells(study))
    for index, choice in enumerate(study.exclude):
        if not choice or not any(cell.matches(choice) for cell in grid):
            yield Problem(f"exclude[{index}]", "matches no cell", choice, fix="drop it")
    if not any(True for _ in cells_of(study)):
        yield Problem("exclude", "leaves no cell", fix="exclude less")
    elif not any(cell.matches(baseline_choice(study)) for cell in cells_of(study)):
        yield Problem("baseline", "matches no cell: it is excluded", baseline_choice(study),
                      fix="name another baseline, or do not exclude it")  # fmt: skip


def _config_problems(study: Study, model: type[BaseModel] | None) -> list[Problem]:
    """What the config model refuses, each mistake once, at the place in the YAML that sets it."""
    if model is None:
        return []
    found: dict[str, Problem] = {}
    for cell in cells_of(study):
        for problem in _cell_problems(study, cell, model):
            found.setdefault(problem.key, problem)
    # A factor's name that is no config key is told by itself.
    unknown = {f"factors.{f.name}" for f in study.factor_list}
    return [p for p in found.values() if p.message != "unknown key" or not _inside(p.key, unknown)]


def _inside(key: str, places: set[str]) -> bool:
    return any(key.startswith((f"{place}.", f"{place}[")) for place in places)


def _cell_problems(study: Study, cell: Cell, model: type[BaseModel] | None) -> list[Problem]:
    try:
        resolve_config(model, cell.written_config(study))
    except ValidationError as error:
        assert model is not None
        return problems_of(error, model, lambda path: _place(study, cell, path))
    return []


def _place(study: Study, cell: Cell, path: Path) -> str:
    dotted = ".".join(map(str, path))
    for factor in study.factor_list:
        level = cell.levels.get(factor.name)
        for key in level.sets if level else ():
            if dotted == key or dotted.startswith(f"{key}."):
                assert level is not None
                return factor.where(level, dotted)
    return f"base.{dotted}" if dotted else f"cell {cell.name}"


def _coinciding_cells(study: Study, model: type[BaseModel] | None) -> Iterator[Problem]:
    seen: dict[str, Cell] = {}
    unhashed = getattr(model, "unhashed", frozenset())
    for cell in cells_of(study):
        config = resolve_config(model, cell.written_config(study))
        key = canonical_json({k: v for k, v in config.items() if k not in unhashed})
        if key in seen:
            yield Problem("factors", f"two cells are the same: {seen[key].name} and {cell.name}",
                          fix="drop one of the levels, or exclude one of the cells")  # fmt: skip
        seen.setdefault(key, cell)


def _comparability(study: Study, model: type[BaseModel] | None) -> Iterator[Problem]:
    configs = [resolved_model(study, cell, model) for cell in cells_of(study)]
    broken = differing_keys(configs, study.metric)
    if study.allow_incomparable or not broken:
        return
    good = tuple(
        name
        for name in getattr(model, "metrics", ())
        if all(measures(config, name) for config in configs) and not differing_keys(configs, name)
    )
    yield Problem(
        "metric",
        f"measures another thing in cells that differ in {', '.join(broken)}",
        study.metric, good,
        f"write metric: {good[0]}, or allow_incomparable: true to rank by it all the same"
        if good else "write allow_incomparable: true to rank by it all the same",
    )  # fmt: skip


def _unmeasured(study: Study, model: type[BaseModel] | None) -> Iterator[Problem]:
    """A metric that the trainable knows, but that a cell's config does not ask for."""
    for cell in cells_of(study):
        if not measures(resolved_model(study, cell, model), study.metric):
            yield Problem(
                "metric", f"is not measured in cell {cell.name}: its config does not ask for it",
                study.metric, fix=f"set base.{study.metric}: true",
            )  # fmt: skip
            return
