"""The validation of a pack: fixed draws of its runs, and the losses on them."""

import functools
from collections.abc import Hashable, Sequence
from typing import Self

import torch
from torch import Tensor

from trainables.flow.config.run import FlowConfig
from trainables.flow.engine.batches import Targets, stacked
from trainables.flow.engine.run import FlowRun
from trainables.flow.networks.velocity import NONE, State, Surroundings, velocity

BLOCK = 2_048
"""Rows per call of a network; on a GPU, of all networks of a pack together."""


class ValidationDraws:
    """Validation draws of K runs.

    Args:
        targets: x_t and u_t, (K, rows, dim), and t, (K, rows).
    """

    def __init__(self, targets: Targets) -> None:
        self._targets = targets

    @classmethod
    def of(cls, runs: Sequence[FlowRun], device: torch.device) -> Self:
        """The draws of some runs; shared ones are made once."""
        made: dict[Hashable, Targets] = {}
        for data in (run.data for run in runs):
            if data.validation_key not in made:
                made[data.validation_key] = data.validation()
        return cls(stacked([made[run.data.validation_key] for run in runs], 0, device))

    def selected(self, which: Sequence[int]) -> Self:
        """The draws of some of the runs."""
        x_t, u_t, t = (part[which] for part in self._targets)
        return type(self)((x_t, u_t, t))

    @torch.no_grad()
    def losses(
        self, config: FlowConfig, weights: State, surroundings: Surroundings = NONE
    ) -> list[float]:
        """The mean squared error of each run's velocity.

        Args:
            config: Of any of the runs.
            weights: Stacked parameters, (K, ...) each.
            surroundings: Of modules of somebody's own.
        """
        x_t = self._targets[0]
        rows = BLOCK
        if x_t.device.type != "cpu":  # on a CPU, bits would then depend on K
            rows = max(config.batch_size, rows // len(x_t))
        blocks = zip(*(part.split(rows, dim=1) for part in self._targets), strict=True)
        sums = [_squares(velocity(config, weights, x, t, surroundings) - u) for x, u, t in blocks]
        # One by one: a sum over an axis may take another order for another K.
        return (functools.reduce(torch.add, sums) / x_t[0].numel()).tolist()


def _squares(error: Tensor) -> Tensor:
    """Summed by run: (K, rows, dim) -> (K,)."""
    return torch.stack([part.square().sum() for part in error.unbind(0)])
