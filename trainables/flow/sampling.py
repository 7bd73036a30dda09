"""Drawing samples: integrating dx/dt = v(x, t) from noise at t = 0 to data at t = 1."""

from collections.abc import Callable

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Tensor], Tensor]
"""(batch, dim), (batch,) -> (batch, dim)."""


@torch.no_grad()
def integrate(velocity: Velocity, x_0: Tensor, num_steps: int = 20) -> Tensor:
    """The explicit midpoint rule: two evaluations a step, error of second order.

    Args:
        velocity: The velocity field v(x, t).
        x_0: Start points, (batch, dim).
        num_steps: Equal steps from t = 0 to t = 1.

    Returns:
        Points at t = 1, (batch, dim).
    """
    step = 1.0 / num_steps
    x = x_0
    for index in range(num_steps):
        t = torch.full(x.shape[:1], index * step, dtype=x.dtype, device=x.device)
        middle = x + 0.5 * step * velocity(x, t)
        x = x + step * velocity(middle, t + 0.5 * step)
    return x
