"""The process that talks to W&B, one for all runs of a study: `python -m ablate.wandb_sink DIR`.

It reads messages, a JSON line each, from its standard input and answers with notices. It lives
in a session of its own, so neither Ctrl-C nor the death of the driver cuts it off: at the end of
its input it ends every run that is still open. Nothing in the driver waits for it.
"""

import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from ablate.garbage import uncollected
from ablate.history import History
from ablate.leaving import leave
from ablate.lock import wait_for_lock
from ablate.paths import StudyPaths
from ablate.wandb_files import last_step, mend, segments, whole_runs

INIT_TIMEOUT_S = 20.0
FINISH_TIMEOUT_S = 30.0
MAX_RECOVERIES = 3
PATIENCE = 19
"""Nobody waits for the sink while runs train, and Ray's workers have a niceness of 15."""
CRASHED = 1
INTERRUPTED = 130


class Sink:
    """Open W&B runs of a study.

    Args:
        paths: The study directory.
        mode: `online` or `offline`.
        notices: Where notices to the driver go.
    """

    def __init__(self, paths: StudyPaths, mode: str, notices: TextIO) -> None:
        with uncollected():
            import wandb

        self._wandb = wandb
        self._paths = paths
        self._mode: Any = mode
        self._notices = notices
        self._starts: dict[str, dict[str, Any]] = {}
        self._runs: dict[str, Any] = {}
        self._last_step: dict[str, int] = {}
        self._whole = whole_runs(paths)
        self._recoveries = 0
        self._dead = False

    def take(self, message: dict[str, Any]) -> None:
        """Carries out one message, if W&B is still there."""
        if self._dead:
            return
        while True:
            try:
                self._carry_out(message)
                return
            except Exception as error:  # noqa: BLE001 - W&B raises many kinds when it breaks
                if not self._recover(error):
                    return

    def close(self, exit_code: int) -> None:
        """Ends the runs that are still open."""
        for wandb_id in list(self._runs):
            self.take({"kind": "end", "id": wandb_id, "exit_code": exit_code, "summary": {}})

    def _carry_out(self, message: dict[str, Any]) -> None:
        wandb_id = message["id"]
        if message["kind"] == "start":
            self._starts[wandb_id] = message
            self._open(wandb_id)
        elif message["kind"] == "points":
            self._log(wandb_id, message["points"])
        elif message["kind"] == "tables":
            self._log_tables(wandb_id, message["tables"])
        elif message["kind"] == "end" and wandb_id in self._runs:
            self._end(wandb_id, message)
        elif message["kind"] == "complete" and message["whole"] not in self._whole:
            self._carry_out(message["start"])
            self._end(wandb_id, message)

    def _open(self, wandb_id: str) -> None:
        if wandb_id in self._runs:
            return
        start = self._starts[wandb_id]
        known = segments(self._paths.wandb_runs, wandb_id)
        for path in known:
            mend(path)
        self._last_step[wandb_id] = max((last_step(path) for path in known), default=-1)
        _wait_for_a_name_of_its_own(known)
        run = self._wandb.init(
            id=wandb_id,
            project=start["project"],
            entity=start["entity"],
            group=start["group"],
            job_type=start.get("job_type"),
            name=start["name"],
            config=start["config"],
            tags=start["tags"],
            dir=str(self._paths.wandb),
            mode=self._mode,
            reinit="create_new",
            resume="allow",
            settings=self._settings(),
        )
        self._runs[wandb_id] = run
        if self._mode == "online" and run.resumed:
            self._last_step[wandb_id] = max(self._last_step[wandb_id], run.step - 1)
        # What an earlier sink or wandb-core took with it is in the ledger.
        history = History(self._paths).read(start["run_id"])
        points = [(point.pop("step"), point) for point in history]
        if known or start["resumed"]:
            self._log(wandb_id, points)

    def _log(self, wandb_id: str, points: list[Any]) -> None:
        run = self._runs.get(wandb_id)
        if run is None:
            return
        for step, metrics in points:
            if step > self._last_step[wandb_id]:
                run.log(metrics, step=step, commit=True)
                self._last_step[wandb_id] = step

    def _log_tables(self, wandb_id: str, tables: dict[str, Any]) -> None:
        """Tables as of now, in a step of their own."""
        if wandb_id not in self._runs:
            return
        content = {
            name: self._wandb.Table(columns=table["columns"], data=table["rows"])
            for name, table in tables.items()
        }
        self._log(wandb_id, [(self._last_step[wandb_id] + 1, content)])

    def _end(self, wandb_id: str, message: dict[str, Any]) -> None:
        run = self._runs[wandb_id]
        if message["summary"]:
            run.summary.update(message["summary"])
        if message.get("failed"):
            run.tags = (*self._starts[wandb_id]["tags"], "failed")
        run.finish(exit_code=message["exit_code"])
        del self._runs[wandb_id]
        del self._starts[wandb_id]
        del self._last_step[wandb_id]
        if message.get("whole"):
            self._whole.add(message["whole"])
            with self._paths.wandb_whole.open("a") as file:
                file.write(message["whole"] + "\n")

    def _recover(self, error: Exception) -> bool:
        """After a failure of W&B: a new wandb-core, the open runs again, what was lost again."""
        print(f"W&B failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        self._recoveries += 1
        if self._mode == "online" and not self._runs:
            self._mode = "offline"
            self._say(f"W&B cannot be reached ({error}): the runs are kept offline")
            return True
        if self._recoveries > MAX_RECOVERIES:
            return self._give_up(error)
        with contextlib.suppress(Exception):  # it says goodbye to a core that may be dead
            self._wandb.teardown()
        try:
            self._runs.clear()
            for wandb_id in list(self._starts):
                self._open(wandb_id)
        except Exception as again:  # noqa: BLE001 - as above
            return self._give_up(again)
        return True

    def _give_up(self, error: Exception) -> bool:
        self._dead = True
        self._say(
            f"W&B gave up ({type(error).__name__}: {error}); the study goes on, the ledger has "
            "everything, and running the command again completes W&B"
        )
        return False

    def _settings(self) -> Any:
        """Fresh for each run: `init` changes the settings that it is given."""
        return self._wandb.Settings(
            console="off",
            silent=True,
            init_timeout=INIT_TIMEOUT_S,
            finish_timeout=FINISH_TIMEOUT_S,
            disable_git=True,
            disable_code=True,
            label_disable=True,
            x_disable_stats=True,
            x_disable_meta=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
            x_transaction_log_flush_interval=1,
        )

    def _say(self, notice: str) -> None:
        try:
            self._notices.write(json.dumps({"say": notice}) + "\n")
            self._notices.flush()
        except OSError:
            pass  # the driver is gone


def resolved_mode(asked: str) -> str:
    """W&B's own habit for `auto`: online where there is a key, offline elsewhere."""
    asked = os.environ.get("WANDB_MODE") or asked
    asked = {"dryrun": "offline", "run": "online", "shared": "online"}.get(asked, asked)
    if asked != "auto":
        return asked
    return "online" if _has_credentials() else "offline"


def _has_credentials() -> bool:
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    from requests.utils import get_netrc_auth

    return get_netrc_auth(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")) is not None


def _wait_for_a_name_of_its_own(known: list[Path]) -> None:
    """W&B names a run's directory by the second: two of one run in one second would be one."""
    stamp = time.strftime("%Y%m%d_%H%M%S")
    while any(stamp in path.parent.name for path in known):
        time.sleep(0.05)
        stamp = time.strftime("%Y%m%d_%H%M%S")


def main() -> None:
    """Serves one driver until its pipe ends."""
    os.nice(PATIENCE)
    paths = StudyPaths(Path(sys.argv[1]))
    mode = sys.argv[2]
    notices = os.fdopen(os.dup(1), "w")
    paths.sink_log.parent.mkdir(parents=True, exist_ok=True)
    log = paths.sink_log.open("a", buffering=1)
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    with paths.sink_lock.open("a") as lock:
        # An earlier driver's sink may still be writing.
        wait_for_lock(lock)
        sink = Sink(paths, mode, notices)
        exit_code = CRASHED
        for line in sys.stdin:
            message = json.loads(line)
            if message["kind"] == "close":
                exit_code = INTERRUPTED
                break
            sink.take(message)
        sink.close(exit_code)


if __name__ == "__main__":
    main()
    leave(0)
