"""Runs in W&B's offline folders: each is written once, from the ledger, when it has ended."""

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ablate.ledger.history import History
from ablate.tracking.wandb.content import for_wandb, write_end
from ablate.tracking.wandb.protocol import Complete, End, Points, RunMessage, Start, Sync, Tag
from ablate.tracking.wandb.record import WandbRecord
from ablate.tracking.wandb.settings import Destination
from ablate.tracking.wandb.sink.client import Client, Trouble

NUM_THREADS = 4
MAX_TRIES = 3
_HEAD = 2**16
"""Bytes of an offline log that say which run it is."""
FAILED = 1
"""Exit code of a failed run."""


class Offline:
    """Writes runs that W&B does not have yet.

    Others are not written again: an upload would be appended to what is there.

    Args:
        to: Where the runs will be uploaded.
        client: The connection to W&B.
        history: The curves.
        record: The study directory's notes.
        say: Sends a notice to the user, given its cause and text.
    """

    def __init__(
        self,
        to: Destination,
        client: Client,
        history: History,
        record: WandbRecord,
        say: Callable[[str, str], None],
    ) -> None:
        self._entity = record.home.entity if record.home else to.entity
        self._client = client
        self._history = history
        self._record = record
        self._say = say
        self._open: dict[str, Start] = {}
        self._todo: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._content: dict[str, str] = {}
        self._num_pending = 0
        self._lock = threading.Lock()
        self.moved_at = time.monotonic()
        for _ in range(NUM_THREADS):
            threading.Thread(target=self._work, daemon=True).start()

    def take(self, message: RunMessage) -> None:
        """Handles one message; rows are read from the ledger later."""
        match message:
            case Start():
                self._open[message.wandb_id] = message
            case Points() | Sync():
                pass  # runs are written whole, and there is no server to ask
            case End(wandb_id=wandb_id):
                if wandb_id in self._open:
                    self._write_soon(self._open.pop(wandb_id), message)
            case Tag():
                self._soon(lambda: self._tag(message))
            case Complete(start=start, end=end):
                if self._content.get(start.wandb_id) != end.content:
                    self._write_soon(start, end)

    def end_open_runs(self, exit_code: int) -> None:
        """Writes the runs that have not ended, as far as they got."""
        self.moved_at = time.monotonic()
        for start in self._open.values():
            self._write_soon(start, End.interruption(start.wandb_id, exit_code))
        self._open.clear()

    def num_pending(self) -> int:
        """Number of runs still to be written."""
        return self._num_pending

    def _write_soon(self, start: Start, end: End) -> None:
        self._content[start.wandb_id] = end.content
        self._soon(lambda: self._write(start, end))

    def _soon(self, work: Callable[[], None]) -> None:
        with self._lock:
            self._num_pending += 1
        self._todo.put(work)

    def _work(self) -> None:
        """A thread: writes one run after another."""
        while True:
            work = self._todo.get()
            try:
                work()
            finally:
                with self._lock:
                    self._num_pending -= 1
                    self.moved_at = time.monotonic()

    def _write(self, start: Start, end: End) -> None:
        if self._record.is_on_a_server(start.wandb_id):
            return
        if end.content and self._record.has(start.wandb_id, end.content, "offline"):
            return
        self._trying(lambda: self._rewrite(start, end))

    def _tag(self, tag: Tag) -> None:
        """Adds a segment that says so to what a script wrote; nothing where it wrote nothing."""
        key, logs = str(tag.launch), self._record.of_script(tag.wandb_id)
        if not logs or self._record.noted(tag.wandb_id, "tagged") == key:
            return
        if not all(_is_of(log, self._client.project) for log in logs):
            self._say(f"project {tag.wandb_id}", (
                f"W&B: {tag.start.name} failed, and is not tagged: its script writes to another "
                f"project than {self._client.project}; after `wandb sync`, "
                "`ablate sync` with tracking.project set to that one tags it"
            ))  # fmt: skip
            return
        self._trying(lambda: self._write_tag(tag, key))

    def _write_tag(self, tag: Tag, key: str) -> None:
        with self._client.at_work():
            tags = [*tag.start.tags, "failed"]
            self._client.tag(tag.start, self._entity, tags, FAILED)
        with self._lock:
            self._record.note(tag.wandb_id, "tagged", key)

    def _rewrite(self, start: Start, end: End) -> None:
        self._record.drop_unsynced(start.wandb_id)
        self._write_whole(start, end)

    def _trying(self, write: Callable[[], None]) -> None:
        for attempt in range(MAX_TRIES):
            generation = self._client.generation
            try:
                write()
                return
            except Exception as error:  # noqa: BLE001 - W&B raises many kinds when it breaks
                trouble = Trouble.of(error)
                if trouble.cause == "files" or attempt + 1 == MAX_TRIES:
                    message = f"W&B's offline files cannot be written: {trouble.detail}"
                    self._say(trouble.cause, message)
                    return
                self._client.replace(generation)

    def _write_whole(self, start: Start, end: End) -> None:
        points = self._history.timed(start.run_id)
        with self._client.at_work():
            run = self._client.open(start, self._entity)
            self._record.made(start.wandb_id, Path(run.dir).parent)
            for step, metrics in points:
                run.log(for_wandb(metrics), step=step, commit=True)
            write_end(self._client, run, start, end, points[-1][0] if points else -1)
            run.finish(exit_code=end.exit_code)
        with self._lock:
            self._record.note(start.wandb_id, "written", end.state(len(points)))


def _is_of(log: Path, project: str) -> bool:
    """Whether an offline log's run is of a project, which is field 3 of its first record.

    Where W&B writes that otherwise, it is not, and the run stays as its script made it.
    """
    name = project.encode()
    with log.open("rb") as file:
        return b"\x1a" + bytes([len(name)]) + name in file.read(_HEAD)
