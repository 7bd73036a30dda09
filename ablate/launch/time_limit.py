"""Watches that a trial keeps to its time, wherever it is.

A thread looks at the trial's clock. Code that never gives Python's lock back would keep even that
thread from looking: then the interpreter's own watchdog, which needs no lock, says where it is and
ends the process.
"""

import contextlib
import faulthandler
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Protocol

from ablate.trainable.hosted_trial import TrialClock

GRACE_S = 10.0
"""For a trial whose time is up to come out of what it does."""
HARD_S = 20.0
"""After the time is up: then the process ends, if nothing of Python's could run meanwhile."""
LOOK_S = 0.25
OURS = "ablate: "
"""How names of our threads begin."""
DUMP = "time_limit.txt"
"""In a trial's folder: where it was when its process ended itself; empty if it did not."""


class TimeIsUp(Protocol):
    """Ends a trial whose time is up. Called in a thread of its own."""

    def __call__(self, host: Mapping[str, Any], clock: TrialClock) -> None:
        """Ends it.

        Args:
            host: What hosting knows of the trial.
            clock: The trial's.
        """
        ...


def end_nothing(host: Mapping[str, Any], clock: TrialClock) -> None:
    """For hosts that look at the clock themselves."""


class Watchdog:
    """Looks at a trial's clock until `end`.

    Args:
        host: What hosting knows of the trial.
        clock: The trial's.
        act: What ends it.
        dump: Where the interpreter's watchdog writes; None: to standard error.
    """

    def __init__(
        self, host: Mapping[str, Any], clock: TrialClock, act: TimeIsUp, dump: Path | None
    ) -> None:
        self._host, self._clock, self._act = host, clock, act
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._dump = None if dump is None else _opened(dump)
        self._put_off()  # at once: the trial may take the lock before our thread has begun
        threading.Thread(target=self._watch, name=f"{OURS}time limit", daemon=True).start()

    def end(self) -> None:
        """Looks no longer."""
        with self._lock:
            self._over.set()
            faulthandler.cancel_dump_traceback_later()

    def _watch(self) -> None:
        with self._dump or contextlib.nullcontext():
            while not self._over.wait(LOOK_S):
                if self._clock.is_running and self._clock.left_s <= 0:
                    self._act(self._host, self._clock)
                    break
                self._put_off()
        if self._dump is not None:
            Path(self._dump.name).unlink(missing_ok=True)

    def _put_off(self) -> None:
        """The end by the interpreter's own watchdog, to when the time will be up for long."""
        end_s = max(self._clock.left_s, 0.0) + HARD_S
        with self._lock:
            if not self._over.is_set():
                faulthandler.dump_traceback_later(end_s, exit=True, file=self._dump or 2)


def _opened(path: Path) -> IO[str] | None:
    try:
        path.parent.mkdir(exist_ok=True)
        return path.open("w", encoding="utf-8")
    except OSError:  # hosting reports failures of the storage
        return None


def call_back(clock: TrialClock) -> None:
    """Lets the trainable do first what only it can: end its child processes, say."""
    for do in clock.on_time_up:
        with contextlib.suppress(Exception):  # somebody else's code, in the last moment
            do()


def stacks() -> str:
    """Where the trial is now: the main thread, and those of ours, the one of a function last."""
    frames, ours = sys._current_frames(), [*_main_first(threading.enumerate())]
    return "".join(
        f"in {thread.name}:\n{''.join(traceback.format_stack(frames[thread.ident]))}"
        for thread in ours
        if thread.ident in frames and thread is not threading.current_thread()
    )


def _main_first(threads: Iterable[threading.Thread]) -> Iterator[threading.Thread]:
    yield threading.main_thread()
    yield from (thread for thread in threads if thread.name.startswith(OURS))


def main_stack() -> str:
    """Where the main thread is now."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    return "" if frame is None else "".join(traceback.format_stack(frame))


def last_line(stack: str) -> str:
    """The innermost place of a stack: `File "x.py", line 3, in wait`."""
    places = [line.strip() for line in stack.splitlines() if line.lstrip().startswith('File "')]
    return places[-1] if places else "code that is no Python"
