"""The curves of runs: appended as they come, one Parquet file a run once it has ended."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ablate.events import PRIVATE_METRICS, Point
from ablate.parquet_files import read_table, write_columns
from ablate.paths import StudyPaths

Column = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Steps and the values measured at them."""


class History:
    """Points of runs by step; a step that comes again after a retry is taken once."""

    def __init__(self, paths: StudyPaths) -> None:
        self._folder = paths.history
        self._last_step: dict[str, int] = {}

    def append(self, run_id: str, points: Sequence[Point]) -> None:
        """Keeps the points above the last step that is known of the run."""
        known = run_id in self._last_step
        last = self._last(run_id)
        new = [(step, metrics) for step, metrics in points if step > last]
        if not new:
            return
        with self._live(run_id).open("a", encoding="utf-8") as file:
            if not known and file.tell():
                file.write("\n")  # ends the line that a dead driver may have left torn
            file.writelines(json.dumps({**metrics, "step": s}) + "\n" for s, metrics in new)
        self._last_step[run_id] = new[-1][0]

    def finish(self, run_id: str) -> None:
        """The run has ended: its points go into a Parquet file of their own."""
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
        """A run's points by step, `step` and metrics each, whether it has ended or not."""
        return [
            {name: value for name, value in point.items() if name not in PRIVATE_METRICS}
            for point in self._points(run_id)
        ]

    def timed(self, run_id: str) -> list[Point]:
        """A run's points by step, with when they were measured and what is private beside it."""
        return [(point.pop("step"), point) for point in self._points(run_id)]

    def _points(self, run_id: str) -> list[dict[str, Any]]:
        # In this order: a run that ends meanwhile is in the second once it has left the first.
        live = self._live_points(run_id)
        points: dict[int, dict[str, Any]] = {}
        if self._done(run_id).exists():
            for point in read_table(self._done(run_id)).drop_columns("run_id").to_pylist():
                points[point["step"]] = {k: v for k, v in point.items() if v is not None}
        for point in live:
            points.setdefault(point["step"], point)
        return [points[step] for step in sorted(points)]

    def _live_points(self, run_id: str) -> list[dict[str, Any]]:
        try:
            lines = self._live(run_id).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        points: list[dict[str, Any]] = []
        for line in lines:
            try:
                points.append(json.loads(line))
            except ValueError:
                continue  # torn when its driver died: the run repeats the step
        return points

    def columns(self, run_id: str, names: Sequence[str]) -> dict[str, Column]:
        """Steps and values of some metrics of a run, those that it has, as arrays."""
        if not self._done(run_id).exists():
            points = self.read(run_id)
            return _finite({
                name: _column([(p["step"], p[name]) for p in points if name in p])
                for name in names
                if any(name in p for p in points)
            })  # fmt: skip
        table = read_table(self._done(run_id), ["step", *names])
        steps = table["step"].to_numpy()
        columns: dict[str, Column] = {}
        for name in names:
            if name not in table.column_names:
                continue
            values = table[name].to_numpy().astype(float)  # nan where a point lacks it
            columns[name] = (steps.astype(float), values)
        return _finite(columns)

    def _last(self, run_id: str) -> int:
        if run_id not in self._last_step:
            points = self.read(run_id)
            self._last_step[run_id] = points[-1]["step"] if points else -1
        return self._last_step[run_id]

    def _live(self, run_id: str) -> Path:
        return self._folder / f"{run_id}.jsonl"

    def _done(self, run_id: str) -> Path:
        return self._folder / f"{run_id}.parquet"


def _column(points: Sequence[tuple[int, float]]) -> Column:
    values = np.array(points, dtype=float)
    return values[:, 0], values[:, 1]


def _finite(columns: dict[str, Column]) -> dict[str, Column]:
    """Without points that are nan or infinite, and without columns that have no others."""
    kept = {n: (steps[there], v[there]) for n, (steps, v) in columns.items()
            for there in [np.isfinite(v)]}  # fmt: skip
    return {name: column for name, column in kept.items() if len(column[0])}
