"""A curve for those who only look: points are read as they are appended, and thinned."""

import math
from collections.abc import Iterable

from ablate.ledger.followed_record import FileMark
from ablate.ledger.history import SUPERSEDES, History, read_point
from ablate.study_dir import StudyPaths

MAX_POINTS = 500
"""Of a curve on a screen."""
DIGITS = 6
"""Of values on a screen."""

XY = tuple[int, float]
"""Step and value."""


class Thinned:
    """At most so many points of a curve: every one, every other, every fourth ..., and the last.

    Args:
        most: So many; at least 2.
    """

    def __init__(self, most: int = MAX_POINTS) -> None:
        self.points: list[XY] = []
        self._most = max(2, most)
        self._stride = 1
        self._num = 0
        self._has_extra = False
        """Whether the last point is there for being the last alone."""

    def extend(self, points: Iterable[XY]) -> int:
        """Adds points; returns the position from which on others are kept than before."""
        start = len(self.points) - self._has_extra
        for point in points:
            if self._has_extra:
                self.points.pop()
            self.points.append(point)
            self._has_extra = self._num % self._stride != 0
            self._num += 1
            if len(self.points) > self._most:
                self._thin()
                start = 0
        return start

    def _thin(self) -> None:
        last = self.points[-1]
        self.points = self.points[: len(self.points) - self._has_extra : 2]
        self._stride *= 2
        self._has_extra = self.points[-1] is not last
        if self._has_extra:
            self.points.append(last)


class FollowedCurve:
    """The values of a metric of a run, read again as far as they change. Nothing is written.

    Args:
        paths: The study directory.
        run_id: The run.
        metric: The metric.
        most: How many points are kept.
    """

    def __init__(self, paths: StudyPaths, run_id: str, metric: str, most: int = MAX_POINTS) -> None:
        self._history = History(paths)
        self._run_id, self._metric, self._most = run_id, metric, most
        self._live, self._done = self._history.live_file(run_id), self._history.file(run_id)
        self._live_mark: FileMark | None = None
        self._done_mark: FileMark | None = None
        self._last_step = -math.inf
        self._thinned = Thinned(most)

    @property
    def points(self) -> list[XY]:
        """Finite values by step, thinned."""
        return self._thinned.points

    def refresh(self) -> int | None:
        """Reads what is new; returns from which position on `points` differ, None if nowhere."""
        # In this order: a run that ends meanwhile is in the second once it has left the first.
        live, done = FileMark.of(self._live), FileMark.of(self._done)
        known = self._live_mark
        if done != self._done_mark or (live is None) != (known is None):
            return self._read_all(live, done)
        if live is None or known is None or (live.inode, live.size) == (known.inode, known.size):
            return None
        if not known.has_grown_to(live):
            return self._read_all(live, done)
        try:
            lines = known.read_on(self._live)
        except FileNotFoundError:
            return None  # it ends just now
        new = self._following(lines)
        if new is None:
            return self._read_all(live, done)
        return self._thinned.extend(new) if new else None

    def _following(self, lines: bytes) -> list[XY] | None:
        """New values; None where they change earlier ones."""
        new: list[XY] = []
        for point in filter(None, map(read_point, lines.splitlines())):
            if SUPERSEDES in point:
                return None
            value = _finite(point.get(self._metric))
            if value is None:
                continue
            if point["step"] <= self._last_step:
                return None
            self._last_step = point["step"]
            new.append((point["step"], value))
        return new

    def _read_all(self, live: FileMark | None, done: FileMark | None) -> int:
        points: dict[int, float] = {}
        lines = b""
        if live is not None:
            try:
                lines = live.read_on(self._live)
            except FileNotFoundError:
                live, done = None, FileMark.of(self._done)
        finished = self._history.finished(self._run_id, [self._metric]) if done else None
        for steps, values in (finished or {}).values():
            points.update(zip(map(int, steps), map(float, values), strict=True))
        for point in filter(None, map(read_point, lines.splitlines())):
            if SUPERSEDES in point:
                points = {s: v for s, v in points.items() if s < point[SUPERSEDES]}
            elif (value := _finite(point.get(self._metric))) is not None:
                points[point["step"]] = value
        self._live_mark, self._done_mark = live, done
        self._last_step = max(points, default=-math.inf)
        self._thinned = Thinned(self._most)
        self._thinned.extend((step, _short(points[step])) for step in sorted(points))
        return 0


def _finite(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return _short(value)
    return None


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
