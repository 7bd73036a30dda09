"""Signals that ask a command to stop: the first in good order, a second one at once."""

import _thread
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any

STOP_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
    if hasattr(signal, name)
)
"""Sent by people, batch systems, closing terminals and limits."""
SAME_EVENT_S = 0.5
"""`timeout` and batch systems signal a process and its group: this counts as one request."""

_SENT_AGAIN = frozenset(
    getattr(signal, name) for name in ("SIGHUP", "SIGXCPU") if hasattr(signal, name)
)
"""Repeated by the kernel itself."""
_ACKNOWLEDGE_S = 2.0
"""For the main thread to notice that the cluster is gone: inside a Ray call it never does."""
_IMPORT_S = 10.0
"""For an import to finish: a module's C code may swallow exceptions raised during it."""


class ClusterGone(KeyboardInterrupt):
    """Ends everything else once the cluster is gone."""


class Interrupts:
    """Whether something asked the job to stop.

    While Tune is fitting, its own SIGUSR1 handler ends it in good order; everything else in this
    process ends by a `KeyboardInterrupt`, which the job catches at its boundary.

    Attributes:
        seen: Whether the job is to stop.
        gone: The address of the cluster, if its loss is the reason.
        cluster_lost: Whether the cluster is gone, even if there is another reason to stop.
        end_at_once: What a second signal does in a command's own process; does not return.
        resume_hint: Gives the command that resumes the study.
        has_begun: Whether the command has taken effect: its runs are in the ledger.
    """

    def __init__(self) -> None:
        self.seen = False
        self.gone: str | None = None
        self.end_at_once: Callable[[], None] | None = None
        self.resume_hint: Callable[[], str] | None = None
        self.cluster_lost = False
        self.has_begun = False
        self._is_breaking = False
        self._is_put_off = False
        self._first_at = 0.0
        self._previous: dict[int, Any] = {}
        self._tune: Any = None
        self._acknowledged = threading.Event()
        self._last_resorts: list[Callable[[], None]] = []

    @contextlib.contextmanager
    def watched(self) -> Generator["Interrupts"]:
        """Handles the signals if called in the main thread; else the caller's handlers stay."""
        self.install()
        try:
            yield self
        finally:
            for number, handler in self._previous.items():
                signal.signal(number, handler)
            self._previous.clear()

    def install(self) -> None:
        """Installs the handlers; again after `ray.init`, which replaces that of SIGTERM."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in STOP_SIGNALS:
            current = signal.getsignal(number)
            if number == signal.SIGHUP and current == signal.SIG_IGN:
                continue  # nohup
            if current != self._handle:
                signal.signal(number, self._handle)
                self._previous.setdefault(number, current)

    def take_from_tune(self) -> None:
        """While Tune fits, calls its SIGUSR1 handler, by which it stops, for all signals."""
        if threading.current_thread() is threading.main_thread():
            current = signal.getsignal(signal.SIGUSR1)
            self._tune = current if current != self._handle else self._tune
            self.install()
            if self.seen and self._tune:  # too early for Tune
                self._tune(signal.SIGUSR1, None)

    def tune_ended(self) -> None:
        """Stops passing signals on to Tune."""
        self._tune = None
        self.install()

    def check(self) -> None:
        """Raises again if a signal was seen, in case its exception was swallowed."""
        if self.seen:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def last_resort(self, save: Callable[[], None]) -> Generator[None]:
        """Registers what another thread saves if the main thread is stuck on a lost cluster."""
        self._last_resorts.append(save)
        try:
            yield
        finally:
            self._last_resorts.remove(save)

    def cluster_is_gone(self, address: str) -> None:
        """Ends the job, from another thread, before Ray ends the process silently."""
        self.gone = None if self.seen else address  # a signal to all processes ends clusters, too
        self.seen = self.cluster_lost = self._is_breaking = True
        os.kill(os.getpid(), signal.SIGUSR2)
        if not self._acknowledged.wait(_ACKNOWLEDGE_S):
            self.end_from_aside()

    def end_from_aside(self) -> None:
        """Saves everything and ends the process, from another thread than a stuck main one."""
        for save in reversed(self._last_resorts):
            with contextlib.suppress(OSError):  # still save the rest
                save()
        if self.end_at_once:
            self.end_at_once()

    def stop(self) -> None:
        """Stops the job in good order, as the first signal would."""
        if not self.seen:
            self._handle(signal.SIGTERM, None)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        signal.signal(number, self._handle)  # Ray's C++ forwards only the first SIGTERM
        if self._is_breaking:
            self._is_breaking = False
            self._acknowledged.set()
            raise ClusterGone
        if not self.seen:
            self.seen, self._first_at = True, now
            self._stop(number, frame)
        elif self._is_put_off:
            self._is_put_off = False
            self._stop(number, frame)
        elif number not in _SENT_AGAIN and now - self._first_at > SAME_EVENT_S:
            if self.end_at_once:
                self.end_at_once()
            raise KeyboardInterrupt

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self._tune is not None:
            self._tune(number, frame)
        elif _is_importing(frame) and time.monotonic() - self._first_at < _IMPORT_S:
            timer = threading.Timer(0.05, self._stop_again)
            timer.daemon = True
            timer.start()
        else:
            raise KeyboardInterrupt

    def _stop_again(self) -> None:
        self._is_put_off = True
        _thread.interrupt_main(signal.SIGUSR2)  # no effect once our handler is gone


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


_active: list[Interrupts] = []


@contextlib.contextmanager
def interrupts() -> Generator[Interrupts]:
    """The signals of this process, watched for as long as the outermost block lasts."""
    if _active:
        yield _active[0]
        return
    with Interrupts().watched() as watched:
        _active.append(watched)
        try:
            yield watched
        finally:
            _active.clear()


@contextlib.contextmanager
def unheard_by_children() -> Generator[None]:
    """Blocks the signals in processes started within: the driver handles them.

    A signal mask is inherited, through exec and by their own children; ignored signals would be
    undone by the handlers that such processes install. Within this process, signals go to a thread
    that does not block them, or stay pending.
    """
    quiet = set(STOP_SIGNALS) - {signal.SIGINT}  # Ray's processes ignore that anyway
    before = signal.pthread_sigmask(signal.SIG_BLOCK, quiet)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
