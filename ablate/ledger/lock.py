"""One driver a study directory."""

import contextlib
import errno
import fcntl
import os
import socket
import time
from collections.abc import Generator
from pathlib import Path
from typing import TextIO

from ablate.errors import StudyInUseError
from ablate.ledger.lock_file import LOOK_S, lock_file
from ablate.study_dir import naming

NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL})
"""What a file system says that knows no `flock`."""


@contextlib.contextmanager
def driver_lock(path: Path, wait_s: float = 0.0) -> Generator[None]:
    """Holds the lock of a study directory.

    The kernel drops it with the process, so a dead driver's lock is never in the way; children
    started by exec do not inherit it (Python's files close on exec). A file system without such
    locks gets a lock file, see `ablate.ledger.lock_file`.

    Args:
        path: The lock's file.
        wait_s: For how long another driver may go on holding it.

    Raises:
        StudyInUseError: Where another driver holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path):
        file = path.open("a+", encoding="utf-8")
    with file:
        if _locked(file, wait_s):
            with naming(path):
                file.truncate(0)
                file.write(f"process {os.getpid()} on {socket.gethostname()}")
                file.flush()
            yield
            file.truncate(0)
            return
        with lock_file(path.with_name(f"{path.name}.held"), wait_s) as holder:
            if holder is not None:
                raise _in_use(path, str(holder))
            yield


def wait_for_lock(file: TextIO) -> None:
    """Waits until a file's lock is free, and takes it; not where the file system has none."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


def _locked(file: TextIO, wait_s: float) -> bool:
    """Takes a file's lock; False where the file system has none."""
    try:
        _take(file, wait_s)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read().strip() or "another process"
        raise _in_use(Path(file.name), holder) from error
    except OSError as error:
        if error.errno in NO_LOCKS:
            return False
        raise
    return True


def _in_use(path: Path, holder: str) -> StudyInUseError:
    return StudyInUseError(
        f"{path.parent} is in use by {holder}\n"
        "  wait until it has ended, or stop it with Ctrl-C: its state is saved"
    )


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
