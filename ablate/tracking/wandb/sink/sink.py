"""The process that talks to W&B, one for all runs of a study; its arguments: DIR DESTINATION.

It reads messages from standard input and answers with facts, see `protocol`. It has its own
session, so that neither Ctrl-C nor the driver's death cuts it off: at the end of its input it ends
every run that is still open. Nothing in the driver waits for it.

W&B is filled from the ledger: the server is asked which rows it has, and the rest of the ledger's
curve is sent. Offline, a run is written once, in full.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Protocol, TextIO

from ablate.errors import INTERRUPTED
from ablate.ledger.history import History
from ablate.ledger.lock import wait_for_lock
from ablate.study_dir import StudyPaths
from ablate.tracking.wandb.protocol import (
    Close,
    Fact,
    Notice,
    Pending,
    RunMessage,
    UnknownMessageError,
    decode_message,
    encode,
)
from ablate.tracking.wandb.record import WandbRecord
from ablate.tracking.wandb.settings import Destination
from ablate.tracking.wandb.sink.client import Client
from ablate.tracking.wandb.sink.offline import Offline
from ablate.tracking.wandb.sink.online import Online

NICENESS = 19
"""Above the niceness of Ray's workers, 15: the sink must not slow training down."""
NOTICE_EVERY_S = 1.0
CRASHED = 1


class Way(Protocol):
    """A way for runs to reach W&B."""

    @property
    def moved_at(self) -> float:
        """When something last arrived or was handed over."""
        ...

    def take(self, message: RunMessage) -> None:
        """Handles one message, possibly in another thread."""
        ...

    def end_open_runs(self, exit_code: int) -> None:
        """Ends the runs that are still open: there are no more messages."""
        ...

    def num_pending(self) -> int:
        """Number of runs that are not fully in W&B and still can be."""
        ...


class Notices:
    """The channel back to the driver."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._said: set[str] = set()

    def say(self, cause: str, text: str) -> None:
        """Sends a notice for the user, once per cause."""
        print(f"{cause}: {text}", file=sys.stderr, flush=True)
        with self._lock:
            if cause in self._said:
                return
            self._said.add(cause)
        self.tell(Notice(text=text))

    def tell(self, fact: Fact) -> None:
        """Sends a fact."""
        try:
            with self._lock:
                self._stream.write(encode(fact))
                self._stream.flush()
        except (OSError, ValueError):
            pass  # the driver is gone


def serve(way: Way, lines: TextIO, notices: Notices, patience_s: float) -> bool:
    """Handles messages until the input ends, then waits for W&B while it makes progress.

    Returns:
        Whether everything was sent.
    """
    exit_code = CRASHED
    for line in lines:
        try:
            message = decode_message(line)
        except ValueError:
            break  # the driver died within a line
        except UnknownMessageError as error:
            notices.say("message", f"W&B's process does not know a message of its driver: {error}")
            continue
        if isinstance(message, Close):
            exit_code, patience_s = INTERRUPTED, message.patience_s
            break
        way.take(message)
    way.end_open_runs(exit_code)
    quiet_until = 0.0
    while (num_runs := way.num_pending()) and time.monotonic() - way.moved_at < patience_s:
        if way.moved_at > quiet_until:
            notices.tell(Pending(num_runs=num_runs))
            quiet_until = time.monotonic() + NOTICE_EVERY_S
        time.sleep(0.05)
    if num_runs:
        notices.say("patience", f"W&B made no progress for {patience_s:.0f} s; gave up waiting")
    return not num_runs


def main() -> None:
    """Serves one driver until its pipe closes."""
    os.nice(NICENESS)
    paths, settings = StudyPaths(Path(sys.argv[1])), json.loads(sys.argv[2])
    patience_s, moves = settings.pop("patience_s"), settings.pop("moves")
    to = Destination(**settings)
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    paths.sink_log.parent.mkdir(parents=True, exist_ok=True)
    log = paths.sink_log.open("a", buffering=1, encoding="utf-8", errors="backslashreplace")
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    notices = Notices(stream)
    with paths.sink_lock.open("a") as lock:
        # The sink of an earlier driver may still be writing.
        wait_for_lock(lock)
        client = Client(to, paths.wandb)
        history, record = History(paths), WandbRecord(paths)
        if to.mode == "online":
            way: Way = Online(to, client, history, record, notices.say, notices.tell, moves)
        else:
            way = Offline(to, client, history, record, notices.say)
        if not serve(way, sys.stdin, notices, patience_s):
            os._exit(0)  # W&B is stuck, and would block a clean exit
        client.close()


if __name__ == "__main__":
    main()
