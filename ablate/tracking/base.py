"""What a tracker is: a view of a study's runs somewhere else, TensorBoard or MLflow say.

W&B is built in, with a process of its own. Others are named in the YAML, `trackers: [mlflow]`, by
an entry point of the group `ablate.trackers` or as `module:Class`; they are made with a
`TrackedStudy`.
"""

import importlib
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ablate.errors import InputError, Problem
from ablate.events import Event, Listener
from ablate.ledger.ledger import Ledger
from ablate.run_row import RunRow
from ablate.spec.models import Study

ENTRY_POINTS = "ablate.trackers"


@dataclass(frozen=True, kw_only=True)
class TrackedStudy:
    """What a tracker may know of a study: its record, read only."""

    study: Study
    directory: Path
    ledger: Ledger

    def row(self, run_id: str) -> RunRow:
        """A run's row as of now: name, seed, status, config as JSON, factors, metrics."""
        return self.ledger.rows.of(run_id)

    def points(self, run_id: str) -> list[dict[str, Any]]:
        """All points of a run's curve so far, `step` and metrics each, by step."""
        return self.ledger.history(run_id)


@dataclass(frozen=True, kw_only=True)
class TrackedTable:
    """A table of the report, as people read it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Tracker(Listener, Protocol):
    """A listener that can also take what it missed, and the tables at the end.

    It is a view: what it raises is told once, and ends nothing. It hears of an event after the
    ledger has, in the driver's process, and should not keep it waiting.
    """

    def complete(self, run_ids: Sequence[str]) -> None:
        """Takes all there is of runs that have ended, some of which it may have already.

        Among them are those of earlier commands, and those that ended while it was not there.
        """
        ...

    def tables(self, tables: Sequence[TrackedTable], answer: Sequence[str]) -> None:
        """Takes the report's tables, and its answer in words."""
        ...

    def close(self) -> None:
        """Nothing comes any more."""
        ...


class Trackers:
    """The trackers that a study names, each guarded: they fail alone.

    Args:
        study: Names them.

    Raises:
        InputError: With every name that is no tracker's.
    """

    def __init__(self, study: Study) -> None:
        self._factories = _factories(study)
        self._open: dict[str, Tracker] = {}

    def open(self, tracked: TrackedStudy, say: Callable[[str], None]) -> list[Listener]:
        """Makes the trackers, once; those that hear of runs from now on."""
        for name, factory in list(self._factories.items()):
            made: list[Tracker] = []
            self._guarded(name, lambda f=factory, m=made: m.append(f(tracked)), say)
            if made:
                self._open[name] = made[0]
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
        """Tells one of them an event, or gives it a moment."""
        tracker = self._open.get(name)
        if tracker is not None:
            self._guarded(name, lambda: _told(tracker, event), say)

    def _each(self, what: Callable[[Tracker], None], say: Callable[[str], None]) -> None:
        for name, tracker in list(self._open.items()):
            self._guarded(name, lambda t=tracker: what(t), say)

    def _guarded(self, name: str, what: Callable[[], None], say: Callable[[str], None]) -> None:
        try:
            what()
        except Exception as error:  # noqa: BLE001 - somebody's code, and the study goes on
            self._open.pop(name, None)
            told = f"{type(error).__name__}: {error}".partition("\n")[0]
            say(f"tracker {name} failed, and hears of nothing any more: {told}")


@dataclass(frozen=True)
class _Guarded:
    """One of the trackers, as a listener."""

    trackers: Trackers
    name: str
    say: Callable[[str], None]

    def on_event(self, event: Event) -> None:
        self.trackers.tell(self.name, event, self.say)

    def tick(self) -> None:
        self.trackers.tell(self.name, None, self.say)


def _told(tracker: Tracker, event: Event | None) -> None:
    if event is None:
        tracker.tick()
    else:
        tracker.on_event(event)


def _factories(study: Study) -> dict[str, Callable[[TrackedStudy], Tracker]]:
    installed = importlib.metadata.entry_points(group=ENTRY_POINTS)
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    for index, name in enumerate(study.trackers):
        try:
            found[name] = _factory(name, installed)
        except Exception as error:  # noqa: BLE001 - somebody's module may raise anything
            told = f"cannot be imported: {type(error).__name__}: {error}"
            problems.append(Problem(f"trackers[{index}]", told, name))
            continue
        if not callable(found[name]):
            fix = "write one of them, or module:Class of your own; W&B needs no naming"
            known = tuple(sorted(installed.names))
            problems.append(Problem(f"trackers[{index}]", "is no tracker", name, known, fix))
    if problems:
        raise InputError(study.study, problems)
    return found


def _factory(name: str, installed: importlib.metadata.EntryPoints) -> Any:
    module, colon, attribute = name.partition(":")
    if colon:
        return getattr(importlib.import_module(module), attribute)
    entries: Mapping[str, Any] = {entry.name: entry for entry in installed}
    return entries[name].load() if name in entries else None
