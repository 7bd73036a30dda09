"""Runs that are in W&B already, whoever made them: through its public API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.errors import AblateError
from ablate.process.gc_pause import gc_paused
from ablate.tracking.wandb.sink.client import Trouble

PAGE = 100


@dataclass(frozen=True, kw_only=True)
class ListedRun:
    """A run as W&B has it."""

    id: str
    name: str
    state: str
    job_type: str
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    """The last value of everything that was logged."""


def listed_runs(
    entity: str | None, project: str, filters: Mapping[str, Any]
) -> tuple[str, Sequence[ListedRun]]:
    """The runs of a project, oldest first.

    Args:
        entity: The user or team; None for the account's own.
        project: The project.
        filters: As W&B's public API takes them.

    Returns:
        The entity, and the runs.

    Raises:
        AblateError: Where W&B cannot be asked, or has no such project.
    """
    with gc_paused():
        import wandb

    try:
        wandb.setup(wandb.Settings(silent=True))
        api = wandb.Api(overrides={"entity": entity} if entity else None)
        entity = entity or api.default_entity or ""
        # The configs come with the list: one by one they take a request each.
        found = api.runs(f"{entity}/{project}", dict(filters), per_page=PAGE, lazy=False)
        return entity, [_listed(run) for run in found]
    except Exception as error:  # wandb's own are of many kinds
        if isinstance(error, ValueError) and "Could not find project" in str(error):
            told = f"W&B has no project {entity}/{project}, or it is not yours to see"
            raise AblateError(told) from error
        trouble = Trouble.of(error)
        raise AblateError(f"W&B cannot be read: {trouble.detail}") from error
    finally:
        wandb.teardown()


def _listed(run: Any) -> ListedRun:
    return ListedRun(
        id=run.id,
        name=run.name or run.id,
        state=run.state,
        job_type=run.job_type or "",
        config=dict(run.config),
        summary=dict(run.summary_metrics),
    )
