"""The numbers of K runs of one shape, one row per run: weights, average, gradients and moments.

A whole run is one contiguous row, so the optimizer, the average and the gradient's norm take one
call per run, whatever the number of its parameters; networks see the rows by parameter name.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from trainables.flow.networks.velocity import State

ALIGNED = 64
"""Each parameter begins at a multiple of it: kernels may sum unaligned ones in another order, and
then a run's bits would depend on its row."""


class RowLayout:
    """Where each parameter is in a row.

    Args:
        state: One run's parameters by name; only their shapes matter.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self._places: dict[str, tuple[int, tuple[int, ...]]] = {}
        self.width = 0
        """Numbers in a row, with the gaps between parameters."""
        for name, tensor in state.items():
            self._places[name] = (self.width, tuple(tensor.shape))
            self.width += -(-tensor.numel() // ALIGNED) * ALIGNED

    def views(self, numbers: Tensor) -> State:
        """The parameters in a row (width,), or in all rows (K, width), by name."""
        return {
            name: numbers[..., start : start + math.prod(shape)].view((*numbers.shape[:-1], *shape))
            for name, (start, shape) in self._places.items()
        }

    def rows(self, states: Sequence[Mapping[str, Tensor]], device: torch.device) -> Tensor:
        """Runs' parameters as rows, (K, width); gaps are zero."""
        like = next(iter(states[0].values()))
        numbers = torch.zeros(len(states), self.width, dtype=like.dtype, device=device)
        for k, state in enumerate(states):
            for name, view in self.views(numbers[k]).items():
                view.copy_(state[name])
        return numbers


@dataclass
class Rows:
    """All numbers of some runs: of K runs with a leading K, or of one run without."""

    weights: Tensor
    average: Tensor
    gradients: Tensor
    first: Tensor
    """Moving mean of the gradients."""
    second: Tensor
    """Moving mean of their squares."""
    count: Tensor
    """Optimizer steps in the moments: (K,), or a scalar."""

    @classmethod
    def of(cls, weights: Tensor) -> Self:
        """The rows of runs (K, width) at step 0."""
        gradients, first, second = (torch.zeros_like(weights) for _ in range(3))
        count = torch.zeros(len(weights), device=weights.device)
        return cls(weights, weights.clone(), gradients, first, second, count)

    def row(self, k: int) -> Self:
        """One run's row, as a view."""
        return type(self)(*(tensor[k] for tensor in self._all()))

    def selected(self, which: Sequence[int]) -> Self:
        """A copy of some runs' rows."""
        index = torch.tensor(which, device=self.weights.device)
        return type(self)(*(tensor.index_select(0, index) for tensor in self._all()))

    def copied(self) -> Self:
        """A copy with its own memory."""
        return type(self)(*(tensor.clone() for tensor in self._all()))

    def _all(self) -> Iterable[Tensor]:
        return (getattr(self, item.name) for item in fields(self))
