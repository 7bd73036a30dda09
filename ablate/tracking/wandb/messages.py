"""The messages to the W&B sink about the runs of a study, made from the ledger's rows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ablate.errors import INTERRUPTED
from ablate.events import Point
from ablate.identity import content_id, with_string_keys
from ablate.ledger.ledger import Ledger
from ablate.plan.plan import Plan, Run
from ablate.run_row import RunRow, Status
from ablate.spec.models import text
from ablate.spec.tracking import MAX_WANDB_NAME
from ablate.study_dir import StudyPaths
from ablate.text import cause_of, printable, shortened
from ablate.tracking.wandb.protocol import Complete, End, Points, Start, Tag
from ablate.tracking.wandb.record import WandbRecord
from ablate.tracking.wandb.settings import command_line

MAX_TAG = 64
"""W&B's own limit."""
FAILED = 1
"""Exit code of a failed run."""
JOB_TYPE = "train"
TABLE_JOB_TYPE = "ablation-table"
"""Of the one run of a study that holds its tables."""


class RunMessages:
    """Messages about the runs of a plan.

    Args:
        plan: The plan.
        paths: The study directory.
        ledger: Its record, which is written before W&B is.
    """

    def __init__(self, plan: Plan, paths: StudyPaths, ledger: Ledger) -> None:
        self._plan = plan
        self._paths = paths
        self._ledger = ledger
        self._uid = paths.uid.read_text("utf-8")
        self._command = command_line()

    def wandb_id(self, run_id: str) -> str:
        """W&B's id, unique to a study directory: studies that share a run do not share it.

        A run that restarts gets a new one, since W&B accepts each step only once.
        """
        restarted = self._ledger.rows.of(run_id).restarted_in
        return content_id([self._uid, run_id, *([restarted] if restarted else [])])

    def is_scripts(self, run_id: str) -> bool:
        """Whether a run's script brings it to W&B by itself."""
        return self._plan.tracks_itself(self._plan.by_id[run_id])

    def start(self, run_id: str) -> Start:
        """The message that a run begins or continues."""
        plan, row = self._plan, self._ledger.rows.of(run_id)
        run = plan.by_id[run_id]
        made_with = {
            "git_commit": row.git_commit, "git_dirty": row.git_dirty,
            "versions": row.versions, "command": self._command,
            "reused_from": row.reused_from,
        }  # fmt: skip
        config = {
            **with_string_keys(run.full_config),
            "seed": run.seed, "study": plan.study.study, "run_id": run_id,
            **{key: value for key, value in made_with.items() if value is not None},
        }  # fmt: skip
        return Start(
            wandb_id=self.wandb_id(run_id),
            run_id=run_id,
            name=named(run.run_name, MAX_WANDB_NAME),
            group=named(plan.study.study, MAX_WANDB_NAME),
            job_type=JOB_TYPE,
            notes=plan.study.question or None,
            config=config,
            tags=_tags(plan, run),
            program=self._command,
            commit=row.git_commit,
        )

    def points(self, run_id: str, points: Sequence[Point]) -> Points:
        """The message that a run measured something."""
        return Points(wandb_id=self.wandb_id(run_id), points=points)

    def end(self, run_id: str) -> End:
        """The message that a run ended or was interrupted, from its ledger row."""
        row = self._ledger.rows[run_id]
        status, failed = row.status, row.status.has_failed
        summary = _summary(row, self._plan, self._paths)
        exit_code = 0 if status is Status.OK else FAILED if failed else INTERRUPTED
        content = {"summary": summary, "failed": failed, "exit_code": exit_code}
        return End(
            wandb_id=self.wandb_id(run_id),
            summary=summary,
            failed=failed,
            exit_code=exit_code,
            content=content_id([content, row.launch or 0]) if status.has_ended else "",
            log=str(self._paths.log(row.run_name)) if failed else None,
        )

    def tag(self, run_id: str) -> Tag:
        """The message that a run failed which its script tracks: whose config is the script's."""
        start = replace(self.start(run_id), config={})
        return Tag(start=start, launch=self._ledger.rows[run_id].launch or 0)

    def complete(self, run_id: str) -> Complete:
        """Everything about a run in one message."""
        num_rows = len(self._ledger.history(run_id))
        return Complete(start=self.start(run_id), end=self.end(run_id), num_rows=num_rows)


def lacking_runs(
    messages: RunMessages, plan: Plan, ledger: Ledger, record: WandbRecord, mode: str
) -> list[str]:
    """Runs that have started and that W&B is not known to have in full.

    Args:
        messages: Makes the message that says what W&B should have.
        plan: The plan.
        ledger: The record of its runs.
        record: The study directory's notes on W&B.
        mode: In `offline` mode a written folder counts.
    """
    started = ledger.started_names()
    lacking: list[str] = []
    own = (run_id for run_id, run in plan.by_id.items() if not plan.tracks_itself(run))
    for run_id in (run_id for run_id in own if run_id in started):
        end = messages.end(run_id)
        state = end.content or end.state(len(ledger.history(run_id)))
        if not record.has(end.wandb_id, state, mode):
            lacking.append(run_id)
    return lacking


def named(text: str, most: int) -> str:
    """A name that W&B accepts; long names with a common prefix stay distinct."""
    return shortened(printable(text).strip() or "_", most)


def _summary(row: RunRow, plan: Plan, paths: StudyPaths) -> dict[str, Any]:
    summary: dict[str, Any] = {**row.metrics(plan.factors), "status": row.status.value}
    if row.status.has_failed:
        summary["error_type"] = row.error_type or ""
        summary["error"] = cause_of("", row.error, row.traceback)
    best = paths.best(row.run_name)
    if best.exists():
        summary["checkpoint"] = str(best.relative_to(paths.root))
    if row.warnings:
        summary["warnings"] = row.warnings
    return summary


def _tags(plan: Plan, run: Run) -> list[str]:
    """Never empty: a resumed run without tags would keep its tag `failed`."""
    levels = [named(f"{name}={text(label)}", MAX_TAG) for name, label in run.cell.labels.items()]
    return list(dict.fromkeys([*levels, f"seed={run.seed}", *plan.study.tracking.tags]))
