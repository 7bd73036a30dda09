"""`wandb:entity/project?group=...`: the runs of a project in Weights & Biases."""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from ablate.dotted import flatten
from ablate.errors import InputError, Problem
from ablate.run_row import Status
from ablate.sources.found import Found, Row
from ablate.sources.statuses import status_of
from ablate.sources.table_files import plain
from ablate.spec.models import ENTITY_RULE, PROJECT_RULE, entity_problem, project_problem
from ablate.tracking.wandb.messages import TABLE_JOB_TYPE
from ablate.tracking.wandb.settings import DEFAULT_SERVER, has_credentials

SCHEME = "wandb:"
FILTERS = {"group": "group", "job_type": "jobType", "sweep": "sweep", "tag": "tags"}
"""What may be asked for, and what the public API calls it."""
_SHAPE = "write wandb:entity/project?group=NAME"


def read_wandb(source: str) -> Found:
    """The runs; each counts with its last logged values, where it finished.

    Raises:
        InputError: Where the address is none, or nobody is logged in.
        AblateError: Where W&B cannot be asked.
    """
    entity, project, filters = _address(source)
    from ablate.tracking.wandb.sink.finished import listed_runs  # wandb takes a second to import

    entity, runs = listed_runs(entity, project, filters)
    rows: list[Row] = []
    for run in runs:
        if run.job_type == TABLE_JOB_TYPE:  # Ablate's own, beside the runs of a study
            continue
        status = status_of(run.state) or Status.PENDING
        rows.append(Row(
            name=run.name if run.name == run.id else f"{run.name} ({run.id})",
            config=_flat(run.config), measured=_flat(run.summary), run=run.id, status=status,
            cause="" if status is Status.OK else f"its state in W&B is {run.state}",
        ))  # fmt: skip
    return Found(what="runs in Weights & Biases", rows=rows, has_last_only=True)


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
