"""The driver's end of the W&B sink: hands messages over and never waits for W&B."""

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from ablate.process.interrupts import unheard_by_children
from ablate.spec.models import Study
from ablate.study_dir import StudyPaths
from ablate.text import quoted
from ablate.tracking.wandb.protocol import (
    Close,
    Fact,
    Message,
    Notice,
    Opened,
    Pending,
    Points,
    Sent,
    ServerState,
    UnknownMessageError,
    decode_fact,
    encode,
)
from ablate.tracking.wandb.record import Home, WandbRecord
from ablate.tracking.wandb.settings import (
    Destination,
    clean_environment,
    destination,
    group_url,
    project_url,
)

MAX_QUEUED = 20_000
"""Messages that wait for a slow sink before rows are left to the ledger alone."""
INTERRUPT_PATIENCE_S = 5.0
GRACE_S = 10.0
"""The sink ends by itself where W&B does not move; this much later it is killed."""
ANSWER_S = 5.0
SILENT_S = 3.0
"""How long a command waits for W&B before it says so."""


class SinkPort:
    """Starts the sink and feeds it from a thread of its own.

    Args:
        paths: The study directory.
        to: Where runs go.
        patience_s: How long the end waits for a W&B that makes no progress.
        say: Told once what went wrong.
        moves: The runs are to be there from now on, wherever they were.

    Raises:
        OSError: Where no process can be started.
    """

    def __init__(
        self,
        paths: StudyPaths,
        to: Destination,
        patience_s: float,
        say: Callable[[str], None],
        moves: bool = False,
    ) -> None:
        self.say = say
        self.patience_s = patience_s
        self.served: dict[str, ServerState] = {}
        """What the server had of runs that it was asked for, by name."""
        self.sent: dict[str, int] = {}
        """How many rows each run was sent that is told whole, by name."""
        self._to = to
        self._told: set[str] = set()
        self._behind: set[str] = set()
        self._num_pending = 0
        self._heard_at = time.monotonic()
        self._answered = threading.Event()
        self._queue: queue.SimpleQueue[Message] = queue.SimpleQueue()
        asked = json.dumps({**to.as_json(), "patience_s": patience_s, "moves": moves})
        with unheard_by_children():  # it ends when the driver does, with all it got
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ablate.tracking.wandb.sink.sink", str(paths.root), asked],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # its own log has it
                encoding="utf-8",
                env=clean_environment(to.server),
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

    def put(self, message: Message) -> None:
        """Hands a message over; drops rows, which the ledger has, where the sink is far behind."""
        if isinstance(message, Points):
            if self._queue.qsize() > MAX_QUEUED:
                self._behind.add(message.wandb_id)
                return
            if message.wandb_id in self._behind:
                message = replace(message, is_behind=True)
                self._behind.discard(message.wandb_id)
        self._queue.put(message)

    def wait_for_answer(self) -> None:
        """Until W&B has said where runs are, or that it cannot be had; not for long."""
        self._answered.wait(ANSWER_S if self._to.mode == "online" else 0)

    def no_more(self, patience_s: float | None = None) -> None:
        """Nothing comes any more: the sink may end while the driver does other things."""
        if patience_s is not None:
            self.patience_s = patience_s
        self.put(Close(patience_s=self.patience_s))

    def close(self, patience_s: float | None = None) -> None:
        """Waits for the sink as long as rows move; kills it where it does not end by itself.

        Args:
            patience_s: How long without progress; the study's own by default.
        """
        self.no_more(patience_s)
        began = self._heard_at = time.monotonic()
        while self._process.poll() is None:
            now = time.monotonic()
            if now - began > SILENT_S and self._num_pending:
                runs = f"{self._num_pending} run{'s' if self._num_pending > 1 else ''}"
                self._say_once(
                    f"W&B: waiting for {runs} to arrive, for {self.patience_s:.0f} s at most "
                    "without progress", key="waiting",
                )  # fmt: skip
            if now - self._heard_at > self.patience_s + GRACE_S:
                self._process.kill()
                self._say_once("W&B's process did not end in time; the ledger has what W&B lacks")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
        for thread in self._threads:
            thread.join(1.0)

    def _feed(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        while True:
            message = self._queue.get()
            try:
                stdin.write(encode(message))
                if self._queue.empty():
                    stdin.flush()
                if isinstance(message, Close):
                    stdin.close()
                    return
            except (OSError, ValueError):  # gone, or closed
                self._say_once("W&B's process died; the ledger has what W&B lacks")
                with contextlib.suppress(OSError):  # what is still in its buffer has no reader
                    stdin.close()
                return

    def _listen(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        with stdout:
            for line in stdout:
                try:
                    self._hear(decode_fact(line))
                except (ValueError, UnknownMessageError) as error:
                    self._say_once(f"W&B's process said what its driver does not know: {error}")

    def _hear(self, fact: Fact) -> None:
        self._heard_at = time.monotonic()
        match fact:
            case Notice(text=text):
                self._answered.set()
                self._say_once(text)
            case Opened(entity=entity):
                self._answered.set()
                to = self._to
                project = project_url(to.server, entity, to.project)
                group = group_url(to.server, entity, to.project, to.group)
                self._say_once(f"W&B: {group} (project: {project})", key="url")
            case Pending(num_runs=num_runs):
                self._num_pending = num_runs
            case Sent(name=name, num_rows=num_rows):
                self.sent[name] = num_rows
            case ServerState(name=name):
                self.served[name] = fact

    def _say_once(self, notice: str, key: str = "") -> None:
        if (key or notice) not in self._told:
            self._told.add(key or notice)
            self.say(notice)


class SharedSink:
    """One sink for all that a command tracks, its launches and its tables; started when needed.

    Args:
        study: Says whether its runs are tracked, and how.
        given: The keys of `tracking` that were given on the command line.

    Raises:
        InputError: Where the environment asks for what W&B does not know.
    """

    def __init__(self, study: Study, given: frozenset[str] = frozenset()) -> None:
        self.to = destination(study, given)
        self._study = study
        self._port: SinkPort | None = None
        self._is_off = self.to.mode == "disabled"

    def port(self, say: Callable[[str], None]) -> SinkPort | None:
        """The sink, or None where W&B is disabled or cannot be had.

        Args:
            say: Told from now on what went wrong.
        """
        if self._port is not None and self._port.is_dead:
            self.close()
        if self._port is not None:
            self._port.say = say
            return self._port
        paths = StudyPaths(self._study.directory)
        home = WandbRecord(paths).home
        if not self._is_off and home and not home.fits(self.to):
            self._is_off = True
            say(_elsewhere(home, self.to, paths))
        if self._is_off:
            return None
        try:
            self._port = SinkPort(paths, self.to, self._study.tracking.patience_s, say)
        except OSError as error:
            self._is_off = True
            reason = error.strerror or error
            say(f"W&B's process cannot be started ({reason}): the study goes on without it")
        return self._port

    def put(self, messages: Iterable[Message], say: Callable[[str], None]) -> None:
        """Hands messages over; without any, no process is started for them."""
        for message in messages:
            port = self.port(say)
            if port is not None:
                port.put(message)

    def wait_for_answer(self) -> None:
        """Until the server has said whose runs they are, which the report's link needs."""
        if self._port is not None:
            self._port.wait_for_answer()

    def no_more(self) -> None:
        """Nothing comes any more; `close` need not wait as long then."""
        if self._port is not None:
            self._port.no_more()

    def close(self, patience_s: float | None = None) -> None:
        """Ends the sink, if there is one; what comes later goes to a new one."""
        if self._port is not None:
            self._port.close(patience_s)
            self._port = None


def _elsewhere(home: Home, to: Destination, paths: StudyPaths) -> str:
    place = f"{to.entity or home.entity}/{to.project}"
    command = quoted(["ablate", "sync", paths.root, "--to", place])
    asked = f"{place} at {to.server}" if to.server != home.server else place
    return (
        f"W&B: the runs of this study are in {home}; this command would use {asked}, so its runs "
        f"are not tracked. `{command}` moves them there"
    )
