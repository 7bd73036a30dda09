"""The study's own record: the truth, of which W&B, terminal and report are views.

Rows change by patches, which go to a journal at once and into `runs.parquet` soon after. Each of
the two can be made again from the other, see `ablate.ledger.rows`.
"""

import contextlib
import math
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ablate.events import (
    Event,
    Failure,
    RunEnded,
    RunHalted,
    RunMoved,
    RunReported,
    RunRetried,
    RunStarted,
)
from ablate.ledger.history import History
from ablate.ledger.journal import RESET, Journal, write_whole
from ablate.ledger.rows import read_record, set_aside_damaged, write_rows
from ablate.ledger.seals import seal_columns
from ablate.run_row import COLUMNS, Status
from ablate.storage import fault_of
from ablate.study_dir import StudyPaths, check_names, naming
from ablate.study_format import check_format, write_format
from ablate.text import storable

MIN_COMPACTION_S = 1.0
COMPACTION_SHARE = 19
"""Writing `runs.parquet` takes at most one part in twenty of the driver's time."""


class Ledger:
    """Rows of a study by run id, kept on disk as they change.

    Args:
        paths: The study directory.
        metric: The study's metric, for the summaries of trainables that make none.
        mode: `min` or `max`.
    """

    def __init__(self, paths: StudyPaths, metric: str = "", mode: str = "min") -> None:
        check_format(paths)
        self.rows, self._number, self.notes = read_record(paths)
        self._paths = paths
        self._metric = metric
        self._mode = mode
        self._history = History(paths)
        self._taken = frozenset(COLUMNS)
        self._journal: Journal | None = None
        self._reported: dict[str, dict[str, Any]] = {}
        """What runs reported since their rows were last in the journal."""
        self._has_begun = False
        self._dirty = False
        self._compacted_at = 0.0
        self._compaction_s = 0.0

    @contextlib.contextmanager
    def writing(self) -> Generator[None]:
        """The time in which it is written; what is begun and not ended then is `interrupted`.

        Where it cannot be written any more, the error that said so first is the one that counts.

        Raises:
            StorageError: Where the study's storage fails once a run has begun.
        """
        self.open()
        try:
            try:
                yield
            except BaseException:
                with contextlib.suppress(OSError):
                    self.close()
                raise
            self.close()
        except OSError as error:
            fault = fault_of(error, self._paths) if self._has_begun else None
            if fault is None:
                raise
            raise fault from error

    def open(self) -> None:
        """Starts writing; what a dead driver left unfinished is `interrupted` from now on."""
        for folder in (self._paths.ledger, self._paths.history):
            folder.mkdir(exist_ok=True)
        write_format(self._paths)
        set_aside_damaged(self._paths)
        self._interrupt()
        self._journal = Journal(self._paths.journal, self.rows.values(), self._number)
        self.compact()

    def protect(self, factors: Iterable[str]) -> None:
        """Columns of factors: a metric of that name, or of the ledger's own, is in the history."""
        self._taken = frozenset(factors) | COLUMNS.keys()

    def add(self, run_id: str, **columns: Any) -> None:
        """A planned run: `pending` where it is new, else only what the plan says of it."""
        row = self.rows.new(run_id)
        columns = storable(columns)
        changed = {name: value for name, value in columns.items() if row.get(name) != value}
        if changed or len(row) == 2:
            self.patch(run_id, **changed)

    def reset(self, run_id: str) -> None:
        """Forgets a run's results, so that it can be run from the beginning."""
        self.rows[run_id] = self.rows[run_id].blank()
        self._history.forget(run_id)
        self._reported.pop(run_id, None)
        self._append({"run_id": run_id, RESET: True})

    def patch(self, run_id: str, **columns: Any) -> None:
        """Sets columns of a run's row, now in the journal and soon in the table."""
        columns = storable(columns)
        self.rows[run_id].update(columns)
        self._append({"run_id": run_id, **self._reported.pop(run_id, {}), **columns})

    def on_event(self, event: Event) -> None:
        """Takes note of what happened to a run."""
        match event:
            case RunStarted(run_id, trial, launch):
                self._has_begun = True
                self.patch(
                    run_id,
                    status=Status.PENDING,
                    started_at=self.rows[run_id].started_at or _now(),
                    trial=trial,
                    launch=launch,
                )
            case RunReported(run_id, points, facts, warnings):
                self._history.append(run_id, points)
                self.warn(run_id, warnings)
                self.rows[run_id].update(facts)
                self._reported.setdefault(run_id, {}).update(facts)
                self._dirty = True
            case RunRetried(run_id, failure):
                retries = (self.rows[run_id].retries or 0) + 1
                self.patch(run_id, retries=retries, **_error_columns(failure))
                self._log(run_id, failure.trace)
            case RunMoved():
                pass  # nothing that the run did
            case RunEnded():
                self._end(event)
            case RunHalted():
                pass  # it goes on once it can: no retry, no end

    def tick(self) -> None:
        """Writes the table if it is due."""
        pause = max(MIN_COMPACTION_S, COMPACTION_SHARE * self._compaction_s)
        if self._dirty and time.monotonic() - self._compacted_at >= pause:
            self.compact()

    def close(self) -> None:
        """Writes everything, the table and a journal of whole rows."""
        try:
            self._interrupt()
            self.compact()
        finally:
            if self._journal is not None:
                self._journal.close()
                self._number, self._journal = self._journal.number, None
        write_whole(self._paths.journal, self.rows.values(), self._number)

    def compact(self) -> None:
        """Writes `runs.parquet`, replacing the old one in one go."""
        start = time.monotonic()
        for run_id in list(self._reported):
            self.patch(run_id)  # the table never knows more than the journal
        number = self._journal.number if self._journal is not None else self._number
        write_rows(self._paths, self.rows.values(), number)
        self._compacted_at = time.monotonic()
        self._compaction_s = self._compacted_at - start
        self._dirty = False

    def started_names(self) -> dict[str, str]:
        """Names by id of the runs that have ever started: those names stay.

        Raises:
            InputError: Where some of them would lead out of the study directory.
        """
        names: dict[str, Any] = {
            i: row.get("run_name") for i, row in self.rows.items() if row.started_at
        }
        check_names(names.values(), self._paths.ledger)
        return names

    def settled(self) -> set[str]:
        """Runs that have ended."""
        return {i for i, row in self.rows.items() if row.status.has_ended}

    def resumable(self) -> set[str]:
        """Runs that may go on from a checkpoint: all but those that are done or diverged."""
        done = (Status.OK, Status.DIVERGED)
        return {i for i, row in self.rows.items() if row.status not in done}

    def restarts(self) -> dict[str, int]:
        """By run, the launch in which it last began anew."""
        return {i: row.restarted_in for i, row in self.rows.items() if row.restarted_in}

    def history(self, run_id: str) -> list[dict[str, Any]]:
        """A run's points, `step` and metrics each, by step."""
        return self._history.read(run_id)

    def _end(self, event: RunEnded) -> None:
        metrics = event.metrics
        if event.status is Status.OK and not metrics:
            metrics = summary(self._history.read(event.run_id), self._metric, self._mode)
        self._history.finish(event.run_id)
        self.patch(
            event.run_id,
            **{name: value for name, value in metrics.items() if name not in self._taken},
            **_error_columns(event.failure),
            **seal_columns(self._paths, event.run_id, self.rows[event.run_id].run_name),
            status=event.status,
            stop_reason=event.stop_reason,
            ended_at=_now(),
        )
        if event.failure:
            self._log(event.run_id, event.failure.trace or event.failure.message)
        self.tick()

    def _interrupt(self) -> None:
        """What has started and not ended is interrupted."""
        for run_id, row in self.rows.items():
            if row.status is Status.PENDING and row.started_at:
                self.patch(run_id, status=Status.INTERRUPTED)

    def warn(self, run_id: str, warnings: Sequence[str]) -> None:
        """Adds to what is to be told of a run."""
        if warnings:
            told = self.rows[run_id].warnings or ""
            self.patch(run_id, warnings="\n".join(filter(None, [told, *warnings])))

    def _log(self, run_id: str, trace: str) -> None:
        path = self._paths.log(self.rows[run_id].run_name)
        path.parent.mkdir(exist_ok=True)
        with naming(path), path.open("a", encoding="utf-8") as file:
            file.write(trace.rstrip() + "\n")

    def _append(self, patch: Mapping[str, Any]) -> None:
        self._dirty = True
        if self._journal is not None:
            self._journal.append(patch)


def summary(points: Sequence[Mapping[str, Any]], metric: str, mode: str) -> dict[str, float]:
    """Columns for a run that names no final metrics: plain where measured once.

    Where a metric was measured more than once it has `<metric>_final`, and the study's own metric
    `<metric>_best` too.
    """
    columns: dict[str, float] = {}
    names = dict.fromkeys(name for point in points for name in point if name != "step")
    for name in names:
        values = [p[name] for p in points if p.get(name) is not None]
        if len(values) == 1:
            columns[name] = values[0]
            continue
        columns[f"{name}_final"] = values[-1]
        numbers = [value for value in values if math.isfinite(value)]
        if name == metric and numbers:
            columns[f"{name}_best"] = min(numbers) if mode == "min" else max(numbers)
    return columns


def _error_columns(failure: Failure | None) -> dict[str, str | None]:
    if failure is None:
        return dict.fromkeys(("error_type", "error", "traceback", "lost_to"))
    return {
        "error_type": failure.kind,
        "error": failure.message,
        "traceback": failure.trace,
        "lost_to": failure.lost_to.value,
    }


def _now() -> datetime:
    return datetime.now(UTC)
