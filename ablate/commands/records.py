"""Records of what a script measured, and the points of a curve that they become."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ablate.plain_values import joined, plain_number

Point = tuple[int, dict[str, float]]
HOLD_S = 1.0
"""How long a point waits for more of its step."""
_WORDS = frozenset({"nan", "inf", "infinity", "+inf", "-inf", "-infinity", "+infinity", "-nan"})


@dataclass(frozen=True)
class Record:
    """Numbers that a script wrote or printed at once.

    Attributes:
        metrics: The numbers by name.
        step: Their step; None if nothing says it.
        time: When they were measured, in seconds since 1970; None if nothing says it.
        counted: By what records without a step are counted: by the metric, say.
    """

    metrics: Mapping[str, float]
    step: int | None = None
    time: float | None = None
    counted: str = ""


@dataclass
class Batch:
    """Points of a curve that become known together, by step.

    Attributes:
        points: The points.
        times: When each was measured.
        supersedes: Earlier points at this step and beyond no longer count; None if all do.
    """

    points: list[Point] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    supersedes: int | None = None

    def __post_init__(self) -> None:
        # A script that ran while nobody read leaves points by the hundred thousand.
        self._places = {step: position for position, (step, _) in enumerate(self.points)}

    def add(self, step: int, metrics: Mapping[str, float], measured: float) -> None:
        """Adds a point, or to that of its step."""
        if (position := self._places.get(step)) is not None:
            self.points[position][1].update(metrics)
            self.times[position] = measured
            return
        self._places[step] = len(self.points)
        self.points.append((step, dict(metrics)))
        self.times.append(measured)

    def sorted(self) -> "Batch":
        """By step."""
        order = sorted(range(len(self.points)), key=lambda i: self.points[i][0])
        points, times = [self.points[i] for i in order], [self.times[i] for i in order]
        return Batch(points, times, self.supersedes)


class Points:
    """Makes points of records.

    The newest one is held back for a moment: scripts tell the numbers of a step one by one.
    """

    def __init__(self) -> None:
        self.last_step = -1
        self.has_steps = False
        self.num = 0
        self.twice = ""
        """A metric that was told with another value at the same step."""
        self._attempt = 1
        self._counts: dict[str, int] = {}
        self._held: tuple[int, dict[str, float], float] | None = None
        self._held_since = 0.0
        self._batches: list[Batch] = []
        self._rewinds = False

    def add(self, record: Record, attempt: int, resumed: bool) -> None:
        """Takes a record.

        Args:
            record: The record.
            attempt: The attempt that wrote it: the first one of a later attempt supersedes what
                earlier ones measured from its step on.
            resumed: Whether that attempt went on from a checkpoint, and did not begin again.
        """
        if attempt < self._attempt:
            return
        if attempt > self._attempt:
            self._attempt, self._rewinds = attempt, True
            self._counts = self._counts if resumed else {}
            self.last_step = self.last_step if resumed else -1
        step = self._step(record)
        measured = time.time() if record.time is None else record.time
        self.num += 1
        if self._rewinds:
            self._rewinds = False
            self._flush()
            self._batches.append(Batch(supersedes=step))
        elif self._held is not None and self._held[0] == step:
            self._note_twice(self._held[1], record.metrics)
            self._held[1].update(record.metrics)
            return
        elif step < self.last_step:
            self._newest.add(step, record.metrics, measured)
            return
        self._flush()
        self.last_step = step
        self._held = step, dict(record.metrics), measured
        self._held_since = time.monotonic()

    def _note_twice(self, told: Mapping[str, float], again: Mapping[str, float]) -> None:
        names = [name for name in again if name in told and again[name] != told[name]]
        self.twice = self.twice or next(iter(names), "")

    def rewind(self) -> None:
        """The next record supersedes what was measured from its step on."""
        self._rewinds = True
        self._counts.clear()

    def take(self, is_final: bool) -> list[Batch]:
        """What is known by now."""
        if is_final or time.monotonic() - self._held_since > HOLD_S:
            self._flush()
        batches, self._batches = self._batches, []
        kept = [batch.sorted() for batch in batches if batch.points]
        if batches and not batches[-1].points:
            self._batches = [batches[-1]]  # its first point is held back
        return kept

    def state(self) -> dict[str, Any]:
        """What it needs to go on."""
        return {
            "last_step": self.last_step, "has_steps": self.has_steps, "num": self.num,
            "attempt": self._attempt, "counts": self._counts, "held": self._held,
            "rewinds": self._rewinds,
            "waiting": [batch.supersedes for batch in self._batches],
        }  # fmt: skip

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes on from a state."""
        self.last_step, self.has_steps = state["last_step"], state["has_steps"]
        self.num, self._attempt = state["num"], state["attempt"]
        self._counts, self._rewinds = dict(state["counts"]), state["rewinds"]
        self._held = None if state["held"] is None else tuple(state["held"])
        self._batches = [Batch(supersedes=step) for step in state["waiting"]]

    @property
    def _newest(self) -> Batch:
        if not self._batches:
            self._batches.append(Batch())
        return self._batches[-1]

    def _flush(self) -> None:
        if self._held is not None:
            self._newest.add(*self._held)
            self._held = None

    def _step(self, record: Record) -> int:
        """Its own step; else the last one of those that have one; else its number."""
        if record.step is not None:
            self.has_steps = True
            return record.step
        if self.has_steps:
            return max(0, self.last_step)
        self._counts[record.counted] = self._counts.get(record.counted, 0) + 1
        return self._counts[record.counted]


def number_of(value: Any) -> float | None:
    """A number as it is written: also `nan` and `inf`, and those in quotes; None for others."""
    if not isinstance(value, str):
        return plain_number(value)
    text = value.strip()
    if text.lower() in _WORDS:
        return float(text)
    looks_like_one = text[:1].isdigit() or (text[:1] in "+-." and any(c.isdigit() for c in text))
    try:
        return float(text) if looks_like_one else None
    except ValueError:
        return None


def step_of(value: Any) -> int | None:
    """A step as it is written; None if it is no whole number."""
    number = number_of(value)
    if number is None or not number.is_integer() or number < 0:
        return None
    return int(number)


def record_of(values: Mapping[Any, Any], step_key: str | None) -> Record | None:
    """The numbers of what a script wrote, and its step; None if there are none.

    Args:
        values: By name, perhaps nested.
        step_key: The name of the step; None: `step`, where there is one.
    """
    items = dict(joined(values))
    step = step_of(items.pop(step_key or "step", None))
    numbers = {n: number for n, value in items.items() if (number := number_of(value)) is not None}
    return Record(numbers, step) if numbers else None
