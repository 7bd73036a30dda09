"""The curves of runs: appended while a run trains, one Parquet file once it has ended."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ablate.events import PRIVATE_METRICS, Point, Revision
from ablate.ledger.parquet_files import DamagedFileError, read_table, write_columns
from ablate.study_dir import StudyPaths, naming

if TYPE_CHECKING:
    import pyarrow as pa

Column = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Steps and the values measured at them."""


END_BYTES = 32_768
"""Of the begin and the end of a growing curve, which tell its metrics."""
SUPERSEDES = "supersedes"
"""The key of a line after which points of its step and beyond no longer count."""


class History:
    """Points of runs by step; a step repeated after a retry is kept once."""

    def __init__(self, paths: StudyPaths) -> None:
        self._folder = paths.history
        self._last_step: dict[str, int] = {}
        self._appended_to: set[str] = set()

    def append(
        self, run_id: str, points: Sequence[Point], revision: Revision | None = None
    ) -> None:
        """Appends the points beyond the run's last step.

        Args:
            run_id: The run.
            points: Its points.
            revision: What they change of earlier ones; None: those of earlier steps are no news.
        """
        last = self._last(run_id)
        supersedes = None if revision is None else revision.supersedes
        if supersedes is not None and supersedes <= last:
            self._write(run_id, [{SUPERSEDES: supersedes}])
            last = self._last_step[run_id] = supersedes - 1
        new = [(step, metrics) for step, metrics in points if revision or step > last]
        if not new:
            return
        self._write(run_id, [{**metrics, "step": step} for step, metrics in new])
        self._last_step[run_id] = max(last, *(step for step, _ in new))

    def _write(self, run_id: str, lines: Sequence[Mapping[str, Any]]) -> None:
        live = self._live(run_id)
        with naming(live), live.open("a", encoding="utf-8") as file:
            if run_id not in self._appended_to and file.tell():
                file.write("\n")  # ends the line that a dead driver may have left torn
            self._appended_to.add(run_id)
            file.writelines(json.dumps(line) + "\n" for line in lines)

    def finish(self, run_id: str) -> None:
        """Writes the Parquet file of a run that has ended."""
        points = self._points(run_id)
        self._last_step.pop(run_id, None)
        if points:
            names = dict.fromkeys(name for point in points for name in point if name != "run_id")
            columns = {name: (None, [point.get(name) for point in points]) for name in names}
            own = {"run_id": (str, [run_id] * len(points))}
            write_columns(self._done(run_id), {**own, **columns})
        self._live(run_id).unlink(missing_ok=True)

    def forget(self, run_id: str) -> None:
        """Drops a run's points."""
        self._live(run_id).unlink(missing_ok=True)
        self._done(run_id).unlink(missing_ok=True)
        self._last_step.pop(run_id, None)

    def read(self, run_id: str) -> list[dict[str, Any]]:
        """A run's readable points by step, `step` and metrics each."""
        return [
            {name: value for name, value in point.items() if name not in PRIVATE_METRICS}
            for point in self._points(run_id)
        ]

    def timed(self, run_id: str) -> list[Point]:
        """A run's points by step, with timestamps and other private metrics."""
        return [(point.pop("step"), point) for point in self._points(run_id)]

    def num_points(self, run_id: str, up_to_step: int) -> int:
        """How many points a run has up to a step."""
        return sum(point["step"] <= up_to_step for point in self._points(run_id))

    def names(self, run_id: str) -> list[str]:
        """The metrics of a run's curve; while it trains those of its first and latest points."""
        table = self._table(run_id)
        named = [] if table is None else table.column_names
        named += [name for point in self._live_ends(run_id) for name in point]
        hidden = {"step", "run_id", SUPERSEDES, *PRIVATE_METRICS}
        return [name for name in dict.fromkeys(named) if name not in hidden]

    def live_file(self, run_id: str) -> Path:
        """The points of a run that has not ended, a line each."""
        return self._live(run_id)

    def file(self, run_id: str) -> Path:
        """The curve of a run that has ended."""
        return self._done(run_id)

    def _points(self, run_id: str) -> list[dict[str, Any]]:
        # In this order: a run that ends meanwhile is in the second once it has left the first.
        live = self._live_points(run_id)
        points: dict[int, dict[str, Any]] = {}
        table = self._table(run_id)
        if table is not None:
            for point in table.drop_columns("run_id").to_pylist():
                points[point["step"]] = {k: v for k, v in point.items() if v is not None}
        for point in live:
            if SUPERSEDES in point:
                points = {s: p for s, p in points.items() if s < point[SUPERSEDES]}
            else:
                points.setdefault(point["step"], {}).update(point)
        return [points[step] for step in sorted(points)]

    def _live_points(self, run_id: str) -> list[dict[str, Any]]:
        try:
            lines = self._live(run_id).read_bytes().splitlines()
        except FileNotFoundError:
            return []
        points = map(read_point, lines)  # torn when its driver died: the run repeats the step
        return [point for point in points if point is not None]

    def _live_ends(self, run_id: str) -> list[dict[str, Any]]:
        try:
            with self._live(run_id).open("rb") as file:
                read = file.read(END_BYTES)
                file.seek(max(len(read), file.seek(0, 2) - END_BYTES))
                lines = read.splitlines() + file.read().splitlines()
        except FileNotFoundError:
            return []
        return [point for point in map(read_point, lines) if point is not None]

    def columns(self, run_id: str, names: Sequence[str]) -> dict[str, Column]:
        """Steps and values, as arrays, of those of the metrics that a run has."""
        finished = self.finished(run_id, names)
        if finished is not None:
            return finished
        points = self.read(run_id)
        return _finite({
            name: _column([(p["step"], p[name]) for p in points if name in p])
            for name in names
            if any(name in p for p in points)
        })  # fmt: skip

    def finished(self, run_id: str, names: Sequence[str]) -> dict[str, Column] | None:
        """As `columns`, from the file of a run that has ended alone; None without one."""
        table = self._table(run_id, ["step", "run_id", *names])
        if table is None:
            return None
        steps = table["step"].to_numpy()
        columns: dict[str, Column] = {}
        for name in names:
            if name not in table.column_names:
                continue
            values = table[name].to_numpy().astype(float)  # nan where a point lacks it
            columns[name] = (steps.astype(float), values)
        return _finite(columns)

    def _table(self, run_id: str, columns: Sequence[str] | None = None) -> "pa.Table | None":
        """The curve of a run that has ended; None if it is missing or another run's."""
        if not self._done(run_id).exists():
            return None
        try:
            table = read_table(self._done(run_id), columns, needed=("step", "run_id"))
        except DamagedFileError:
            return None
        is_own = table.num_rows and table["run_id"][0].as_py() == run_id
        return table if is_own and isinstance(table["step"][0].as_py(), int) else None

    def _last(self, run_id: str) -> int:
        if run_id not in self._last_step:
            points = self.read(run_id)
            self._last_step[run_id] = points[-1]["step"] if points else -1
        return self._last_step[run_id]

    def _live(self, run_id: str) -> Path:
        return self._folder / f"{run_id}.jsonl"

    def _done(self, run_id: str) -> Path:
        return self._folder / f"{run_id}.parquet"


def read_point(line: bytes) -> dict[str, Any] | None:
    """A point; None if the line is torn."""
    try:
        point = json.loads(line)
    except ValueError:
        return None
    if not isinstance(point, dict):
        return None
    is_whole = isinstance(point.get("step"), int) or isinstance(point.get(SUPERSEDES), int)
    return point if is_whole else None


def _column(points: Sequence[tuple[int, float]]) -> Column:
    values = np.array(points, dtype=float)
    return values[:, 0], values[:, 1]


def _finite(columns: dict[str, Column]) -> dict[str, Column]:
    """Drops points that are not finite, and columns without any other."""
    finite = {n: (steps[there], v[there]) for n, (steps, v) in columns.items()
            for there in [np.isfinite(v)]}  # fmt: skip
    return {name: column for name, column in finite.items() if len(column[0])}
