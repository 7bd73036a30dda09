"""Turns Tune's callbacks into run events."""

from collections.abc import Iterable
from typing import Any

from ray.tune import Callback

from ablate.events import Event
from ablate.launch.ray.searcher import UNDER_WAY
from ablate.launch.ray.trial_failures import TrialFailures
from ablate.launch.session import JobContext, context_of
from ablate.launch.trial_events import TrialEvents
from ablate.trainable.contract import REPORT_KEY


class RunEventsCallback(Callback):
    """Sends what happens to the runs of Tune's trials to the job's listeners.

    It is the last callback: it removes the reports from the result, before Tune keeps it.
    """

    def __init__(self, study_dir: str) -> None:
        self._study_dir = study_dir
        self._context: JobContext | None = None
        self._events = TrialEvents()

    def __getstate__(self) -> dict[str, Any]:
        return {"study_dir": self._study_dir}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["study_dir"])

    def setup(self, *args: Any, **info: Any) -> None:
        """Finds the job of this process."""
        self._context = context_of(self._study_dir)
        self._events = TrialEvents(self._context.settled())
        self._failures = TrialFailures(self._events, self._context.paths)
        self._context.interrupts.take_from_tune()
        UNDER_WAY.begin()

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tells the searcher which trials are under way."""
        if self._context is not None and self._context.plan.study.max_concurrent is not None:
            UNDER_WAY.look_at(trials)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial starts or resumes."""
        self._tell(self._events.started(trial))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial returned a result."""
        if result.get("done"):
            self._tell(self._failures.settled(trial))
        self._tell(self._events.reported(result))
        result.pop(REPORT_KEY, None)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial failed and will be tried again."""
        self._tell(self._failures.failed(trial))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial failed for the last time."""
        self._tell(self._failures.settled(trial))
        self._tell(self._events.ended(trial, failed=True))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial is done."""
        self._tell(self._events.ended(trial, failed=False))

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Checks on deaths of unknown cause, and lets listeners do what is due."""
        if self._context is not None:
            self._tell(self._failures.settled())
            self._context.broadcast.tick()

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Catches errors of Tune's own that reach no other hook, by the final statuses."""
        for trial in trials:
            if trial.status == "ERROR":
                self._tell(self._events.ended(trial, failed=True))

    def _tell(self, events: Iterable[Event]) -> None:
        if self._context is None:
            return
        for event in events:
            self._context.broadcast.on_event(event)
