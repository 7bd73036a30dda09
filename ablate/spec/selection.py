"""By what runs choose their best weights and end early, and whether all cells share it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ablate.dotted import value_at
from ablate.run_row import Value
from ablate.spec.design import Cell
from ablate.trainable.joint_model import JointModel
from ablate.trainable.metric_rules import can_compare, differing_keys


@dataclass(frozen=True)
class Selection:
    """What a study's runs are selected by.

    Attributes:
        model: Says by which metric, and how runs keep their length.
        asked: The study's own `value`.
        blocks: Of each block the cells that show whether they share the metric.
    """

    model: JointModel
    asked: Value | None
    blocks: Sequence[Sequence[Cell]]

    @cached_property
    def is_shared(self) -> bool:
        """Whether there is such a metric, and it measures the same thing in all cells."""
        metric = self.model.selected_by
        return metric is not None and all(
            can_compare((cell.configured for cell in cells), metric) for cells in self.blocks
        )

    @property
    def value(self) -> Value:
        """Which of a run's values of a metric is its result."""
        return self.asked or ("best" if self.is_shared else "last")

    @property
    def early_ends(self) -> list[str]:
        """That runs may end early by a metric that their cells do not share."""
        return [
            f"{self._why}, and {key} ends runs early by it, so some train longer than others; "
            f"{self._fix(key)} trains all of them to the end"
            for key in self.model.fixed_length
            if self._why and not self._is_fixed(key)
        ]

    @property
    def chosen_weights(self) -> list[str]:
        """That results are asked of weights that were chosen by such a metric."""
        told = "value: best takes weights that were chosen by it; value: last takes the final ones"
        return [f"{self._why}, and {told}"] * (self.asked == "best" and bool(self._why))

    @cached_property
    def _why(self) -> str:
        """`val_loss measures different things in cells that differ in flow`."""
        metric = self.model.selected_by
        if metric is None or self.is_shared:
            return ""
        configs = [[cell.configured for cell in cells] for cells in self.blocks]
        keys = dict.fromkeys(key for each in configs for key in differing_keys(each, metric))
        return f"{metric} measures different things in cells that differ in {', '.join(keys)}"

    def _is_fixed(self, key: str) -> bool:
        wanted = self.model.fixed_length[key]
        return all(value_at(c.config, key) == wanted for cells in self.blocks for c in cells)

    def _fix(self, key: str) -> str:
        value = self.model.fixed_length[key]
        return f"{key}: {'null' if value is None else value}"


def num_changes(levels: Mapping[str, Any], others: Mapping[str, Any]) -> int:
    """In how many factors levels differ: one that applies to a single side follows from others."""
    return sum(levels[name] != others[name] for name in levels.keys() & others.keys())
