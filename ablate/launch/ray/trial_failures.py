"""Decides whether a trial failed by itself or with a lost node."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ray.exceptions import ActorDiedError, RayActorError

from ablate.events import WORKER_DIED, Event, Failure
from ablate.launch.ray.attempts import DIED_S, UNAVAILABLE_S, Attempt, Attempts
from ablate.launch.ray.retry_limit import is_alive
from ablate.launch.ray.time_limit import ended_itself
from ablate.launch.trial_events import TrialEvents, failure_of
from ablate.losses import Loss
from ablate.study_dir import StudyPaths
from ablate.trainable.contract import REPORT_KEY

LOOK_S = 1.0
"""Between checks on whether nodes are alive."""


@dataclass(frozen=True)
class _Unsettled:
    """A worker that died, perhaps with its node."""

    trial: Any
    attempt: Attempt
    since: float


class TrialFailures:
    """Records how workers died, which they cannot do themselves.

    Args:
        events: Turns what happens to trials into what happens to their runs.
        paths: The study directory, with failures of earlier commands.
    """

    def __init__(self, events: TrialEvents, paths: StudyPaths) -> None:
        self._events = events
        launches = paths.launch_numbers()[-1:]  # only the latest is ever resumed
        self._num_recorded = {
            file.parent: len(Attempts(file.parent, math.inf).failed)
            for launch in launches
            for file in paths.launch(launch).glob("*/failures.jsonl")
        }
        self._unsettled: list[_Unsettled] = []
        self._looked_at = 0.0

    def failed(self, trial: Any) -> Iterator[Event]:
        """A trial has failed and will be tried again."""
        attempts = Attempts.of(trial.config)
        if len(attempts.failed) == self._num_recorded.get(attempts.folder, 0):
            attempts.add(_death(trial, attempts))  # its worker could not record it
        self._num_recorded[attempts.folder] = len(attempts.failed)
        attempt = attempts.failed[-1]
        if attempt.node is not None:
            self._unsettled.append(_Unsettled(trial, attempt, time.monotonic()))
        elif attempts.fatal(is_alive) is None:
            yield from self._events.retried(trial, attempt.failure)
        else:
            # Its next worker reports that; if none can even start, Tune ends it by this.
            trial.max_failures = 0

    def settled(self, trial: Any = None) -> Iterator[Event]:
        """Attributes earlier deaths, as far as their causes are known by now.

        Args:
            trial: One that ends now and must be decided; None for all that are due.
        """
        now = time.monotonic()
        if not self._unsettled or (trial is None and now - self._looked_at < LOOK_S):
            return
        self._looked_at = now
        for one in list(self._unsettled):
            is_due = trial is one.trial or now - one.since > one.attempt.settle_s
            lives = is_alive(one.attempt.node or "")
            if lives and not is_due:
                continue
            self._unsettled.remove(one)
            if not lives:
                yield from self._events.moved(one.trial)
            elif Attempts.of(one.trial.config).fatal(is_alive) is None:
                yield from self._events.retried(one.trial, one.attempt.failure)


def _death(trial: Any, attempts: Attempts) -> Attempt:
    """How a worker failed that did not say it."""
    limit_s = trial.config[REPORT_KEY].get("time_limit_s")
    if (timed_out := ended_itself(attempts, limit_s)) is not None:
        return timed_out
    error = _error(trial)
    failure, node = _blamed(failure_of(trial), error), attempts.node
    if node is None or failure.kind != WORKER_DIED:
        return Attempt(failure)
    settle_s = DIED_S if isinstance(error, ActorDiedError) else UNAVAILABLE_S
    return Attempt(failure, node, settle_s)


def _blamed(failure: Failure, error: Exception | None) -> Failure:
    """A failure by what Ray knows of it, where its text does not say."""
    if error is None:
        return failure
    preempted = isinstance(error, RayActorError) and error.preempted
    return replace(failure, lost_to=Loss.INFRASTRUCTURE if preempted else Loss.of_error(error))


def _error(trial: Any) -> Exception | None:
    try:
        return trial.get_pickled_error()
    except Exception:  # noqa: BLE001 - Ray's "unavailable" cannot be unpickled
        return None
