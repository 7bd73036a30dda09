"""What the config models of a study's trainables say together: most studies have one."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ablate.trainable.config_model import ConfigModel
from ablate.trainable.contract import MetricSpec, Mode


@dataclass(frozen=True)
class JointModel:
    """The config models of all trainables, the first block's first.

    Attributes:
        models: Each once.
    """

    models: tuple[ConfigModel, ...]

    @cached_property
    def metrics(self) -> Mapping[str, MetricSpec]:
        """The declared metrics; of one that several declare, what the first says."""
        return {
            name: spec
            for model in reversed(self.models)
            for name, spec in model.metrics.items()
        }  # fmt: skip

    def metric(self, name: str) -> MetricSpec:
        """A metric's spec; the default one for a metric that is not declared."""
        return self.metrics.get(name, MetricSpec())

    def mode(self, name: str, asked: str, asked_mode: Mode) -> Mode:
        """A metric's direction in a study: its own, or else that of the study's metric.

        Args:
            name: The metric.
            asked: The study's.
            asked_mode: The direction that the study gives it.
        """
        return self.metrics[name].mode if name != asked and name in self.metrics else asked_mode

    def modes(self, name: str) -> frozenset[Mode]:
        """The directions in which models declare a metric to be better."""
        return frozenset(each.metrics[name].mode for each in self.models if name in each.metrics)

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """What keys are by default."""
        merged: dict[str, Any] = {}
        for model in self.models:
            merged = {**model.defaults, **merged}
        return merged

    @property
    def selected_by(self) -> str | None:
        """The metric by which runs choose their best weights; None if not all do by one."""
        return self._shared([model.selected_by for model in self.models])

    @property
    def split_key(self) -> str | None:
        """The key that decides the split; None if they do not share one."""
        return self._shared([model.split_key for model in self.models])

    @property
    def shares_draws(self) -> bool:
        """Whether runs of one seed share draws, whichever trainable they are of."""
        return all(model.shares_draws for model in self.models)

    @property
    def fixed_length(self) -> Mapping[str, Any]:
        """Keys that keep `selected_by` from ending a run early."""
        return {key: value for model in self.models for key, value in model.fixed_length.items()}

    @property
    def length_keys(self) -> tuple[str, ...]:
        """Keys that say how long a run trains."""
        return tuple(dict.fromkeys(key for model in self.models for key in model.length_keys))

    @staticmethod
    def _shared(values: list[str | None]) -> str | None:
        return values[0] if len(set(values)) == 1 else None
