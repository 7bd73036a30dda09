"""Signals in a worker of a study's own Ray: it survives them, its child processes get them."""

import os
import signal
import threading
from types import FrameType

from ablate.process.interrupts import STOP_SIGNALS

_signalled = threading.Event()
"""Set once this worker was asked to end, with its job or its node."""


def hear_signals_again() -> None:
    """Unblocks signals in a worker that was started with them blocked, for its child processes.

    A pool of processes, say, is ended by SIGTERM. The worker itself ignores the signals.
    """
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, []) & (set(STOP_SIGNALS) - {signal.SIGINT})
    if not blocked or threading.current_thread() is not threading.main_thread():
        return
    for number in blocked:
        signal.signal(number, _take_note)
    os.register_at_fork(after_in_child=_forget)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)


def was_signalled() -> bool:
    """Whether this worker was asked to end."""
    return _signalled.is_set()


def _take_note(number: int, frame: FrameType | None) -> None:
    signal.signal(number, _take_note)  # Ray's C++ forwards only the first one
    _signalled.set()


def _forget() -> None:
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is _take_note:
            signal.signal(number, signal.SIG_DFL)
