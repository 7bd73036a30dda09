"""Runs that are in W&B already, whoever made them: through its public API."""

import contextlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ablate.errors import AblateError
from ablate.process.gc_pause import gc_paused
from ablate.tracking.wandb.sink.client import Trouble

PAGE = 100
STEP = "_step"
"""W&B's own count of what a run logged."""


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
    api_run: Any = field(repr=False, compare=False)

    def logged(self, column: str, step: float, keys: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        """What the run logged at a step, a row each time, whole; asks W&B.

        Args:
            column: What counts steps: W&B's own `_step`, or a logged key.
            step: Its value.
            keys: Those wanted; of a logged `column`, W&B finds what was logged together with it.
        """
        with _asking(self.id):
            if column == STEP:
                if step >= 0 and step.is_integer():
                    at = int(step)
                    yield from self.api_run.scan_history(min_step=at, max_step=at + 1)
                return
            for key in keys:
                rows = self.api_run.scan_history(keys=[column, key])
                yield from (row for row in rows if row[column] == step)


@contextlib.contextmanager
def listed_runs(
    entity: str | None, project: str, filters: Mapping[str, Any]
) -> Generator[Sequence[ListedRun]]:
    """The runs of a project, oldest first, as long as W&B may be asked more of them.

    Args:
        entity: The user or team; None for the account's own.
        project: The project.
        filters: As W&B's public API takes them.

    Yields:
        The runs.

    Raises:
        AblateError: Where W&B cannot be asked, or has no such project.
    """
    with gc_paused():
        import wandb

    try:
        with _asking(f"{entity}/{project}" if entity else project):
            wandb.setup(wandb.Settings(silent=True))
            api = wandb.Api(overrides={"entity": entity} if entity else None)
            path = f"{entity or api.default_entity or ''}/{project}"
            # The configs come with the list: one by one they take a request each.
            found = [
                _listed(run) for run in api.runs(path, dict(filters), per_page=PAGE, lazy=False)
            ]
        yield found
    finally:
        wandb.teardown()


@contextlib.contextmanager
def _asking(path: str) -> Generator[None]:
    """W&B's errors, which are of many kinds, as one line."""
    try:
        yield
    except Exception as error:
        if isinstance(error, ValueError) and "Could not find project" in str(error):
            told = f"W&B has no project {path}, or it is not yours to see"
            raise AblateError(told) from error
        raise AblateError(f"W&B cannot be read: {Trouble.of(error).detail}") from error


def _listed(run: Any) -> ListedRun:
    return ListedRun(
        id=run.id,
        name=run.name or run.id,
        state=run.state,
        job_type=run.job_type or "",
        config=dict(run.config),
        summary=dict(run.summary_metrics),
        api_run=run,
    )
