"""Velocity networks for K runs of one shape at once: parameters are stacked, (K, in, out)."""

import itertools
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.flow.config import WIDTH_MULTIPLE
from trainables.flow.randomness import generator

TIME_DIM = 64
"""Width of the time embedding."""
OUTPUT_GAIN = 1e-2
"""Scale of the output layer at initialisation: the network starts near velocity zero."""

State = dict[str, Tensor]


def padded(width: int) -> int:
    """The next width at which matrix kernels give a run the same bits alone and in a pack."""
    return -(-width // WIDTH_MULTIPLE) * WIDTH_MULTIPLE


def time_embedding(t: Tensor) -> Tensor:
    """Sinusoidal features of t in [0, 1]: (...) -> (..., TIME_DIM), Vaswani et al. 2017, 3.5."""
    half = TIME_DIM // 2
    exponents = torch.arange(half, dtype=t.dtype, device=t.device) / half
    angles = 1000.0 * t.unsqueeze(-1) * torch.exp(-math.log(10_000.0) * exponents)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class StackedMLP(nn.Module):
    """K multilayer perceptrons v(x, t) with SiLU, evaluated together by batched products.

    Data wider or narrower than a multiple of 64 are padded with zeros, which changes no value.

    Args:
        dim: Width of the data.
        hidden_dim: Width of the hidden layers.
        num_layers: Number of hidden layers.
        states: One ordinary state dict a run, each as `initial_state` makes it.
    """

    def __init__(
        self, dim: int, hidden_dim: int, num_layers: int, states: Sequence[Mapping[str, Tensor]]
    ) -> None:
        super().__init__()
        self.dim = dim
        self.num_layers = num_layers
        for name in parameter_shapes(dim, hidden_dim, num_layers):
            stacked = torch.stack([state[name] for state in states])
            self.register_parameter(name.replace(".", "_"), nn.Parameter(stacked))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Velocities (K, batch, dim) at points x (K, batch, dim) and times t (K, batch)."""
        pad = padded(self.dim) - self.dim
        h = torch.cat([functional.pad(x, (0, pad)) if pad else x, time_embedding(t)], dim=-1)
        for layer in range(self.num_layers):
            h = functional.silu(self._affine(layer, h))
        return self._affine(self.num_layers, h)[..., : self.dim]

    def run_parameters(self, index: int) -> State:
        """One run's parameters by name, as views of the stacked ones."""
        return {
            name.replace("_", "."): parameter.detach()[index]
            for name, parameter in self.named_parameters()
        }

    def _affine(self, layer: int, h: Tensor) -> Tensor:
        weight, bias = self.get_parameter(f"{layer}_weight"), self.get_parameter(f"{layer}_bias")
        return torch.baddbmm(bias.unsqueeze(1), h, weight)


def parameter_shapes(dim: int, hidden_dim: int, num_layers: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of one run's parameters: `<layer>.weight` (in, out), `<layer>.bias`."""
    widths = [padded(dim) + TIME_DIM, *[hidden_dim] * num_layers, padded(dim)]
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, (width_in, width_out) in enumerate(itertools.pairwise(widths)):
        shapes[f"{layer}.weight"] = (width_in, width_out)
        shapes[f"{layer}.bias"] = (width_out,)
    return shapes


def initial_state(dim: int, hidden_dim: int, num_layers: int, seed: int) -> State:
    """A run's parameters at step 0: uniform in +-1/sqrt(fan_in), the output layer scaled down."""
    source = generator(seed, 0, "init")
    shapes = parameter_shapes(dim, hidden_dim, num_layers)
    state: State = {}
    bound = 1.0
    for name, shape in shapes.items():
        if name.endswith("weight"):
            bound = 1 / math.sqrt(shape[0])
        gain = OUTPUT_GAIN if name.startswith(f"{num_layers}.") else 1.0
        state[name] = (torch.rand(shape, generator=source) * 2 - 1) * (bound * gain)
    return state
