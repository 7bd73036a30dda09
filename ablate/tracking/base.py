"""The tracker protocol: a view of a study's runs elsewhere, such as TensorBoard or MLflow.

W&B is built in and runs in its own process. Others are named in the YAML (`trackers: [mlflow]`):
`tensorboard`, by an entry point of the group `ablate.trackers`, or as `module:Class`; each is
constructed with a `TrackedStudy`.
"""

import importlib
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ablate.errors import Problem
from ablate.events import Event, Listener, Point
from ablate.ledger.ledger import Ledger
from ablate.run_row import RunRow, Value
from ablate.spec.models import Study

ENTRY_POINTS = "ablate.trackers"
_OWN = {"tensorboard": "ablate.tracking.tensorboard.tracker:TensorBoardTracker"}


@dataclass(frozen=True, kw_only=True)
class TrackedStudy:
    """A tracker's read-only view of a study."""

    study: Study
    directory: Path
    ledger: Ledger
    value: Value = "last"
    """Which value of a metric is a run's result."""

    def row(self, run_id: str) -> RunRow:
        """A run's row as of now: name, seed, status, config as JSON, factors, metrics."""
        return self.ledger.rows.of(run_id)

    def points(self, run_id: str) -> list[dict[str, Any]]:
        """All points of a run's curve so far, `step` and metrics each, by step."""
        return self.ledger.history(run_id)

    def timed_points(self, run_id: str) -> list[Point]:
        """All points of a run's curve so far, with the time of each, see `ablate.events`."""
        return self.ledger.timed_history(run_id)

    def results(self, run_id: str) -> dict[str, float]:
        """A run's results so far of the metrics that the study asks for, as far as it has any."""
        row = self.row(run_id)
        found = {metric: row.measured(metric, self.value) for metric in self.study.metrics}
        return {metric: value for metric, value in found.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class TrackedTable:
    """A table of the report, as people read it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Tracker(Listener, Protocol):
    """A listener that can also catch up on runs it missed, and takes the tables at the end.

    A tracker is a view: an exception is reported once, and stops nothing else. It is called in the
    driver's process, after the ledger, and should return quickly.
    """

    def complete(self, run_ids: Sequence[str]) -> None:
        """Receives every run that has ended, including those it may already have.

        These include runs of earlier commands, and runs that ended before the tracker was added.
        """
        ...

    def tables(self, tables: Sequence[TrackedTable], answer: Sequence[str]) -> None:
        """Receives the report's tables and its answer in words."""
        ...

    def close(self) -> None:
        """Called last."""
        ...


class Trackers:
    """The trackers that a study names, each guarded so that one failing affects no other.

    Args:
        study: The study that names them.

    Raises:
        InputError: Listing every name that is not a tracker.
    """

    def __init__(self, study: Study) -> None:
        self._factories = _factories(study)
        self._open: dict[str, Tracker] = {}

    def open(self, tracked: TrackedStudy, say: Callable[[str], None]) -> list[Listener]:
        """Constructs the trackers, once, and returns them as listeners."""
        for name, factory in list(self._factories.items()):
            trackers: list[Tracker] = []
            self._guarded(name, lambda f=factory, t=trackers: t.append(f(tracked)), say)
            if trackers:
                self._open[name] = trackers[0]
            del self._factories[name]
        return [_Guarded(self, name, say) for name in self._open]

    def complete(self, run_ids: Sequence[str], say: Callable[[str], None]) -> None:
        """See `Tracker`."""
        self._each(lambda tracker: tracker.complete(run_ids), say)

    def tables(
        self, tables: Sequence[TrackedTable], answer: Sequence[str], say: Callable[[str], None]
    ) -> None:
        """See `Tracker`."""
        self._each(lambda tracker: tracker.tables(tables, answer), say)

    def close(self, say: Callable[[str], None]) -> None:
        """See `Tracker`."""
        self._each(lambda tracker: tracker.close(), say)
        self._open.clear()

    def tell(self, name: str, event: Event | None, say: Callable[[str], None]) -> None:
        """Passes an event to one tracker, or a tick for None."""
        tracker = self._open.get(name)
        if tracker is not None:
            self._guarded(name, lambda: _pass_on(tracker, event), say)

    def _each(self, what: Callable[[Tracker], None], say: Callable[[str], None]) -> None:
        for name, tracker in list(self._open.items()):
            self._guarded(name, lambda t=tracker: what(t), say)

    def _guarded(self, name: str, what: Callable[[], None], say: Callable[[str], None]) -> None:
        try:
            what()
        except Exception as error:  # noqa: BLE001 - third-party code, and the study goes on
            self._open.pop(name, None)
            cause = f"{type(error).__name__}: {error}".partition("\n")[0]
            say(f"tracker {name} failed, and hears of nothing any more: {cause}")


@dataclass(frozen=True)
class _Guarded:
    """One tracker as a listener."""

    trackers: Trackers
    name: str
    say: Callable[[str], None]

    def on_event(self, event: Event) -> None:
        self.trackers.tell(self.name, event, self.say)

    def tick(self) -> None:
        self.trackers.tell(self.name, None, self.say)


def _pass_on(tracker: Tracker, event: Event | None) -> None:
    if event is None:
        tracker.tick()
    else:
        tracker.on_event(event)


def _factories(study: Study) -> dict[str, Callable[[TrackedStudy], Tracker]]:
    installed = importlib.metadata.entry_points(group=ENTRY_POINTS)
    factories: dict[str, Any] = {}
    problems: list[Problem] = []
    for index, name in enumerate(study.trackers):
        try:
            factories[name] = _factory(name, installed)
        except Exception as error:  # noqa: BLE001 - a third-party module may raise anything
            message = f"cannot be imported: {type(error).__name__}: {error}"
            problems.append(Problem(f"trackers[{index}]", message, name))
            continue
        if not callable(factories[name]):
            fix = "write one of them, or module:Class of your own; W&B needs no naming"
            choices = (*_OWN, *sorted(installed.names - _OWN.keys()))
            problems.append(Problem(f"trackers[{index}]", "is not a tracker", name, choices, fix))
    if problems:
        raise study.refusal(problems)
    return factories


def _factory(name: str, installed: importlib.metadata.EntryPoints) -> Any:
    module, colon, attribute = _OWN.get(name, name).partition(":")
    if colon:
        return getattr(importlib.import_module(module), attribute)
    entries: Mapping[str, Any] = {entry.name: entry for entry in installed}
    return entries[name].load() if name in entries else None
