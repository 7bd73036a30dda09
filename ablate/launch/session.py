"""The job that this process works on, for callbacks that Tune has unpickled.

Tune keeps callbacks in `tuner.pkl`. Ours store only the study directory, and find the current plan
and settings here.
"""

import contextlib
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ablate.events import Broadcast
from ablate.plan.plan import Plan, Run
from ablate.process.interrupts import Interrupts
from ablate.study_dir import StudyPaths


@dataclass(frozen=True, kw_only=True)
class JobContext:
    """What a running job provides to its callbacks."""

    plan: Plan
    paths: StudyPaths
    broadcast: Broadcast
    say: Callable[[str], None]
    settled: Callable[[], Iterable[str]]
    """Runs that have ended, and will not be run again."""
    interrupts: Interrupts
    """What may ask the job to stop."""
    environment: Callable[[Run], Mapping[str, str]] = field(default=lambda run: {})
    """Variables of the scripts of commands."""


_CONTEXTS: dict[str, JobContext] = {}


@contextlib.contextmanager
def job_context(context: JobContext) -> Generator[JobContext]:
    """Registers a context for as long as its job runs."""
    key = str(context.paths.root)
    _CONTEXTS[key] = context
    try:
        yield context
    finally:
        del _CONTEXTS[key]


def context_of(study_dir: str | Path) -> JobContext:
    """The context of the job on a study directory, in this process."""
    return _CONTEXTS[str(study_dir)]
