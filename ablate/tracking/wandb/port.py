"""The driver's end of the W&B sink: sends messages and never waits for W&B."""

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
"""Queue length above which points are dropped; the sink reads them from the ledger."""
INTERRUPT_PATIENCE_S = 5.0
GRACE_S = 10.0
"""How long after its own deadline a stuck sink is killed."""
ANSWER_S = 5.0
SILENT_S = 3.0
"""How long a command waits for W&B without saying so."""


class SinkPort:
    """Starts the sink and feeds it from a thread.

    Args:
        paths: The study directory.
        to: Where runs go.
        patience_s: How long to wait at the end while W&B makes no progress.
        say: Called once with each notice.
        moves: Whether to move the runs there from another place.

    Raises:
        OSError: If no process can be started.
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
        """By run name, what the server had when it was asked."""
        self.sent: dict[str, int] = {}
        """By run name, the number of rows sent."""
        self._to = to
        self._said: set[str] = set()
        self._behind: set[str] = set()
        self._num_pending = 0
        self._heard_at = time.monotonic()
        self._answered = threading.Event()
        self._queue: queue.SimpleQueue[Message] = queue.SimpleQueue()
        settings = json.dumps({**to.as_json(), "patience_s": patience_s, "moves": moves})
        with unheard_by_children():  # it outlives the driver, to send what it has
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "ablate.tracking.wandb.sink.sink",
                    str(paths.root),
                    settings,
                ],
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
        """Whether the sink has ended too early."""
        return self._process.poll() is not None

    def put(self, message: Message) -> None:
        """Queues a message; drops points if the sink is far behind, since the ledger has them."""
        if isinstance(message, Points):
            if self._queue.qsize() > MAX_QUEUED:
                self._behind.add(message.wandb_id)
                return
            if message.wandb_id in self._behind:
                message = replace(message, is_behind=True)
                self._behind.discard(message.wandb_id)
        self._queue.put(message)

    def wait_for_answer(self) -> None:
        """Waits briefly until W&B has said where runs are, or failed."""
        self._answered.wait(ANSWER_S if self._to.mode == "online" else 0)

    def no_more(self, patience_s: float | None = None) -> None:
        """Sends the last message: the sink ends while the driver does other things."""
        if patience_s is not None:
            self.patience_s = patience_s
        self.put(Close(patience_s=self.patience_s))

    def close(self, patience_s: float | None = None) -> None:
        """Waits for the sink while it makes progress; kills it if it does not end by itself.

        Args:
            patience_s: How long to wait without progress; the study's setting by default.
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
                except ValueError:
                    return  # the sink died within a line
                except UnknownMessageError as error:
                    self._say_once(f"a message of W&B's process is unknown: {error}")

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
        if (key or notice) not in self._said:
            self._said.add(key or notice)
            self.say(notice)


class SharedSink:
    """One sink for everything a command tracks, launches and tables; started when needed.

    Args:
        study: Its `tracking` section applies.
        given: The keys of `tracking` that are set on the command line.

    Raises:
        InputError: If the environment has W&B settings that are invalid.
    """

    def __init__(self, study: Study, given: frozenset[str] = frozenset()) -> None:
        self.to = destination(study, given)
        self._study = study
        self._port: SinkPort | None = None
        self._is_off = self.to.mode == "disabled"

    def port(self, say: Callable[[str], None]) -> SinkPort | None:
        """The sink, or None if W&B is disabled or no process can be started.

        Args:
            say: Called with notices from now on.
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
        """Queues messages; starts no process if there are none."""
        for message in messages:
            port = self.port(say)
            if port is not None:
                port.put(message)

    def wait_for_answer(self) -> None:
        """Waits until the server has named the entity, which the report's link needs."""
        if self._port is not None:
            self._port.wait_for_answer()

    def no_more(self) -> None:
        """Sends the last message early, so that `close` waits less."""
        if self._port is not None:
            self._port.no_more()

    def close(self, patience_s: float | None = None) -> None:
        """Ends the sink, if there is one; a later message starts a new one."""
        if self._port is not None:
            self._port.close(patience_s)
            self._port = None


def _elsewhere(home: Home, to: Destination, paths: StudyPaths) -> str:
    place = f"{to.entity or home.entity}/{to.project}"
    command = quoted(["ablate", "sync", paths.root, "--to", place])
    where = f"{place} at {to.server}" if to.server != home.server else place
    return (
        f"W&B: the runs of this study are in {home}; this command would use {where}, so its runs "
        f"are not tracked. `{command}` moves them there"
    )
