"""Turns what happens to trials into run events, without importing Ray."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from ablate.errors import StorageError
from ablate.events import (
    Event,
    Failure,
    RunEnded,
    RunHalted,
    RunMoved,
    RunRetried,
    RunStarted,
    events_of_report,
)
from ablate.run_row import Status
from ablate.trainable.contract import REPORT_KEY


class TrialLike(Protocol):
    """The part of `ray.tune.experiment.Trial` that is read."""

    @property
    def trial_id(self) -> str:
        """Tune's own name for it."""
        ...

    @property
    def config(self) -> dict[str, Any]:
        """The config it was started with, which names its runs."""
        ...

    @property
    def error_file(self) -> str | None:
        """The file with the trial's traceback."""
        ...


class TrialEvents:
    """Turns what happens to trials into what happens to their runs.

    A run may end before its trial does, and a trial may fail before its runs report anything:
    every run that starts gets exactly one end.

    Args:
        settled: Runs that had ended before; a restored trial has no events for them.
    """

    def __init__(self, settled: Iterable[str] = ()) -> None:
        self._ended: set[str] = set()
        self._settled = frozenset(settled)

    def started(self, trial: TrialLike) -> Iterator[Event]:
        """The trial starts or resumes."""
        carried = trial.config[REPORT_KEY]
        for run_id in self._open(trial):
            yield RunStarted(run_id, trial.trial_id, carried["launch"])

    def reported(self, result: Mapping[str, Any]) -> Iterator[Event]:
        """The trial returned a result."""
        for report in result.get(REPORT_KEY, ()):
            if report["run_id"] in self._ended:
                continue
            for event in events_of_report(report):
                yield event
                if isinstance(event, RunEnded):
                    self._ended.add(event.run_id)

    def retried(self, trial: TrialLike, failure: Failure | None = None) -> Iterator[Event]:
        """The trial crashed and will be retried."""
        failure = failure or failure_of(trial)
        for run_id in self._open(trial):
            yield RunRetried(run_id, failure)

    def halted(self, trial: TrialLike, fault: StorageError) -> Iterator[Event]:
        """The trial cannot go on, through no fault of its runs."""
        for run_id in self._open(trial):
            yield RunHalted(run_id, fault)

    def moved(self, trial: TrialLike) -> Iterator[Event]:
        """The trial lost its node and will resume on another."""
        for run_id in self._open(trial):
            yield RunMoved(run_id)

    def ended(
        self, trial: TrialLike, failed: bool, failure: Failure | None = None
    ) -> Iterator[Event]:
        """The trial is over, and so are its runs.

        Args:
            trial: The trial.
            failed: Whether it failed.
            failure: Why, if known; by default read from Tune's error file.
        """
        for run_id in list(self._open(trial)):
            self._ended.add(run_id)
            silent = Failure("NoReport", "the trial ended without reporting how the run ended")
            cause = (failure or failure_of(trial)) if failed else silent
            yield RunEnded(run_id, Status.FAILED, "crashed", failure=cause)

    def _open(self, trial: TrialLike) -> Iterator[str]:
        for run in trial.config[REPORT_KEY]["runs"]:
            if run["run_id"] not in self._ended | self._settled:
                yield run["run_id"]


def failure_of(trial: TrialLike) -> Failure:
    """A trial's latest failure, read from the error file that Tune keeps."""
    path = trial.error_file
    trace = ""
    if path and Path(path).exists():
        trace = Path(path).read_text(encoding="locale", errors="backslashreplace")
    # The file collects every failure of the trial: the last one is the current one.
    latest = trace.split("Failure # ")[-1]
    return Failure.of_trace(latest.partition("\n")[2])
