"""One driver a study directory."""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Generator
from pathlib import Path
from typing import TextIO

from ablate.errors import StudyInUseError

LOOK_S = 0.2
"""Between two tries of whoever waits for a lock."""


@contextlib.contextmanager
def driver_lock(path: Path, wait_s: float = 0.0) -> Generator[None]:
    """Holds the lock of a study directory.

    The kernel drops it with the process, so a dead driver's lock is never in the way; children
    started by exec do not inherit it (Python's files close on exec).

    Args:
        path: The lock's file.
        wait_s: For how long another driver may go on holding it.

    Raises:
        StudyInUseError: Where another driver holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            _take(file, wait_s)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise StudyInUseError(
                f"{path.parent} is in use by {holder}\n"
                "  wait until it has ended, or stop it with Ctrl-C: its state is saved"
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
        file.truncate(0)


def _take(file: TextIO, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(LOOK_S)
        else:
            return
