"""Exponential moving average of the weights, with a decay that warms up."""

from torch import Tensor

from trainables.flow.config.schedule import ema_decay


def ema_update(average: Tensor, weights: Tensor, step: int, cap: float) -> None:
    """Moves the average towards the weights, in place.

    Args:
        average: The average, changed in place.
        weights: The weights.
        step: Updates so far.
        cap: Upper bound of the decay, see `schedule.ema_decay`.
    """
    average.lerp_(weights, 1 - ema_decay(step, cap))
