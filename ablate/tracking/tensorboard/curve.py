"""A run's curve as TensorBoard takes it, and how much of it is written."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ablate.events import TIMESTAMP, Point
from ablate.tracking.tensorboard.summaries import scalars_of


@dataclass(frozen=True)
class Moment:
    """What was measured at a step, by tag, and when: in seconds since 1970."""

    step: int
    values: Mapping[str, float]
    at_s: float | None = None


Curve = Sequence[Moment]


def measured(points: Sequence[Point]) -> list[Moment]:
    """The points that have something to show."""
    moments = [Moment(step, scalars_of(values), values.get(TIMESTAMP)) for step, values in points]
    return [moment for moment in moments if moment.values]


@dataclass
class Written:
    """What was written of a curve, as far as it matters to go on: values in any order."""

    num_values: int = 0
    digest: int = 0
    last_steps: dict[str, int] = field(default_factory=dict[str, int])
    """Of each tag."""

    def add(self, moment: Moment) -> None:
        """Takes what was written at a step."""
        for tag, value in moment.values.items():
            self.num_values += 1
            self.digest += zlib.crc32(f"{moment.step} {value!r} {tag}".encode())
            self.last_steps[tag] = max(moment.step, self.last_steps.get(tag, moment.step))

    def add_event(self, event: Any) -> None:
        """Takes an event of a file."""
        values = {v.tag: v.simple_value for v in event.summary.value if v.HasField("simple_value")}
        self.add(Moment(event.step, values))

    def ends_before(self, curve: Curve) -> bool:
        """Whether a curve can be written behind it: each tag goes on at a later step."""
        last = dict(self.last_steps)
        for moment in curve:
            if any(moment.step <= last.get(tag, -1) for tag in moment.values):
                return False
            last |= dict.fromkeys(moment.values, moment.step)
        return True

    def rest_of(self, curve: Curve) -> list[Moment] | None:
        """What a curve has beyond it; None if it is no beginning of the curve."""
        whole, rest = Written(), list[Moment]()
        after = Written(self.num_values, self.digest, dict(self.last_steps))
        for moment in curve:
            whole.add(moment)
            new = {tag: value for tag, value in moment.values.items()
                   if moment.step > self.last_steps.get(tag, -1)}  # fmt: skip
            if new:
                rest.append(Moment(moment.step, new, moment.at_s))
                after.add(rest[-1])
        return rest if after == whole else None
