"""Ends a worker whose trial has used up its time, and records why: only that ends all it does."""

import contextlib
import os
import sys
from collections.abc import Mapping
from typing import Any

from ablate.events import Failure
from ablate.launch.ray.attempts import Attempt, Attempts
from ablate.launch.time_limit import DUMP, call_back, last_line, stacks
from ablate.trainable.contract import REPORT_KEY
from ablate.trainable.hosted_trial import TimeLimit, TrialClock


def end_worker(host: Mapping[str, Any], clock: TrialClock) -> None:
    """Ends this process; the failure counts as the trial's last."""
    call_back(clock)
    trace = stacks()
    told = f"{clock.told}, in {last_line(trace)}"
    with contextlib.suppress(OSError):  # then the driver knows why not
        Attempts.of({REPORT_KEY: host}).add(timed_out(told, trace))
    with contextlib.suppress(OSError, ValueError):
        print(f"{told}; it was in:\n{trace}", file=sys.stderr, flush=True)
    os._exit(1)


def timed_out(told: str, trace: str) -> Attempt:
    """The attempt that a time limit has ended."""
    return Attempt(Failure(TimeLimit.__name__, told, trace), is_final=True)


def ended_itself(attempts: Attempts, limit_s: float | None) -> Attempt | None:
    """The attempt that the interpreter's own watchdog has ended: no thread could run any more.

    Args:
        attempts: Those of the trial.
        limit_s: Its study's.
    """
    dump = attempts.folder / DUMP
    if limit_s is None or not dump.exists() or not dump.stat().st_size:
        return None
    trace = dump.read_text(encoding="utf-8", errors="backslashreplace")
    return timed_out(TrialClock(limit_s).told, trace)
