"""The MLP U-Net: levels of halving width, skips by concatenation, time by FiLM."""

import torch
from torch import Tensor
from torch.nn import functional

from trainables.flow.networks.layers import Weights, linear, pad


def unet(weights: Weights, x: Tensor, time: Tensor, num_layers: int) -> Tensor:
    """Velocities (K, batch, dim) at points x (K, batch, dim).

    Skips are concatenated (Ronneberger et al. 2015, arXiv:1505.04597, section 2); every layer is
    scaled and shifted by the time (FiLM: Perez et al. 2018, arXiv:1709.07871, eq. 2).

    Args:
        weights: Stacked parameters.
        x: Points, (K, batch, dim).
        time: Embedded times, (K, batch, TIME_DIM).
        num_layers: Levels.

    Returns:
        (K, batch, dim).
    """
    time = functional.silu(linear(weights, "time", time))
    h, skips = pad(x), []
    for level in range(num_layers):
        h = _layer(weights, f"down.{level}", h, time)
        skips.append(h)
    h = _layer(weights, "middle", h, time)
    for level in reversed(range(num_layers)):
        h = _layer(weights, f"up.{level}", torch.cat([h, skips[level]], dim=-1), time)
    return linear(weights, "out", h)[..., : x.shape[-1]]


def _layer(weights: Weights, name: str, h: Tensor, time: Tensor) -> Tensor:
    scale, shift = linear(weights, f"{name}.film", time).chunk(2, dim=-1)
    return functional.silu(linear(weights, name, h) * (1 + scale) + shift)
