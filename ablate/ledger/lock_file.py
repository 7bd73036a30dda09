"""A lock for file systems without `flock`: a file that its holder touches regularly.

It is created atomically with its content. If its holder is known to be dead, or has not touched it
for long, the next driver takes it over.
"""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from ablate.errors import AblateError
from ablate.process.machine import process_space

LOOK_S = 0.2
"""Pause between attempts to take the lock."""
BEAT_S = 5.0
"""Pause between touches."""
STALE_S = 60.0
"""Age of an abandoned lock, whose holder is dead or cut off from the storage."""


@dataclass(frozen=True)
class Holder:
    """The holder of a lock."""

    pid: int
    host: str
    machine: str
    """The boot of the kernel and the namespace in which `pid` is a process."""
    token: str
    """Unique to this lock."""

    @classmethod
    def here(cls) -> "Holder":
        """This process."""
        return cls(os.getpid(), socket.gethostname(), process_space(), uuid.uuid4().hex)

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is on another machine: whether it lives cannot be told from here."""
        return self.machine != process_space()

    def is_dead(self) -> bool:
        """Whether the process is known to be gone, which can be told on its machine only."""
        if self.is_elsewhere:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # another user's process
            pass
        return False

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@contextlib.contextmanager
def lock_file(path: Path, wait_s: float = 0.0) -> Generator[Holder | None]:
    """Holds a lock while the body runs.

    Args:
        path: The file.
        wait_s: How long to wait for another holder.

    Yields:
        None, or the holder if the lock is taken.
    """
    mine, deadline = Holder.here(), time.monotonic() + wait_s
    while not _make(path, mine):
        other = read_holder(path)
        if _is_stale(path, other) and _taken_away(path, other):
            continue
        if time.monotonic() < deadline:
            time.sleep(LOOK_S)
        else:
            yield other or Holder(0, "some machine", "", "")
            return
    ended = threading.Event()
    beat = threading.Thread(target=_keep_young, args=(path, mine, ended), daemon=True)
    beat.start()
    try:
        yield None
    finally:
        ended.set()
        beat.join()
        if read_holder(path) == mine:
            path.unlink(missing_ok=True)


def _make(path: Path, holder: Holder) -> bool:
    """Creates the lock; returns False if there is one."""
    content = json.dumps(asdict(holder)).encode()
    whole = path.with_name(f"{path.name}.{holder.token}")
    whole.write_bytes(content)
    try:
        os.link(whole, path)
    except FileExistsError:
        return False
    except OSError:  # no hard links: its content follows a moment later
        try:
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:
            return False
    finally:
        whole.unlink()
    return True


def read_holder(path: Path) -> Holder | None:
    """The holder of a lock; None if the file does not tell."""
    try:
        return Holder(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def seen_holder(path: Path) -> Holder | None:
    """The holder of a lock that is kept young, by the clock of this machine; nothing is written."""
    holder = read_holder(path)
    if holder is None or holder.is_dead():
        return None
    try:
        return holder if time.time() - path.stat().st_mtime < STALE_S else None
    except FileNotFoundError:
        return None


def _is_stale(path: Path, holder: Holder | None) -> bool:
    if holder is not None and holder.machine == process_space():
        return holder.is_dead()
    return _age_s(path) > STALE_S


def _age_s(path: Path) -> float:
    """The age of a file by the clock of its file system."""
    now = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    try:
        now.touch()
        return now.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
    finally:
        now.unlink(missing_ok=True)


def _taken_away(path: Path, stale: Holder | None) -> bool:
    """Removes a stale lock, unless another process has taken it over meanwhile."""
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return True  # another process was faster
    if read_holder(aside) == stale:
        aside.unlink()
        return True
    with contextlib.suppress(OSError):
        os.link(aside, path)
    aside.unlink()
    return False


def _end(path: Path, holder: Holder) -> NoReturn:
    """Ends this process at once: its successor already owns what it would still save."""
    message = f"\nerror: {path.parent} was taken over by {holder}; this driver ends here\n"
    with contextlib.suppress(OSError):
        os.write(2, message.encode("utf-8", "backslashreplace"))
    os._exit(AblateError.exit_code)


def _keep_young(path: Path, mine: Holder, ended: threading.Event) -> None:
    while not ended.wait(BEAT_S):
        holder = read_holder(path)
        if holder is not None and holder != mine:
            _end(path, holder)  # this process was taken for dead: two drivers must not write
        with contextlib.suppress(OSError):
            os.utime(path)
