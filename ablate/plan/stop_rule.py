"""When a study ends its runs: `stop`, at least as Tune reads it, at most where lower is better."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ablate.plain_values import plain_number
from ablate.spec.models import Study
from ablate.text import some
from ablate.trainable.joint_model import JointModel


@dataclass(frozen=True)
class StopRule:
    """Ends a run with the first result that reaches one of its bounds.

    Attributes:
        bounds: By the name of a number of the results; nested ones as `eval/acc`.
        at_most: Those that are reached from above: metrics of which lower is better.
    """

    bounds: Mapping[str, float] = field(default_factory=dict[str, float])
    at_most: frozenset[str] = frozenset()

    @classmethod
    def of(cls, study: Study, model: JointModel) -> "StopRule":
        """The rule of a study: of its metrics the direction counts, of others there is none."""
        own = [name for name in study.stop if name in study.metrics]
        at_most = frozenset(
            name for name in own if model.mode(name, study.metric, study.mode) == "min"
        )
        return cls(dict(study.stop), at_most)

    @classmethod
    def of_plain(cls, written: Mapping[str, Any] | None) -> "StopRule":
        """As `plain` wrote it."""
        return cls(written["bounds"], frozenset(written["at_most"])) if written else cls()

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return {"bounds": dict(self.bounds), "at_most": sorted(self.at_most)}

    def reached_by(self, numbers: Mapping[str, Any]) -> str:
        """Why a result ends its run, `` if it does not.

        Args:
            numbers: The result, flat, with what Tune adds to it.
        """
        return next((_told(name) for name in self.bounds if self._holds(name, numbers)), "")

    def unknown(self, numbers: Mapping[str, Any]) -> list[str]:
        """The bounds of which a result says nothing."""
        return [name for name in self.bounds if name not in numbers]

    @property
    def told(self) -> str:
        """For people: `training_iteration at least 100, or loss at most 0.1`; `` without one."""
        return ", or ".join(
            f"{name} {'at most' if name in self.at_most else 'at least'} {bound:.10g}"
            for name, bound in self.bounds.items()
        )

    def _holds(self, name: str, numbers: Mapping[str, Any]) -> bool:
        value, bound = plain_number(numbers.get(name)), self.bounds[name]
        if value is None:
            return False
        return value <= bound if name in self.at_most else value >= bound


def missing_note(names: Iterable[str], there: str) -> str:
    """What is said once where a first result lacks what `stop` waits for."""
    return f"stop waits for {some(list(names))}, which the first result does not have: {there}"


def _told(name: str) -> str:
    return f"stop: {name}"
