"""Exponential moving average of the weights, with a decay that warms up."""

from collections.abc import Sequence

import torch
from torch import Tensor

from trainables.flow.schedule import ema_decay


def ema_update(
    average: Sequence[Tensor], parameters: Sequence[Tensor], step: int, cap: float
) -> None:
    """Moves the average towards the parameters, in place; see `schedule.ema_decay`."""
    torch._foreach_lerp_(list(average), list(parameters), 1 - ema_decay(step, cap))
