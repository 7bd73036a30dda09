"""study -> plan: cells x seeds as runs, with their ids, names and order. Pure functions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from ablate.design import Cell, baseline_choice, cells_of, resolve_config, text
from ablate.errors import InputError, Problem
from ablate.identity import canonical_json, content_id, difference
from ablate.nested import flatten, set_key
from ablate.registry import TrainableEntry, find_trainable
from ablate.study import Study
from ablate.yaml12 import parse_yaml

MAX_NAME = 120
"""Longest run name: file systems allow 255 bytes, suffixes need some."""


@dataclass(frozen=True)
class Run:
    """One cell with one seed: the unit of work and of result."""

    run_id: str
    run_name: str
    seed: int
    cell: Cell
    config: Mapping[str, Any]
    """Resolved, as hashed; `launch_config` has its paths made absolute."""


@dataclass(frozen=True)
class Plan:
    """Everything that a study asks for, in the order in which it is run."""

    study: Study
    entry: TrainableEntry
    model: type[BaseModel] | None
    cells: Sequence[Cell]
    runs: Sequence[Run]
    notes: Sequence[str] = field(default=())

    @cached_property
    def baseline(self) -> Cell:
        """The cell that the others are compared with."""
        choice = baseline_choice(self.study)
        return next(cell for cell in self.cells if cell.matches(choice))

    @cached_property
    def by_id(self) -> dict[str, Run]:
        """Runs by id."""
        return {run.run_id: run for run in self.runs}

    def launch_config(self, run: Run) -> dict[str, Any]:
        """A run's config for the worker, which works in another directory: absolute paths."""
        config = _copy(run.config)
        flat = dict(flatten(run.config))
        for key in getattr(self.model, "paths", ()):
            if isinstance(flat.get(key), str) and "://" not in flat[key]:
                set_key(config, key, str(self.study.path(flat[key])))
        return config


def plan_study(study: Study, names: Mapping[str, str] | None = None) -> Plan:
    """Plans a study: every cell with every seed, replicate by replicate.

    Args:
        study: A checked study.
        names: Names that runs already have in the ledger, by run id.

    Returns:
        The plan; the order is seed by seed, so that a study stopped early is still balanced.

    Raises:
        InputError: Where the trainable is unknown.
    """
    entry = find_trainable(study.trainable)
    if isinstance(entry, Problem):
        raise InputError(study.study, [entry])
    model = entry.config_model()
    cells = list(cells_of(study))
    configs = [resolve_config(model, cell.written_config(study)) for cell in cells]
    contents = [_content(model, entry.name, config) for config in configs]
    runs = [
        Run(content_id({**content, "seed": seed}), _run_name(cell, seed), seed, cell, config)
        for seed in study.seeds
        for cell, config, content in zip(cells, configs, contents, strict=True)
    ]
    return Plan(
        study, entry, model, cells, _named(runs, names or {}), _notes(model, cells, configs)
    )


def select_runs(plan: Plan, only: str) -> list[Run]:
    """The runs that `--only flow=vp,seed=42` names.

    Raises:
        InputError: Where a key is neither a factor nor `seed`, or a value is none of its levels.
    """
    problems: list[Problem] = []
    choice: dict[str, Any] = {}
    factors = {factor.name: factor for factor in plan.study.factor_list}
    for part in only.split(","):
        name, _, written = part.strip().partition("=")
        value = parse_yaml(written, f"--only {name}")
        if name != "seed" and name not in factors:
            problems.append(Problem("--only", "is not a factor", name, (*factors, "seed")))
            continue
        labels = (
            plan.study.seeds if name == "seed" else [level.label for level in factors[name].levels]
        )
        if canonical_json(value) not in map(canonical_json, labels):
            choices = tuple(text(label) for label in labels)
            problems.append(Problem(f"--only {name}", "is not in the study", value, choices))
        choice[name] = value
    if problems:
        raise InputError("command line", problems)
    seed = choice.pop("seed", None)
    return [r for r in plan.runs if seed in (None, r.seed) and r.cell.matches(choice)]


def twin_notes(cells: Sequence[Cell], trainings: Sequence[Any]) -> list[str]:
    """Cells that would train the same thing under two names.

    Args:
        cells: The cells.
        trainings: What each of them trains: equal where it is the same thing.
    """
    seen: dict[str, Cell] = {}
    notes: list[str] = []
    for cell, training in zip(cells, trainings, strict=True):
        first = seen.setdefault(canonical_json(training), cell)
        if first is not cell:
            notes.append(f"{first.name} and {cell.name} train the same thing under two names")
    return notes


def _content(
    model: type[BaseModel] | None, trainable: str, config: dict[str, Any]
) -> dict[str, Any]:
    """What a run's identity is made of, all but its seed."""
    unhashed = getattr(model, "unhashed", frozenset())
    hashed = {key: value for key, value in config.items() if key not in unhashed}
    return {
        "trainable": trainable,
        "version": getattr(model, "version", 1),
        "config": difference(hashed, _defaults(model)),
    }


def _defaults(model: type[BaseModel] | None) -> dict[str, Any]:
    if model is None:
        return {}
    values: dict[str, Any] = {}
    for name, field_info in model.model_fields.items():
        default = field_info.get_default(call_default_factory=True)
        if default is PydanticUndefined:
            continue
        values[name] = (
            default.model_dump(mode="json") if isinstance(default, BaseModel) else default
        )
    return values


def _run_name(cell: Cell, seed: int) -> str:
    """`mlp-otcfm-s42`; numbers, booleans and null with their key: `mlp-lr=0.001-s42`."""
    parts = [
        label if isinstance(label, str) else f"{name.split('.')[-1]}={text(label)}"
        for name, label in cell.labels.items()
    ]
    slugs = [re.sub(r"[^A-Za-z0-9._=+-]+", "_", part).strip("._") or "_" for part in parts]
    return "-".join([*slugs, f"s{seed}"])


def _named(runs: Sequence[Run], names: Mapping[str, str]) -> list[Run]:
    """Runs with names that are unique in the study, and stay what they were in the ledger."""
    taken = set(names.values())
    named: list[Run] = []
    for run in runs:
        name = names.get(run.run_id)
        if name is None:
            name = run.run_name
            if name in taken or len(name) > MAX_NAME:
                name = f"{name[: MAX_NAME - 10]}-{run.run_id[:8]}"
            taken.add(name)
        named.append(Run(run.run_id, name, run.seed, run.cell, run.config))
    return named


def _notes(
    model: type[BaseModel] | None, cells: Sequence[Cell], configs: Sequence[dict[str, Any]]
) -> list[str]:
    if model is None or not hasattr(model, "same_training"):
        return []
    validated: list[Any] = [model.model_validate(config) for config in configs]
    return twin_notes(cells, [config.same_training() for config in validated])


def _copy(config: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _copy(v) if isinstance(v, Mapping) else v for k, v in config.items()}
