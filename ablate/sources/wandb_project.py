"""`wandb:entity/project?group=...`: the runs of a project in Weights & Biases."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from ablate.dotted import flatten
from ablate.errors import InputError, Problem
from ablate.identity import canonical_json
from ablate.run_row import Status
from ablate.sources.asked import Asked, number_of
from ablate.sources.found import Found, Row
from ablate.sources.statuses import status_of
from ablate.sources.table_files import plain
from ablate.spec.tracking import ENTITY_RULE, PROJECT_RULE, entity_problem, project_problem
from ablate.tracking.wandb.messages import TABLE_JOB_TYPE
from ablate.tracking.wandb.settings import DEFAULT_SERVER, has_credentials

if TYPE_CHECKING:
    from ablate.tracking.wandb.sink.finished import ListedRun

SCHEME = "wandb:"
FILTERS = {"group": "group", "job_type": "jobType", "sweep": "sweep", "tag": "tags"}
"""What may be asked for, and what the public API calls it."""
STEP = "_step"
"""W&B's own count of what a run logged."""
_STEP_FIX = "write --step last, or name what counts steps with --step-column"
_SHAPE = "write wandb:entity/project?group=NAME"


def read_wandb(source: str, asked: Asked) -> Found:
    """The runs; each counts with its last logged values, or those of a step, where it finished.

    Raises:
        InputError: Where the address is none, nobody is logged in, or no run has the step.
        AblateError: Where W&B cannot be asked.
    """
    entity, project, filters = _address(source)
    from ablate.tracking.wandb.sink.finished import listed_runs  # wandb takes a second to import

    with listed_runs(entity, project, filters) as listed:
        runs = [run for run in listed if run.job_type != TABLE_JOB_TYPE]  # Ablate's own
        last = [_last(run) for run in runs]
        found = Found(what="runs in Weights & Biases", rows=last, has_last_only=True)
        step = None if asked.step is None else number_of(asked.step)
        if step is None or not math.isfinite(step) or not runs:
            return found
        column = asked.steps_in(found) or STEP
        pairs = zip(runs, last, strict=True)
        rows = [row for run, ended in pairs for row in _of_step(run, ended, column, step, asked)]
    if not any(row.measured for row in rows):
        told = f"no run has logged anything at {column} {step:g}"
        raise InputError("command line", [Problem("--step", told, asked.step, fix=_STEP_FIX)])
    return replace(found, rows=rows, has_last_only=False)


def _last(run: "ListedRun") -> Row:
    status = status_of(run.state) or Status.PENDING
    return Row(
        name=run.name if run.name == run.id else f"{run.name} ({run.id})",
        config=_flat(run.config), measured=_flat(run.summary), run=run.id, status=status,
        cause="" if status is Status.OK else f"its state in W&B is {run.state}",
    )  # fmt: skip


def _of_step(run: "ListedRun", ended: Row, column: str, step: float, asked: Asked) -> Sequence[Row]:
    """What a run logged at a step, in one row; several where `--within` tells them apart."""
    inner = [asked.within] if asked.within and asked.within in ended.measured else []
    rows: dict[str, dict[str, Any]] = {}
    for logged in run.logged(column, step, [*asked.metrics, *inner]):
        found = _flat(logged)
        name = canonical_json([found.get(key) for key in inner])
        rows.setdefault(name, {}).update(found, **{column: step})
    return [replace(ended, measured=row) for row in rows.values()] or [replace(ended, measured={})]


def _flat(nested: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in flatten(nested) if not name.startswith("_wandb")}


def _address(source: str) -> tuple[str | None, str, dict[str, Any]]:
    path, _, query = source.removeprefix(SCHEME).partition("?")
    entity, _, project = path.rpartition("/")
    problems: list[Problem] = []
    if project_problem(project):
        problems.append(Problem("SOURCE", f"its project {project_problem(project)}: {PROJECT_RULE}",
                                source, fix=_SHAPE))  # fmt: skip
    if entity and entity_problem(entity):
        told = f"{entity!r} {entity_problem(entity)}: {ENTITY_RULE}"
        problems.append(Problem("SOURCE", told, source, fix=_SHAPE))
    filters: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in FILTERS or not value:
            told = "is no filter" if name not in FILTERS else "is empty"
            problems.append(Problem(f"SOURCE ?{name}", told, name, tuple(FILTERS), _SHAPE))
            continue
        filters[FILTERS[name]] = {"$in": [value]} if name == "tag" else value
    if not has_credentials(os.environ.get("WANDB_BASE_URL") or DEFAULT_SERVER):
        problems.append(Problem("SOURCE", "nobody is logged in to W&B here", source,
                                fix="run wandb login, or set WANDB_API_KEY"))  # fmt: skip
    if problems:
        raise InputError("command line", problems)
    return entity or None, project, filters
