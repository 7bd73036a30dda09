"""The study's own record, in Parquet: the truth, of which W&B, terminal and report are views.

Rows change by patches, which go to a journal at once and into `runs.parquet` soon after; setting
the same columns twice does no harm, so replaying a journal is always safe.
"""

import json
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from ablate.events import (
    Event,
    Failure,
    RunEnded,
    RunMoved,
    RunReported,
    RunRetried,
    RunStarted,
)
from ablate.history import History
from ablate.parquet_files import read_table, write_columns
from ablate.paths import StudyPaths

MIN_COMPACTION_S = 1.0
COMPACTION_SHARE = 19
"""Writing `runs.parquet` takes at most one part in twenty of the driver's time."""
ENDED = frozenset({"ok", "failed", "diverged"})

COLUMNS: dict[str, type] = {
    "run_id": str,
    "run_name": str,
    "block": str,
    "seed": int,
    "status": str,
    "stop_reason": str,
    "epoch": int,
    "step": int,
    "best_epoch": int,
    "best_step": int,
    "seconds": float,
    "device": str,
    "num_parameters": int,
    "trial": str,
    "launch": int,
    "planned_in": int,
    "restarted_in": int,
    "checkpoint": str,
    "error_type": str,
    "error": str,
    "traceback": str,
    "retries": int,
    "warnings": str,
    "stats_mismatch": str,
    "data_fingerprint": str,
    "config": str,
    "code_hash": str,
    "git_commit": str,
    "git_dirty": bool,
    "versions": str,
    "started_at": datetime,
    "ended_at": datetime,
}
Row = dict[str, Any]


class Ledger:
    """Rows of a study by run id, kept on disk as they change.

    Args:
        paths: The study directory.
        metric: The study's metric, for the summaries of trainables that make none.
        mode: `min` or `max`.
    """

    def __init__(self, paths: StudyPaths, metric: str = "", mode: str = "min") -> None:
        self.rows: dict[str, Row] = {row["run_id"]: row for row in read_rows(paths)}
        self._paths = paths
        self._metric = metric
        self._mode = mode
        self._history = History(paths)
        self._taken = frozenset(COLUMNS)
        self._journal: TextIO | None = None
        self._dirty = False
        self._compacted_at = 0.0
        self._compaction_s = 0.0

    def open(self) -> None:
        """Starts writing; what a dead driver left unfinished is `interrupted` from now on."""
        self._paths.history.mkdir(parents=True, exist_ok=True)
        self.interrupt()
        self.compact()
        # The table holds it all now; a torn last line must not meet the next one.
        self._journal = self._paths.journal.open("w", buffering=1)

    def protect(self, factors: Iterable[str]) -> None:
        """Columns of factors: a metric of that name, or of the ledger's own, is in the history."""
        self._taken = frozenset(factors) | COLUMNS.keys()

    def add(self, run_id: str, **columns: Any) -> None:
        """A planned run: `pending` where it is new, else only what the plan says of it."""
        row = self.rows.setdefault(run_id, {"run_id": run_id, "status": "pending"})
        changed = {name: value for name, value in columns.items() if row.get(name) != value}
        if changed or len(row) == 2:
            self.patch(run_id, **changed)

    def reset(self, run_id: str) -> None:
        """Forgets a run's results, so that it can be run from the beginning."""
        self.rows[run_id] = _blank(self.rows[run_id])
        self._history.forget(run_id)
        self._append({"run_id": run_id, "_reset": True})

    def patch(self, run_id: str, **columns: Any) -> None:
        """Sets columns of a run's row, now in the journal and soon in the table."""
        self.rows[run_id].update(columns)
        self._append({"run_id": run_id, **columns})

    def on_event(self, event: Event) -> None:
        """Takes note of what happened to a run."""
        match event:
            case RunStarted(run_id, trial, launch):
                started = self.rows[run_id].get("started_at") or _now()
                self.patch(run_id, status="pending", started_at=started, trial=trial, launch=launch)
            case RunReported(run_id, points, facts, warnings):
                self._history.append(run_id, points)
                self.warn(run_id, warnings)
                self.rows[run_id].update(facts)
                self._dirty = True
            case RunRetried(run_id, failure):
                retries = (self.rows[run_id].get("retries") or 0) + 1
                self.patch(run_id, retries=retries, **_error_columns(failure))
                self._log(run_id, failure.trace)
            case RunMoved():
                pass  # nothing that the run did
            case RunEnded():
                self._end(event)

    def tick(self) -> None:
        """Writes the table if it is due."""
        pause = max(MIN_COMPACTION_S, COMPACTION_SHARE * self._compaction_s)
        if self._dirty and time.monotonic() - self._compacted_at >= pause:
            self.compact()

    def interrupt(self) -> None:
        """The driver stops: what has started and not ended is interrupted."""
        for run_id, row in self.rows.items():
            if row["status"] == "pending" and row.get("started_at"):
                self._patch_whole(run_id, status="interrupted")

    def close(self) -> None:
        """Writes everything into the tables; the journal has done its work."""
        self.compact()
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self._paths.journal.unlink(missing_ok=True)

    def compact(self) -> None:
        """Writes `runs.parquet`, replacing the old one in one go."""
        start = time.monotonic()
        write_rows(self._paths, self.rows.values())
        self._compacted_at = time.monotonic()
        self._compaction_s = self._compacted_at - start
        self._dirty = False

    def started_names(self) -> dict[str, str]:
        """Names by id of the runs that have ever started: those names stay."""
        return {i: row["run_name"] for i, row in self.rows.items() if row.get("started_at")}

    def settled(self) -> set[str]:
        """Runs that have ended."""
        return {i for i, row in self.rows.items() if row["status"] in ENDED}

    def resumable(self) -> set[str]:
        """Runs that may go on from a checkpoint: all but those that are done or diverged."""
        return {i for i, row in self.rows.items() if row["status"] not in ("ok", "diverged")}

    def restarts(self) -> dict[str, int]:
        """By run, the launch in which it last began anew."""
        return {i: row["restarted_in"] for i, row in self.rows.items() if row.get("restarted_in")}

    def history(self, run_id: str) -> list[dict[str, Any]]:
        """A run's points, `step` and metrics each, by step."""
        return self._history.read(run_id)

    def _end(self, event: RunEnded) -> None:
        metrics = event.metrics
        if event.status == "ok" and not metrics:
            metrics = summary(self._history.read(event.run_id), self._metric, self._mode)
        self._history.finish(event.run_id)
        self._patch_whole(
            event.run_id,
            **{name: value for name, value in metrics.items() if name not in self._taken},
            **_error_columns(event.failure),
            status=event.status,
            stop_reason=event.stop_reason,
            ended_at=_now(),
        )
        if event.failure:
            self._log(event.run_id, event.failure.trace or event.failure.message)
        self.tick()

    def _patch_whole(self, run_id: str, **columns: Any) -> None:
        """A patch with the whole row, since what a run reports is not in the journal by itself."""
        row = {name: value for name, value in self.rows[run_id].items() if name != "run_id"}
        self.patch(run_id, **{**row, **columns})

    def warn(self, run_id: str, warnings: Sequence[str]) -> None:
        """Adds to what is to be told of a run."""
        if warnings:
            told = self.rows[run_id].get("warnings") or ""
            self.patch(run_id, warnings="\n".join(filter(None, [told, *warnings])))

    def _log(self, run_id: str, trace: str) -> None:
        path = self._paths.log(self.rows[run_id]["run_name"])
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(trace.rstrip() + "\n")

    def _append(self, patch: Row) -> None:
        self._dirty = True
        if self._journal is not None:
            self._journal.write(json.dumps(patch, default=_to_json) + "\n")


def read_rows(paths: StudyPaths) -> list[Row]:
    """The rows of a study as of now: the table, and what the journal adds to it."""
    rows: dict[str, Row] = {}
    if paths.runs_parquet.exists():
        for row in read_table(paths.runs_parquet).to_pylist():
            rows[row["run_id"]] = {k: v for k, v in row.items() if v is not None}
    for patch in _journal_patches(paths):
        row = rows.setdefault(patch["run_id"], {"run_id": patch["run_id"], "status": "pending"})
        if patch.pop("_reset", False):
            rows[row["run_id"]] = _blank(row)
            continue
        row.update(patch)
    return list(rows.values())


def write_rows(paths: StudyPaths, rows: Iterable[Row]) -> None:
    """Writes `runs.parquet` so that a reader sees the old table or the new one."""
    rows = list(rows)
    names = dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)])
    columns = {name: _column(name, [row.get(name) for row in rows]) for name in names}
    write_columns(paths.runs_parquet, columns)


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
        if name == metric:
            columns[f"{name}_best"] = min(values) if mode == "min" else max(values)
    return columns


def metrics_of(row: Mapping[str, Any], factors: Container[str]) -> dict[str, float]:
    """The numbers in a run's row that it has measured: no columns of the ledger or of factors."""
    return {
        name: value
        for name, value in row.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
        if name not in COLUMNS and name not in factors
    }


def metric_value(row: Mapping[str, Any], metric: str) -> float | None:
    """A run's value of a metric: at its best where there is one, else as measured once."""
    for name in (f"{metric}_best", metric, f"{metric}_final"):
        if row.get(name) is not None:
            return row[name]
    return None


def _blank(row: Row) -> Row:
    """The row of the same run before it had any result."""
    names = ("run_id", "run_name", "seed", "planned_in", "restarted_in")
    kept = {name: row[name] for name in names if name in row}
    return {**kept, "status": "pending"}


def _journal_patches(paths: StudyPaths) -> Iterator[Row]:
    if not paths.journal.exists():
        return
    with paths.journal.open() as file:
        for line in file:
            try:
                patch = json.loads(line)
            except ValueError:
                return  # the last line, torn when its driver died
            for name in ("started_at", "ended_at"):
                if patch.get(name):
                    patch[name] = datetime.fromisoformat(patch[name])
            yield patch


def _column(name: str, values: list[Any]) -> tuple[type | None, list[Any]]:
    """A column as Parquet takes it: of one type, or as text."""
    if name in COLUMNS:
        return COLUMNS[name], values
    kinds = {bool if isinstance(v, bool) else type(v) for v in values if v is not None}
    if kinds <= {int, float} and float in kinds:
        return float, values
    fits = all(abs(v) < 2**63 for v in values if type(v) is int)
    if len(kinds) <= 1 and kinds <= {int, float, bool, str} and fits:
        return None, values
    shown = [v if v is None or isinstance(v, str) else json.dumps(v) for v in values]
    return str, shown


def _error_columns(failure: Failure | None) -> dict[str, str | None]:
    if failure is None:
        return {"error_type": None, "error": None, "traceback": None}
    return {"error_type": failure.kind, "error": failure.message, "traceback": failure.trace}


def _now() -> datetime:
    return datetime.now(UTC)


def _to_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)
