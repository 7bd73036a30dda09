"""No garbage collection for a while: during large imports and plans, and while Ray ends."""

import contextlib
import gc
import threading
from collections.abc import Generator

_lock = threading.Lock()
_within = 0
"""How many threads and blocks are at it: the last one lets the collection go on."""
_was_enabled = False


@contextlib.contextmanager
def gc_paused() -> Generator[None]:
    """No garbage collection meanwhile, in any thread.

    Ray, Tune and torch import an eighth faster so; large plans are made of what stays.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _within, _was_enabled
    with _lock:
        if not _within:
            _was_enabled = gc.isenabled()
            gc.disable()
        _within += 1


def _leave() -> None:
    global _within
    with _lock:
        _within -= 1
        if not _within and _was_enabled:
            gc.enable()
