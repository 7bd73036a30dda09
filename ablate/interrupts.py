"""Ctrl-C and SIGTERM: the first one stops in good order, the second at once."""

import contextlib
import os
import signal
import threading
from collections.abc import Generator
from types import FrameType
from typing import Any


class Interrupts:
    """Whether somebody asked the job to stop.

    Tune ends in good order on SIGUSR1 while it is fitting; everything else in this process ends
    by a `KeyboardInterrupt`, which the job catches at its boundary.
    """

    def __init__(self) -> None:
        self.seen = False
        self._previous: dict[int, Any] = {}
        self._in_tune = False

    @contextlib.contextmanager
    def watched(self) -> Generator["Interrupts"]:
        """Handles the signals, in the main thread; elsewhere the caller's handling stays."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        self.install()
        try:
            yield self
        finally:
            for number, handler in self._previous.items():
                signal.signal(number, handler)

    def install(self) -> None:
        """Takes the signals over; again after `ray.init`, which takes SIGTERM for itself."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            current = signal.signal(number, self._handle)
            if current != self._handle:
                self._previous.setdefault(number, current)

    @contextlib.contextmanager
    def forwarded_to_tune(self) -> Generator[None]:
        """While Tune fits: a signal becomes SIGUSR1, on which Tune saves its state and stops."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        # Until Tune has installed its own handler SIGUSR1 would kill the process.
        previous = signal.signal(signal.SIGUSR1, self._too_early)
        self._in_tune = True
        try:
            yield
        finally:
            self._in_tune = False
            signal.signal(signal.SIGUSR1, previous)

    def stop(self) -> None:
        """Stops the job in good order, as the first signal would."""
        if not self.seen:
            self._handle(signal.SIGTERM, None)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.seen = self.seen, True
        if self._in_tune and not again:
            os.kill(os.getpid(), signal.SIGUSR1)
        else:
            raise KeyboardInterrupt

    def _too_early(self, number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt
