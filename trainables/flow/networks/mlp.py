"""The plain velocity network: an MLP with SiLU that takes the time beside the point."""

from torch import Tensor
from torch.nn import functional

from trainables.flow.networks.layers import Weights, linear, pad


def mlp(weights: Weights, x: Tensor, time: Tensor, num_layers: int) -> Tensor:
    """Velocities of K runs.

    Args:
        weights: Stacked parameters.
        x: Points, (K, batch, dim).
        time: Embedded times, (K, batch, TIME_DIM).
        num_layers: Hidden layers.

    Returns:
        (K, batch, dim).
    """
    h = functional.silu(linear(weights, "in", pad(x)) + linear(weights, "time", time))
    for layer in range(1, num_layers):
        h = functional.silu(linear(weights, str(layer), h))
    return linear(weights, "out", h)[..., : x.shape[-1]]
