"""A trial's life as run events. Reads Tune's objects by attribute, so it imports no Ray."""

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
    """What is read of a `ray.tune.experiment.Trial`."""

    @property
    def trial_id(self) -> str:
        """Tune's own name of it."""
        ...

    @property
    def config(self) -> dict[str, Any]:
        """What it was started with; says which runs it carries."""
        ...

    @property
    def error_file(self) -> str | None:
        """The file with the trial's traceback."""
        ...


class TrialEvents:
    """Turns what happens to trials into what happens to their runs.

    A run may end before its trial does, and a trial may fail before its runs reported anything:
    every run that starts is told to end exactly once.

    Args:
        settled: Runs that had ended before: a restored trial that carries them ends without them.
    """

    def __init__(self, settled: Iterable[str] = ()) -> None:
        self._ended: set[str] = set()
        self._settled = frozenset(settled)

    def started(self, trial: TrialLike) -> Iterator[Event]:
        """The trial begins or goes on."""
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
        """The trial crashed and goes on."""
        failure = failure or failure_of(trial)
        for run_id in self._open(trial):
            yield RunRetried(run_id, failure)

    def halted(self, trial: TrialLike, fault: StorageError) -> Iterator[Event]:
        """The trial cannot go on, and its runs are no worse for it."""
        for run_id in self._open(trial):
            yield RunHalted(run_id, fault)

    def moved(self, trial: TrialLike) -> Iterator[Event]:
        """The trial lost its node and goes on."""
        for run_id in self._open(trial):
            yield RunMoved(run_id)

    def ended(
        self, trial: TrialLike, failed: bool, failure: Failure | None = None
    ) -> Iterator[Event]:
        """The trial is over: so are its runs."""
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
    """How a trial failed last, by the file that Tune keeps of it."""
    path = trial.error_file
    trace = ""
    if path and Path(path).exists():
        trace = Path(path).read_text(encoding="locale", errors="backslashreplace")
    # The file collects every failure of the trial: the last one is what happened now.
    latest = trace.split("Failure # ")[-1]
    return Failure.of_trace(latest.partition("\n")[2])
