"""The lock that allows one driver per study directory."""

import contextlib
import errno
import fcntl
import json
import time
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from ablate.errors import StudyInUseError
from ablate.ledger.lock_file import LOOK_S, Holder, lock_file, read_holder, seen_holder
from ablate.study_dir import naming

NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL})
"""Errors of file systems without `flock`."""


@contextlib.contextmanager
def driver_lock(path: Path, wait_s: float = 0.0) -> Generator[None]:
    """Holds the lock of a study directory.

    The kernel releases it with the process, so a dead driver never blocks others; children
    started by exec do not inherit it (Python's files close on exec). A file system without such
    locks gets a lock file, see `ablate.ledger.lock_file`.

    Args:
        path: The lock's file.
        wait_s: How long to wait for another driver.

    Raises:
        StudyInUseError: If another driver holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path):
        file = path.open("a+", encoding="utf-8")
    with file:
        if _locked(file, wait_s):
            with naming(path):
                file.truncate(0)
                file.write(json.dumps(asdict(Holder.here())))
                file.flush()
            try:
                yield
            finally:
                file.truncate(0)
            return
        with lock_file(_held(path), wait_s) as holder:
            if holder is not None:
                raise _in_use(path, str(holder))
            yield


def holder_of(path: Path) -> Holder | None:
    """Who holds the lock of a study directory, for those who only look: nothing is locked.

    A holder on another machine is believed: whether its process lives cannot be told from here.

    Args:
        path: The lock's file.
    """
    holder = read_holder(path)
    if holder is not None and not holder.is_dead():
        return holder
    return seen_holder(_held(path))


def wait_for_lock(file: TextIO) -> None:
    """Waits for a file's lock and takes it; does nothing on file systems without locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise


def _locked(file: TextIO, wait_s: float) -> bool:
    """Takes a file's lock; returns False on file systems without locks."""
    try:
        _take(file, wait_s)
    except BlockingIOError as error:
        file.seek(0)
        holder = read_holder(Path(file.name))
        raise _in_use(Path(file.name), str(holder or "another process")) from error
    except OSError as error:
        if error.errno in NO_LOCKS:
            return False
        raise
    return True


def _held(path: Path) -> Path:
    """The lock file where the file system has no locks."""
    return path.with_name(f"{path.name}.held")


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
