"""How functions of people's own are called in training: one batch of rows after another.

Each call gets rows of the data's own shape, copies that it may change, and draws of its own: the
run's seed and the number of the step decide them, whether they come from the argument `generator`
or from the global generators of torch, NumPy and Python. So a run has the same bits alone, beside
others and after a restore.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ablate.trainable.contract import ConfigError
from trainables.flow.config.elsewhere import OwnFunction, told_of
from trainables.flow.randomness import Stream, Streams, global_generators, seed_globally


def as_tensor(found: Any) -> Tensor:
    """What a function returned as a tensor; NumPy's views may run backwards (`x[:, ::-1]`)."""
    return torch.as_tensor(np.ascontiguousarray(found) if isinstance(found, np.ndarray) else found)


@dataclass(frozen=True)
class Steps:
    """Consecutive steps of an epoch.

    Attributes:
        shape: Of a row of the data.
        streams: The run's draws of the epoch.
        first: The number of the first step in the epoch.
    """

    shape: tuple[int, ...]
    streams: Streams
    first: int = 0

    def calls(self, function: OwnFunction, stream: Stream, **stacked: Tensor) -> list[Any]:
        """What a function returns in each step.

        Args:
            function: Is called once a step.
            stream: What its draws are for.
            stacked: Its arguments, (steps, batch, dim) each, or (steps, batch).
        """
        taken = {name: x for name, x in stacked.items() if name in function.parameters}
        with global_generators(), torch.enable_grad():
            return [
                self._call(function, stream, step, taken)
                for step in range(len(next(iter(stacked.values()))))
            ]

    def flat(self, key: str, told: str, found: Any, like: Tensor) -> Tensor:
        """What a function returned as rows of numbers, (batch, dim).

        Args:
            key: The config key of the function.
            told: What it is, for messages.
            found: What it returned: (batch, *shape).
            like: The rows that it was made of, (batch, dim).

        Raises:
            ConfigError: If it has another shape.
        """
        expected = (len(like), *self.shape)
        try:
            tensor = as_tensor(found)
        except Exception as error:
            raise ConfigError(f"{told} is {type(found).__name__}, no tensor", keys=[key]) from error
        if tuple(tensor.shape) != expected:
            raise ConfigError(
                f"{told} has the shape {tuple(tensor.shape)}, for rows of the shape {expected}",
                keys=[key],
            )
        return tensor.detach().reshape(like.shape).to(like)

    def _call(
        self, function: OwnFunction, stream: Stream, step: int, stacked: Mapping[str, Tensor]
    ) -> Any:
        device, seed = self.streams.device, self.streams.step_seed(stream, self.first + step)
        seed_globally(seed, device)
        rows = {name: self._rows(tensor[step]) for name, tensor in stacked.items()}
        try:
            return function(**rows, generator=torch.Generator(device).manual_seed(seed))
        except Exception as error:
            raise ConfigError(f"{function.name} fails: {told_of(error)}") from error

    def _rows(self, numbers: Tensor) -> Tensor:
        """A copy, in the shape of the data."""
        rows = numbers.clone()
        return rows.unflatten(-1, self.shape) if rows.ndim > 1 else rows
