"""The descendants of a process, from Linux's /proc; elsewhere none are known."""

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path

_PROC = Path("/proc")


def children_of(parent: int) -> set[int]:
    """A process's own children."""
    return {pid for pid, above in _parents().items() if above == parent}


def family_of(roots: Iterable[int]) -> set[int]:
    """Processes and all their descendants."""
    parents = _parents()
    family = set(roots) & parents.keys()
    below = family
    while below := {pid for pid, above in parents.items() if above in below} - family:
        family |= below
    return family


def is_asked_to_end(pid: int) -> bool:
    """Whether a SIGTERM is pending for a process that blocks it."""
    with contextlib.suppress(OSError):
        for line in (_PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("ShdPnd:"):
                return bool(int(line.split()[1], 16) & 1 << (signal.SIGTERM - 1))
    return False


def kill(pids: Iterable[int]) -> None:
    """Kills processes with SIGKILL, which they cannot block."""
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or a zombie."""
    return _state(pid)[0] in ("", "Z", "X")


def _parents() -> dict[int, int]:
    """The parent of every process."""
    if not _PROC.is_dir():
        return {}
    pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    return {pid: parent for pid in pids for parent in [_state(pid)[1]] if parent}


def _state(pid: int) -> tuple[str, int]:
    """A process's state and its parent's id."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return "", 0
    state, parent, *_ = stat[stat.rindex(")") + 2 :].split()  # its name may hold anything
    return state, int(parent)
