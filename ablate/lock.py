"""One driver a study directory."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Generator
from pathlib import Path

from ablate.errors import StudyInUseError


@contextlib.contextmanager
def driver_lock(path: Path) -> Generator[None]:
    """Holds the lock of a study directory.

    The kernel drops it with the process, so a dead driver's lock is never in the way; children
    started by exec do not inherit it (Python's files close on exec).

    Raises:
        StudyInUseError: Where another driver holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
