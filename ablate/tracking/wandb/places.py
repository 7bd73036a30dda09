"""Where a study is in W&B and what W&B lacks: for the end of a command and for the report."""

import os
from collections.abc import Iterator

from ablate.ledger.ledger import Ledger
from ablate.plan.plan import Plan
from ablate.spec.models import Study
from ablate.study_dir import StudyPaths
from ablate.text import quoted
from ablate.tracking.wandb.messages import RunMessages, lacking_runs
from ablate.tracking.wandb.protocol import Complete
from ablate.tracking.wandb.record import WandbRecord
from ablate.tracking.wandb.settings import Destination

MOST_NAMED = 5
"""Runs that are listed by name; of more, only the number is given."""


def tracked_at(study: Study) -> str:
    """The page of a study's runs in W&B; empty before the first online start."""
    home = WandbRecord(StudyPaths(study.directory)).home
    return home.group_url(study.study) if home else ""


def lacking_messages(plan: Plan, ledger: Ledger, mode: str) -> Iterator[Complete]:
    """Whole runs for W&B: those that have ended and that it is not known to have."""
    paths = StudyPaths(plan.study.directory)
    messages, settled = RunMessages(plan, paths, ledger), ledger.settled()
    for run_id in lacking_runs(messages, plan, ledger, WandbRecord(paths), mode):
        if run_id in settled:
            yield messages.complete(run_id)


def wandb_places(
    plan: Plan, ledger: Ledger, to: Destination, study_dir: str, table: Complete | None = None
) -> Iterator[tuple[str, str]]:
    """Lines for the end of a command: a label and a text each.

    Args:
        plan: The plan.
        ledger: The record of its runs.
        to: Where the command's runs went.
        study_dir: The study directory, as the user types it.
        table: What W&B should have of the report, if it was made.
    """
    if to.mode == "disabled":
        return
    paths = StudyPaths(plan.study.directory)
    record = WandbRecord(paths)
    if record.home is not None:
        yield "W&B", record.home.group_url(plan.study.study)
        yield "W&B project", record.home.url
    elif paths.wandb_runs.exists():
        yield "W&B", os.path.join(study_dir, paths.wandb_runs.name)
    if record.has_unsynced():
        yield "upload", quoted(["wandb", "sync", os.path.join(study_dir, paths.wandb_runs.name)])
    yield from lacking_places(plan, ledger, to, study_dir, table)


def lacking_places(
    plan: Plan, ledger: Ledger, to: Destination, study_dir: str, table: Complete | None = None
) -> Iterator[tuple[str, str]]:
    """The line that names what W&B lacks, if anything; see `wandb_places`."""
    paths = StudyPaths(plan.study.directory)
    messages = RunMessages(plan, paths, ledger)
    record = WandbRecord(paths)
    lacking = lacking_runs(messages, plan, ledger, record, to.mode)
    names = [ledger.rows[run_id].run_name for run_id in lacking]
    if table is not None and not record.has(table.wandb_id, table.state, to.mode):
        names.append(table.start.name)
    if names:
        command = quoted(["ablate", "sync", study_dir])
        yield "W&B lacks", f"{_named(names)}; send {'it' if len(names) == 1 else 'them'}: {command}"


def _named(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    listed = ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    return f"{len(names)} run{'s' if len(names) > 1 else ''} ({listed})"
