"""What the W&B sink is told of the runs of a study."""

from collections.abc import Iterable, Mapping
from typing import Any

from ablate.design import text
from ablate.events import Failure, Point, RunEnded
from ablate.identity import content_id
from ablate.ledger import Ledger
from ablate.paths import StudyPaths
from ablate.plan import Plan, Run
from ablate.rows import Row, metrics_of
from ablate.wandb_files import whole_runs
from ablate.wandb_port import SinkPort, tracked_as

MAX_TAG = 64
"""W&B's own limit."""
FAILED = 1
"""Exit code of a failed run."""


class RunMessages:
    """Messages about the runs of a plan.

    Args:
        plan: The plan.
        paths: The study directory.
        restarts: By run, the launch in which it last began anew.
    """

    def __init__(self, plan: Plan, paths: StudyPaths, restarts: Mapping[str, int]) -> None:
        self._plan = plan
        self._paths = paths
        self._restarts = restarts
        self._uid = paths.uid.read_text()

    def wandb_id(self, run_id: str) -> str:
        """W&B's id: two studies that share a run, or a fresh start, never share it.

        Nor does a run that begins anew go on in its old curve: W&B takes no step twice.
        """
        restarts = [self._restarts[run_id]] if run_id in self._restarts else []
        return content_id([self._uid, run_id, *restarts])

    def attempt(self, run_id: str, launch: int) -> str:
        """What the sink notes once W&B has a run whole that ended in a launch."""
        return f"{self.wandb_id(run_id)} {launch}"

    def start(self, run_id: str, resumed: bool) -> dict[str, Any]:
        """A run begins, or goes on where `resumed`."""
        plan = self._plan
        run = plan.by_id[run_id]
        return {
            "kind": "start",
            "id": self.wandb_id(run_id),
            **tracked_as(plan.study),
            "run_id": run_id,
            "name": run.run_name,
            "config": {
                **run.config, "seed": run.seed, "study": plan.study.study, "run_id": run_id,
            },
            "tags": _tags(plan, run),
            "resumed": resumed,
        }  # fmt: skip

    def points(self, run_id: str, points: Iterable[Point]) -> dict[str, Any]:
        """A run measured something."""
        content = [list(point) for point in points]
        return {"kind": "points", "id": self.wandb_id(run_id), "points": content}

    def end(
        self, event: RunEnded, launch: int, resumed: bool, warnings: str = ""
    ) -> dict[str, Any]:
        """A run is over, in the given launch."""
        summary: dict[str, Any] = {**event.metrics, "status": event.status}
        failed = event.failure is not None
        if event.failure is not None:
            summary["error_type"] = event.failure.kind
            summary["error"] = event.failure.message
        elif resumed:
            summary["error_type"] = summary["error"] = None  # what an earlier attempt left there
        best = self._paths.best(self._plan.by_id[event.run_id].run_name)
        if best.exists():
            summary["checkpoint"] = str(best)
        if warnings:
            summary["warnings"] = warnings
        return {
            "kind": "end", "id": self.wandb_id(event.run_id), "summary": summary,
            "failed": failed, "exit_code": FAILED if failed else 0,
            "whole": self.attempt(event.run_id, launch),
        }  # fmt: skip


def complete_runs(plan: Plan, ledger: Ledger, paths: StudyPaths, port: SinkPort) -> None:
    """Hands over the ended runs that W&B has not whole: its process died, or it was disabled.

    Args:
        plan: The plan.
        ledger: The record of its runs.
        paths: The study directory.
        port: The way to W&B; the sink leaves out what it has by then.
    """
    messages, whole = RunMessages(plan, paths, ledger.restarts()), whole_runs(paths)
    settled = ledger.settled()
    for run_id in (run_id for run_id in plan.by_id if run_id in settled):
        row = ledger.rows[run_id]
        launch = row.get("launch", 0)
        if messages.attempt(run_id, launch) not in whole:
            end = messages.end(_ended(row, plan), launch, True, row.get("warnings") or "")
            port.put({**end, "kind": "complete", "start": messages.start(run_id, True)})


def _ended(row: Row, plan: Plan) -> RunEnded:
    """The end of a run as the ledger has it."""
    failure = None
    if row["status"] != "ok":
        failure = Failure(row.get("error_type") or "", row.get("error") or "")
    metrics = metrics_of(row, plan.factors)
    return RunEnded(row["run_id"], row["status"], row.get("stop_reason") or "", metrics, failure)


def _tags(plan: Plan, run: Run) -> list[str]:
    """Never empty: a resumed run without tags of its own would keep the tag `failed`."""
    levels = [f"{name}={text(label)}"[:MAX_TAG] for name, label in run.cell.labels.items()]
    return [*levels, f"seed={run.seed}", *plan.study.tracking.tags]
