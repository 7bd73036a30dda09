"""Runs in W&B's offline folders: each written once, whole, from the ledger, when it has ended."""

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ablate.ledger.history import History
from ablate.tracking.wandb.content import Message, for_wandb, interruption, noted, tell_end
from ablate.tracking.wandb.record import WandbRecord
from ablate.tracking.wandb.settings import Destination
from ablate.tracking.wandb.sink.client import Client, Trouble

NUM_THREADS = 4
MAX_TRIES = 3


class Offline:
    """Writes runs that W&B has never seen.

    A run that it has seen is not written again: an upload of it would be appended to what is there.

    Args:
        to: Where the runs go, once somebody uploads them.
        client: The way to W&B.
        history: The curves.
        record: The study directory's notes.
        say: Tells the driver something, given what makes it one thing.
        tell: Hands a fact to the driver.
    """

    def __init__(
        self,
        to: Destination,
        client: Client,
        history: History,
        record: WandbRecord,
        say: Callable[[str, str], None],
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self._entity = record.home.entity if record.home else to.entity
        self._client = client
        self._history = history
        self._record = record
        self._say = say
        self._tell = tell
        self._open: dict[str, Message] = {}
        self._todo: queue.SimpleQueue[tuple[Message, Message]] = queue.SimpleQueue()
        self._asked: dict[str, str] = {}
        self._num_left = 0
        self._lock = threading.Lock()
        self.moved_at = time.monotonic()
        for _ in range(NUM_THREADS):
            threading.Thread(target=self._work, daemon=True).start()

    def take(self, message: Message) -> None:
        """Carries out one message, or has it carried out; rows are left to the ledger."""
        kind, wandb_id = message["kind"], message["id"]
        if kind == "start":
            self._open[wandb_id] = message
        elif kind == "end" and wandb_id in self._open:
            self._write_soon(self._open.pop(wandb_id), message)
        elif kind == "complete" and self._asked.get(wandb_id) != message["what"]:
            self._write_soon(message["start"], message)

    def end_open_runs(self, exit_code: int) -> None:
        """Nothing comes any more: runs that have not ended are written as far as they are."""
        self.moved_at = time.monotonic()
        for start in self._open.values():
            self._write_soon(start, interruption(exit_code))
        self._open.clear()

    def num_left(self) -> int:
        """Runs that are still to be written."""
        return self._num_left

    def _write_soon(self, start: Message, end: Message) -> None:
        self._asked[start["id"]] = end["what"]
        with self._lock:
            self._num_left += 1
        self._todo.put((start, end))

    def _work(self) -> None:
        """A thread: one run after the other."""
        while True:
            start, end = self._todo.get()
            try:
                self._write(start, end)
            finally:
                with self._lock:
                    self._num_left -= 1
                    self.moved_at = time.monotonic()

    def _write(self, start: Message, end: Message) -> None:
        if self._record.is_on_a_server(start["id"]):
            return
        if end["what"] and self._record.has(start["id"], end["what"], "offline"):
            return
        for attempt in range(MAX_TRIES):
            generation = self._client.generation
            try:
                self._record.drop_unsynced(start["id"])
                self._write_whole(start, end)
                return
            except Exception as error:  # noqa: BLE001 - W&B raises many kinds when it breaks
                trouble = Trouble.of(error)
                if trouble.cause == "files" or attempt + 1 == MAX_TRIES:
                    told = f"W&B's offline files cannot be written: {trouble.detail}"
                    self._say(trouble.cause, told)
                    return
                self._client.replace(generation)

    def _write_whole(self, start: Message, end: Message) -> None:
        points = self._history.timed(start["run_id"])
        with self._client.at_work():
            run = self._client.open(start, self._entity)
            self._record.made(start["id"], Path(run.dir).parent)
            for step, metrics in points:
                run.log(for_wandb(metrics), step=step, commit=True)
            tell_end(self._client, run, start, end, points[-1][0] if points else -1)
            run.finish(exit_code=end["exit_code"])
        with self._lock:
            self._record.note(start["id"], "written", noted(end, len(points)))
