"""The driver's end of the W&B sink: hands messages over and never waits for W&B."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from ablate.paths import StudyPaths
from ablate.study import Study
from ablate.text import storable
from ablate.wandb_sink import resolved_mode

MAX_QUEUED = 20_000
"""Messages that wait for a slow W&B before points are left to the ledger alone."""
CLOSE_TIMEOUT_S = 40.0
"""For everything to be written once the last run has ended."""
INTERRUPT_TIMEOUT_S = 5.0


class SinkPort:
    """Starts the sink and feeds it from a thread of its own.

    Args:
        paths: The study directory.
        mode: `online` or `offline`.
        say: Told once what went wrong.
    """

    def __init__(self, paths: StudyPaths, mode: str, say: Callable[[str], None]) -> None:
        self.say = say
        self._told: set[str] = set()
        self._queue: queue.Queue[dict[str, Any]] = queue.Queue(MAX_QUEUED)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ablate.wandb_sink", str(paths.root), mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C in the terminal is not for it
        )
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._feed, self._listen)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_dead(self) -> bool:
        """Whether the sink has ended before it was asked to."""
        return self._process.poll() is not None

    def put(self, message: dict[str, Any]) -> None:
        """Hands a message over; drops it where W&B is hopelessly behind."""
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            self._say_once("W&B is too slow: what it misses is in the ledger")

    def no_more(self) -> None:
        """Nothing comes any more: the sink may end while the driver does other things."""
        self.put({"kind": "close"})

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Lets the sink end; kills it where it takes longer than it may."""
        self.no_more()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            self._say_once("W&B did not end in time: what it misses is in the ledger")
        for thread in self._threads:
            thread.join(1.0)

    def _feed(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        while True:
            message = self._queue.get()
            try:
                stdin.write(json.dumps(storable(message)) + "\n")
                if self._queue.empty():
                    stdin.flush()
                if message["kind"] == "close":
                    stdin.close()
                    return
            except OSError:
                self._say_once("the W&B process died: what it misses is in the ledger")
                with contextlib.suppress(OSError):  # what is still in its buffer has no reader
                    stdin.close()
                return

    def _listen(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        with stdout:
            for line in stdout:
                self._say_once(json.loads(line)["say"])

    def _say_once(self, notice: str) -> None:
        if notice not in self._told:
            self._told.add(notice)
            self.say(notice)


class SharedSink:
    """One sink for all that a command tracks, its launches and its tables; started when needed.

    Args:
        study: Says whether its runs are tracked, and how.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._port: SinkPort | None = None

    def port(self, say: Callable[[str], None]) -> SinkPort | None:
        """The sink, or None where W&B is disabled.

        Args:
            say: Told from now on what went wrong.
        """
        if self._port is not None and self._port.is_dead:
            self.close()
        if self._port is not None:
            self._port.say = say
            return self._port
        mode = resolved_mode(self._study.tracking.mode)
        if mode != "disabled":
            self._port = SinkPort(StudyPaths(self._study.directory), mode, say)
        return self._port

    def no_more(self) -> None:
        """Nothing comes any more; `close` need not wait as long then."""
        if self._port is not None:
            self._port.no_more()

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Ends the sink, if there is one; what comes later goes to a new one."""
        if self._port is not None:
            self._port.close(timeout_s)
            self._port = None


def tracked_as(study: Study) -> dict[str, Any]:
    """Project, entity and group of a study's runs in W&B."""
    tracking = study.tracking
    return {
        "project": tracking.project or os.environ.get("WANDB_PROJECT") or study.study,
        "entity": tracking.entity or os.environ.get("WANDB_ENTITY"),
        "group": study.study,
    }
