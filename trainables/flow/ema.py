"""Exponential moving average of the weights, with a decay that warms up."""

from collections.abc import Sequence

import torch
from torch import Tensor


def ema_decay(step: int, cap: float) -> float:
    """Decay after `step` updates: min(cap, (1 + n) / (10 + n)).

    Without the warm-up a cap of 0.9999 leaves 89 % of the initial weights in the average after
    1,200 steps (the warm-up is TensorFlow's ExponentialMovingAverage with `num_updates`).
    """
    return min(cap, (1 + step) / (10 + step))


def ema_update(
    average: Sequence[Tensor], parameters: Sequence[Tensor], step: int, cap: float
) -> None:
    """Moves the average towards the parameters, in place."""
    torch._foreach_lerp_(list(average), list(parameters), 1 - ema_decay(step, cap))
