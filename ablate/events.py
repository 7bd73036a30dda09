"""Events of runs, independent of Ray; the ledger, trackers and the progress view listen."""

import contextlib
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ablate.errors import StorageError
from ablate.losses import Loss
from ablate.run_row import Status
from ablate.text import message_of, printable_lines, storable, without_middle
from ablate.trainable.contract import Point, RunReport

TIMESTAMP = "_timestamp"
"""When a point was measured, in seconds since 1970 (UTC), by the clock of its worker."""
GPU_PERCENT = "_gpu_percent"
"""How busy the GPU of a run's trial was at a point."""
GPU_MEMORY_MB = "_gpu_memory_mb"
"""GPU memory in use."""
PRIVATE_METRICS = frozenset({TIMESTAMP, GPU_PERCENT, GPU_MEMORY_MB})
"""What points carry beside their metrics: kept in the curves, but in no table and no summary."""
MAX_TEXT = 100_000
"""Characters that are kept of an exception's message, and of its traceback."""

WORKER_DIED = "WorkerDied"
"""The kind of failure of a run whose process ended without an exception."""


@dataclass(frozen=True)
class Failure:
    """Why a run failed."""

    kind: str
    message: str
    trace: str = ""
    lost_to: Loss = Loss.CELL
    """Of a run that ends with it: to whom its result is lost."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "lost_to", Loss.of(self.lost_to))  # as it was written down
        for name in ("kind", "message", "trace"):
            text = without_middle(storable(getattr(self, name)), MAX_TEXT)
            object.__setattr__(self, name, text)

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """An exception as a failure, with its traceback."""
        trace = "".join(traceback.format_exception(error))
        return cls(type(error).__name__, message_of(error), trace, Loss.of_error(error))

    @classmethod
    def of_trace(cls, trace: str) -> "Failure":
        """A failure from the text of a traceback, whose last lines name the exception."""
        last = _raised(trace.strip().splitlines())
        kind, _, message = last.partition(": ")
        if not last:
            # No exception: the process itself is gone, and Ray's text is a long guess.
            return cls(WORKER_DIED, "the worker process died without an exception", trace)
        kind = kind.rsplit(".", 1)[-1]
        return cls(kind, message, trace, Loss.of_kind(kind))


@dataclass(frozen=True)
class RunStarted:
    """A run starts, or resumes after a retry or a restore."""

    run_id: str
    trial: str
    launch: int


@dataclass(frozen=True)
class Revision:
    """What points change of those that were reported before: they add to points of their steps.

    Attributes:
        supersedes: Earlier points of this step and beyond no longer count; None: all do.
    """

    supersedes: int | None = None


@dataclass(frozen=True)
class RunReported:
    """A run measured something."""

    run_id: str
    points: Sequence[Point]
    facts: dict[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    notices: Sequence[str] = ()
    revision: Revision | None = None
    """What is new of points that were reported before; None: they stand."""


@dataclass(frozen=True)
class RunRetried:
    """A run crashed and will resume from its latest checkpoint."""

    run_id: str
    failure: Failure


@dataclass(frozen=True)
class RunMoved:
    """A run lost its node and will resume from its latest checkpoint on another one."""

    run_id: str


@dataclass(frozen=True)
class RunEnded:
    """A run is over."""

    run_id: str
    status: Status
    stop_reason: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    failure: Failure | None = None


@dataclass(frozen=True)
class RunHalted:
    """A run cannot go on, through no fault of its own: the study's storage failed it."""

    run_id: str
    fault: StorageError


Event = RunStarted | RunReported | RunRetried | RunMoved | RunEnded | RunHalted


class Listener(Protocol):
    """Gets every event; `tick` is called regularly, also while nothing happens."""

    def on_event(self, event: Event) -> None:
        """Handles an event."""
        ...

    def tick(self) -> None:
        """Does what is due."""
        ...


class Broadcast:
    """Sends events to the record of the study first, then to those that only watch.

    A watcher's failure never reaches the runs. The record's failure stops the job: what happens
    from then on would be lost, so no watcher is told of it either.

    Args:
        record: Keeps what happens.
        watchers: Show it, or pass it on.
        stop: Ends the job in good order.
        say: Tells the user a line, even while standard error is redirected.
    """

    def __init__(
        self,
        record: Listener,
        watchers: Sequence[Listener],
        stop: Callable[[], None],
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.failure: Exception | None = None
        """Why the record could not be kept or the runs could not go on; read by the job."""
        self.has_told = False
        self._record = record
        self._watchers = list(watchers)
        self._stop = stop
        self._say = say
        self._failed: set[int] = set()

    def on_event(self, event: Event) -> None:
        """Sends an event to all listeners."""
        self.has_told = True
        if isinstance(event, RunHalted):
            self.fail(event.fault)
        else:
            self._tell(lambda listener: listener.on_event(event))

    def tick(self) -> None:
        """Gives every listener its moment."""
        self._tell(lambda listener: listener.tick())

    def fail(self, failure: Exception) -> None:
        """Ends the job for a reason that is no run's fault; the first one counts."""
        if self.failure is None:
            self.failure = failure
            self._stop()

    def _tell(self, what: Callable[[Listener], None]) -> None:
        if self.failure is None:
            self._tell_record(what)
        if self.failure is None:
            self._tell_watchers(what)

    def _tell_record(self, what: Callable[[Listener], None]) -> None:
        try:
            what(self._record)
        except OSError as error:
            self.fail(StorageError.of(error, Path()))
        except Exception as error:  # noqa: BLE001 - raised again outside of Tune
            self.fail(error)

    def _tell_watchers(self, what: Callable[[Listener], None]) -> None:
        for index, watcher in enumerate(self._watchers):
            try:
                what(watcher)
            except Exception as error:  # noqa: BLE001 - see below
                # Tune does not catch what a callback raises: one view must not end the study.
                if index not in self._failed:
                    self._failed.add(index)
                    self._tell_failure(type(watcher).__name__, error)

    def _tell_failure(self, name: str, error: Exception) -> None:
        with contextlib.suppress(Exception):  # the failed watcher may be the one that says it
            self._say(f"{name} failed, and the study goes on: {_summary(error)}")
        print(f"{name} failed:", file=sys.stderr)
        print(printable_lines(traceback.format_exc()), file=sys.stderr)


def events_of_report(report: RunReport) -> list[Event]:
    """The events that one report amounts to."""
    report = storable(report)
    run_id = report["run_id"]
    if report["status"] == "halted":
        return [RunHalted(run_id, StorageError(report.get("path", ""), report.get("error", "")))]
    facts, warnings = report.get("facts", {}), report.get("warnings", [])
    points, notices = report.get("points", []), report.get("notices", [])
    revises = "supersedes" in report or report.get("amends", False)
    revision = Revision(report.get("supersedes")) if revises else None
    events: list[Event] = [RunReported(run_id, points, facts, warnings, notices, revision)]
    reported_status, failure = report["status"], None
    if reported_status == "running":
        return events
    status = Status.of(reported_status)
    if not status.has_ended:  # a trainable's own word for it
        status = Status.FAILED
    if "failure" in report:
        failure = Failure(**report["failure"])
    elif status is not Status.OK:
        failure = Failure(reported_status.capitalize(), report.get("error", ""))
    events.append(
        RunEnded(run_id, status, report.get("stop_reason", ""), report.get("metrics", {}), failure)
    )
    return events


def _summary(error: Exception) -> str:
    return f"{type(error).__name__}: {message_of(error)}".partition("\n")[0]


_AT_THE_MARGIN = re.compile(r"[A-Za-z_][\w.]*(: |$)")
"""An exception of any name, at the place where a traceback names it."""


def _raised(lines: Sequence[str]) -> str:
    """The line that names the exception: the first one at the margin below the last frame."""
    frames = [i for i, line in enumerate(lines) if line.startswith("  ") and 'File "' in line]
    below = lines[frames[-1] + 1 :] if frames else []
    named = next((line for line in below if _AT_THE_MARGIN.match(line)), "")
    stripped = (line.strip() for line in reversed(lines))
    return named or next(filter(_names_exception, stripped), "")


def _names_exception(line: str) -> bool:
    head = line.partition(": ")[0]
    return (
        head.replace(".", "").replace("_", "").isalnum()
        and head[:1].isalpha()
        and (
            head.endswith(("Error", "Exception", "Interrupt", "Exit", "Warning"))
            and " " not in head
        )
    )
