"""Whether somebody is at a debugger's prompt in this process, where nothing else should print."""

import sys
from collections.abc import Iterator
from types import FrameType

DEBUGGERS = frozenset({"bdb", "pdb"})
"""Modules whose functions wait below a prompt: the standard debugger, and those made of it."""


def is_debugging() -> bool:
    """Whether a thread stands in a debugger: after `breakpoint()`, or where `--pdb` stops."""
    return any(
        frame.f_globals.get("__name__") in DEBUGGERS
        for top in sys._current_frames().values()
        for frame in _stack(top)
    )


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
