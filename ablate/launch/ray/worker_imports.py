"""Asks a cluster's nodes, before anything trains, whether they find a study's own code."""

import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ablate.errors import Problem
from ablate.plan.plan import Plan, Run
from ablate.spec.refused_cells import place_of
from ablate.text import first_line, message_of, some

ANSWER_S = 60.0
"""A node that has not answered by then is busy, and its trials will tell."""


def check_imports(plan: Plan, runs: Iterable[Run]) -> None:
    """Checks that every node can import what the runs are made of.

    Args:
        plan: The plan.
        runs: Those to launch.

    Raises:
        InputError: If some node cannot, with the keys that name the code.
    """
    named = _named(plan, runs)
    wrong = _refusals(sorted(named)) if named else {}
    problems = [
        Problem(named[name], f"cannot be imported on {_places(errors)}", name,
                fix="put it where every node finds it: a shared folder, or install it there")
        for name, errors in wrong.items()
    ]  # fmt: skip
    if problems:
        raise plan.study.refusal(problems)


def _named(plan: Plan, runs: Iterable[Run]) -> dict[str, str]:
    """The own code of runs, `module:name`, each with the place in the YAML that names it first."""
    named: dict[str, str] = {}
    for cell in {run.cell.index: run.cell for run in runs}.values():
        own, is_own = cell.entry.name, ":" in cell.entry.name and cell.entry.command is None
        if is_own and own not in named:
            named[own] = plan.design_of(cell).trainable_place
        for key, names in cell.model.code(cell.model.validate(cell.config)).items():
            for name in names:
                if name not in named:
                    named[name] = place_of(plan.design_of(cell), cell, key)
    return named


def _refusals(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Why code cannot be imported: by its name, the error on each node's address."""
    asked = {
        _ask.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(names): node["NodeManagerAddress"]
        for node in ray.nodes() if node["Alive"]
    }  # fmt: skip
    answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_S)
    wrong: dict[str, dict[str, str]] = {}
    for answer in answered:
        for name, told in _answer(answer).items():
            wrong.setdefault(name, {})[asked[answer]] = told
    return wrong


def _answer(answer: Any) -> Mapping[str, str]:
    try:
        return ray.get(answer)
    except RayError:
        return {}  # it could not even ask: its trials will tell


@ray.remote(num_cpus=0, max_retries=0)
def _ask(names: Sequence[str]) -> dict[str, str]:
    """Why a worker cannot import some of these, by name."""
    wrong: dict[str, str] = {}
    for name in names:
        try:
            importlib.import_module(name.partition(":")[0])
        except Exception as error:  # noqa: BLE001 - somebody's module may raise anything
            wrong[name] = first_line(message_of(error)) or type(error).__name__
    return wrong


def _places(errors: Mapping[str, str]) -> str:
    nodes = [f"node {address} ({told})" for address, told in errors.items()]
    return some(nodes, 3)
