"""Keeps runs in this process to their time: by an alarm in the main thread, else by an end."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Generator, Mapping
from types import FrameType
from typing import Any

from ablate.events import Failure
from ablate.launch.time_limit import GRACE_S, call_back, last_line, main_stack
from ablate.trainable.hosted_trial import TimeLimit, TrialClock


class _Alarm(BaseException):
    """Ends a run whose time is up; no `except Exception` of its own catches it."""


class DoesNotEnd(TimeLimit):
    """A run whose time is up, and which only the end of this process ends."""

    @classmethod
    def in_(cls, clock: TrialClock, stack: str) -> "DoesNotEnd":
        """The error of a run that still is at a place.

        Args:
            clock: The trial's.
            stack: Of the thread that trains.
        """
        return cls(f"{clock.told}, and does not come back from {last_line(stack)}", stack)

    def __init__(self, message: str, stack: str = "") -> None:
        super().__init__(message)
        self.stack = stack

    @property
    def failure(self) -> Failure:
        """As the run's failure."""
        return Failure(TimeLimit.__name__, str(self), self.stack)


class LocalTimeLimit:
    """Ends runs of this process whose time is up.

    Args:
        hangs: Called if a run does not end, in another thread than the one that hangs: records
            its failure, saves everything, and ends the process.
    """

    def __init__(self, hangs: Callable[[DoesNotEnd], None]) -> None:
        self._hangs = hangs
        self._clock = TrialClock()
        self._is_due = False
        self._is_armed = False

    @contextlib.contextmanager
    def armed(self) -> Generator[None]:
        """Hears the alarm, if in the main thread; handlers of others get theirs."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGALRM)

        def handle(number: int, frame: FrameType | None) -> None:
            is_due, self._is_due = self._is_due, False
            if is_due and self._clock.is_running:  # else it is the ledger that would be interrupted
                raise _Alarm
            if not is_due and callable(before):
                before(number, frame)

        signal.signal(signal.SIGALRM, handle)
        self._is_armed = True
        try:
            yield
        finally:
            self._is_armed = False
            signal.signal(signal.SIGALRM, before)

    def __call__(self, host: Mapping[str, Any], clock: TrialClock) -> None:
        """Interrupts the run, and ends the process if that does not help."""
        call_back(clock)
        if self._is_armed:
            self._clock, self._is_due = clock, True
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
        until = time.monotonic() + GRACE_S
        while clock.is_running and time.monotonic() < until:
            time.sleep(0.05)
        if clock.is_running:
            self._hangs(DoesNotEnd.in_(clock, main_stack()))


@contextlib.contextmanager
def interruptible(clock_of: Callable[[], TrialClock | None]) -> Generator[None]:
    """Makes an error of the run of its alarm.

    Args:
        clock_of: The trial's clock, once there is one.
    """
    try:
        yield
    except _Alarm as alarm:
        clock = clock_of()
        error = TimeLimit(clock.told if clock else "exceeded time_limit_s of this run")
        raise error.with_traceback(alarm.__traceback__) from None
