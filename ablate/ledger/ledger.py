"""The study's record, of which W&B, terminal and report are views.

Rows change by patches, which are appended to a journal at once and compacted into `runs.parquet`
soon after. Either can be rebuilt from the other, see `ablate.ledger.rows`. The command that runs a
study writes the main journal; other commands may write journals of their own beside it.
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
    Point,
    RunEnded,
    RunHalted,
    RunMoved,
    RunReported,
    RunRetried,
    RunStarted,
)
from ablate.ledger.history import History
from ablate.ledger.journal import (
    MAIN,
    RESET,
    Journal,
    mend_changes,
    write_whole,
)
from ablate.ledger.rows import merge_changes, read_record, set_aside_damaged, write_rows
from ablate.ledger.seals import seal_columns
from ablate.run_row import COLUMNS, AtStep, Status, column_of
from ablate.storage import fault_of
from ablate.study_dir import StudyPaths, check_names, naming
from ablate.study_format import check_format, write_format
from ablate.text import storable

Choice = tuple[str, str]
"""A metric by which runs choose their best weights, and its mode."""
MIN_COMPACTION_S = 1.0
COMPACTION_SHARE = 19
"""Writing `runs.parquet` takes at most one part in twenty of the driver's time."""


class Ledger:
    """Rows of a study by run id, kept on disk as they change.

    Args:
        paths: The study directory.
        metric: The study's metric, for summaries of trainables that report none.
        mode: `min` or `max`.
        journal: The name of a journal beside the main one, for a command that adds columns to
            runs. It repairs nothing and leaves runs in progress alone. Commands that write at the
            same time need different names.
    """

    def __init__(
        self, paths: StudyPaths, metric: str = "", mode: str = "min", journal: str = MAIN
    ) -> None:
        check_format(paths)
        self.rows, self._numbers, self.notes = read_record(paths)
        self._name = journal
        self._paths = paths
        self._metric = metric
        self._mode = mode
        self._choice: Choice | None = None
        self._at: tuple[AtStep, Sequence[str]] | None = None
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
        """Opens the ledger for writing and closes it; unfinished runs are `interrupted` then.

        If writing fails, the first error is the one that is raised.

        Raises:
            StorageError: If the study's storage fails after a run has begun.
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
        """Starts writing; runs that a dead driver left unfinished become `interrupted`."""
        for folder in (self._paths.ledger, self._paths.history):
            folder.mkdir(exist_ok=True)
        write_format(self._paths)
        path = self._paths.journal_of(self._name)
        if self._name == MAIN:
            set_aside_damaged(self._paths)
            self._interrupt()
            write_whole(path, self.rows.values(), self._numbers)
        else:
            mend_changes(path)
        self._journal = Journal(path, self._numbers.get(self._name, 0))
        self.compact()

    def protect(self, factors: Iterable[str]) -> None:
        """Reserves the columns of factors: metrics of these names stay in the history only."""
        self._taken = frozenset(factors) | COLUMNS.keys()

    def choose_by(self, choice: Choice | None) -> None:
        """Says by which metric runs choose their best weights, see `summary`."""
        self._choice = choice

    def take_at(self, value: AtStep, metrics: Sequence[str]) -> None:
        """Says at which step values of metrics count: rows have them in a column of their own.

        Runs that have ended get theirs from their curves, as far as those are there.
        """
        self._at = value, tuple(metrics)
        for run_id, row in self.rows.items():
            if row.status is Status.OK and not all(row.has(name, value) for name in metrics):
                row.update(at_step(self._history.read(run_id), value, metrics))

    def add(self, run_id: str, **columns: Any) -> None:
        """Adds a planned run as `pending`, or updates what the plan says of it."""
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
        """Sets columns of a run's row: in the journal at once, in the table soon."""
        columns = storable(columns)
        self.rows[run_id].update(columns)
        self._append({"run_id": run_id, **self._reported.pop(run_id, {}), **columns})

    def on_event(self, event: Event) -> None:
        """Records an event."""
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
                self._history.append(run_id, points, event.revision)
                self.warn(run_id, warnings)
                self.rows[run_id].update(facts)
                self._reported.setdefault(run_id, {}).update(facts)
                self._dirty = True
            case RunRetried(run_id, failure):
                retries = (self.rows[run_id].retries or 0) + 1
                self.patch(run_id, retries=retries, **_error_columns(failure))
                self._log(run_id, failure.trace)
            case RunMoved():
                pass  # not the run's doing
            case RunEnded():
                self._end(event)
            case RunHalted():
                pass  # it resumes later: neither a retry nor an end

    def tick(self) -> None:
        """Writes the table if that is due."""
        pause = max(MIN_COMPACTION_S, COMPACTION_SHARE * self._compaction_s)
        if self._dirty and time.monotonic() - self._compacted_at >= pause:
            self.compact()

    def close(self) -> None:
        """Writes the table, and the main journal as whole rows."""
        try:
            if self._name == MAIN:
                self._interrupt()
            self._merge()
            self.compact()
        finally:
            if self._journal is not None:
                self._journal.close()
                self._journal = None
        if self._name == MAIN:
            write_whole(self._paths.journal, self.rows.values(), self._numbers)

    def compact(self) -> None:
        """Replaces `runs.parquet` atomically."""
        start = time.monotonic()
        self._flush_reported()
        if self._name == MAIN or not self.notes:  # damage is repaired by the main journal's writer
            write_rows(self._paths, self.rows.values(), self._numbers)
        self._compacted_at = time.monotonic()
        self._compaction_s = self._compacted_at - start
        self._dirty = False

    def started_names(self) -> dict[str, str]:
        """Names by id of all runs that have started: these names are fixed.

        Raises:
            InputError: If some of them would lead out of the study directory.
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
        """Runs that may resume from a checkpoint: all but those that are ok or diverged."""
        done = (Status.OK, Status.DIVERGED)
        return {i for i, row in self.rows.items() if row.status not in done}

    def restarts(self) -> dict[str, int]:
        """By run id, the launch in which it last restarted."""
        return {i: row.restarted_in for i, row in self.rows.items() if row.restarted_in}

    def history(self, run_id: str) -> list[dict[str, Any]]:
        """A run's points, `step` and metrics each, by step."""
        return self._history.read(run_id)

    def timed_history(self, run_id: str) -> list[Point]:
        """A run's points by step, with `ablate.events.TIMESTAMP` and other private metrics."""
        return self._history.timed(run_id)

    def _end(self, event: RunEnded) -> None:
        metrics = event.metrics
        is_ok = event.status is Status.OK
        points = self._history.read(event.run_id) if is_ok and (self._at or not metrics) else []
        if is_ok and not metrics:
            metrics = summary(points, self._metric, self._mode, self._choice)
        if is_ok and self._at:
            metrics = {**metrics, **at_step(points, *self._at)}
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
        """Marks the runs that have started and not ended as interrupted."""
        for run_id, row in self.rows.items():
            if row.status is Status.PENDING and row.started_at:
                self.patch(run_id, status=Status.INTERRUPTED)

    def warn(self, run_id: str, warnings: Sequence[str]) -> None:
        """Adds warnings to a run's row."""
        if warnings:
            earlier = self.rows[run_id].warnings or ""
            self.patch(run_id, warnings="\n".join(filter(None, [earlier, *warnings])))

    def _flush_reported(self) -> None:
        """Writes what runs reported to the journal, which must not lag behind the table."""
        for run_id in list(self._reported):
            self.patch(run_id)

    def _merge(self) -> None:
        """Takes over what other commands have written meanwhile."""
        self._flush_reported()
        if self._name == MAIN:
            merge_changes(self._paths, self.rows, self._numbers)
        else:
            self.rows, self._numbers, self.notes = read_record(self._paths)

    def _log(self, run_id: str, trace: str) -> None:
        path = self._paths.log(self.rows[run_id].run_name)
        path.parent.mkdir(exist_ok=True)
        with naming(path), path.open("a", encoding="utf-8") as file:
            file.write(trace.rstrip() + "\n")

    def _append(self, patch: Mapping[str, Any]) -> None:
        self._dirty = True
        if self._journal is not None:
            self._journal.append(patch)
            self._numbers[self._name] = self._journal.number


def summary(
    points: Sequence[Mapping[str, Any]], metric: str, mode: str, choice: Choice | None = None
) -> dict[str, float]:
    """Metric columns for a run that reports no final metrics.

    A metric measured once has its plain name; one measured more often has `<metric>_final`, and
    the study's metric `<metric>_best` too. Where runs choose their weights by a metric, all have
    the `<metric>_best` of that moment: what they came to at another is of no weights that are kept.
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
        if name == metric and numbers and choice is None:
            columns[f"{name}_best"] = min(numbers) if mode == "min" else max(numbers)
    return columns if choice is None else columns | _at_choice(points, columns, *choice)


def at_step(
    points: Sequence[Mapping[str, Any]], value: AtStep, metrics: Iterable[str]
) -> dict[str, float]:
    """Columns of what was measured last up to a step."""
    columns: dict[str, float] = {}
    for point in points:
        for name in metrics if point["step"] <= value.at_step else ():
            if point.get(name) is not None:
                columns[column_of(name, value)] = point[name]
    return columns


def _at_choice(
    points: Sequence[Mapping[str, Any]], columns: Mapping[str, float], metric: str, mode: str
) -> dict[str, float]:
    """What was measured where a metric was best, the first time, of what has a final value, too."""
    known = [p for p in points if p.get(metric) is not None and math.isfinite(p[metric])]
    if not known:
        return {}
    sign = 1 if mode == "min" else -1
    best = min(known, key=lambda point: sign * point[metric])
    names = [name for name in best if f"{name}_final" in columns and best[name] is not None]
    return {f"{name}_best": best[name] for name in names}


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
