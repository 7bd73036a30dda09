"""A small convolutional U-Net for images: `arch: trainables.examples.conv_unet:ConvUNet`.

Any `torch.nn.Module` does: it is made with the shape of a row and what `arch_args` says, gets
points `x` and times `t`, and returns a velocity for each point. The training loop, the weight
average, checkpoints, samples and metrics are Ablate's.
"""

import math

import torch
from torch import Tensor, nn


class ConvUNet(nn.Module):
    """Two resolutions with a skip by concatenation (Ronneberger et al. 2015, arXiv:1505.04597).

    Args:
        shape: (channels, height, width) of a row; height and width are even.
        width: Channels of the upper level; the lower one has twice as many.
        dropout: Share of the lower level's features set to zero in training.
    """

    def __init__(self, shape: tuple[int, int, int], width: int = 32, dropout: float = 0.0) -> None:
        super().__init__()
        channels = shape[0]
        self.time = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU())
        self.register_buffer("frequencies", torch.logspace(0, math.log10(500), width))
        self.enter = nn.Conv2d(channels, width, 3, padding=1)
        self.upper = Block(width, width, width)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.lower = Block(2 * width, 2 * width, width)
        self.dropout = nn.Dropout(dropout)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.merge = Block(2 * width, width, width)
        self.leave = nn.Conv2d(width, channels, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.get_parameter("bias"))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Velocities (batch, channels, height, width) at points x and times t (batch,)."""
        angles = t[:, None] * self.get_buffer("frequencies")
        time = self.time(torch.cat([angles.cos(), angles.sin()], dim=1))
        upper = self.upper(self.enter(x), time)
        lower = self.dropout(self.lower(self.down(upper), time))
        return self.leave(self.merge(torch.cat([self.up(lower), upper], dim=1), time))


class Block(nn.Module):
    """A convolution that the time scales and shifts (FiLM: Perez et al. 2018, arXiv:1709.07871).

    Args:
        channels_in: Of its input.
        channels: Of its output, a multiple of 8.
        time_dim: Width of the embedded time.
    """

    def __init__(self, channels_in: int, channels: int, time_dim: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.norm = nn.GroupNorm(8, channels)
        self.film = nn.Linear(time_dim, 2 * channels)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """(batch, channels_in, height, width) -> (batch, channels, height, width)."""
        scale, shift = self.film(time)[:, :, None, None].chunk(2, dim=1)
        h = self.norm(self.convolution(x)) * (1 + scale) + shift
        return nn.functional.silu(h)
