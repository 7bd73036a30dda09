"""Velocity networks v(x, t) for K runs of one shape at once: parameters are stacked, (K, ...).

Every architecture has a skip from its input to its output, scaled by the time: gain(t) x. Most of
the velocity of normalised data has this form, for Gaussian data and a straight path all of it,
(2t - 1) / (t^2 + (1 - t)^2) x, and a network narrower than the data cannot express it: without the
skip its samples shrink, more so the longer it trains. (It plays the role of c_skip in Karras et
al. 2022, arXiv:2206.00364, eq. 7, but is learned, since it differs between paths.)
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from trainables.flow.config.run import FlowConfig
from trainables.flow.config.shapes import (
    ARCHS,
    MODULE,
    RowShape,
    parameter_shapes,
    row_width,
    unpadded_shapes,
)
from trainables.flow.networks import modules
from trainables.flow.networks.dit import dit
from trainables.flow.networks.layers import (
    Weights,
    linear,
    parameter_dtype,
    precision,
    time_embedding,
)
from trainables.flow.networks.mlp import mlp
from trainables.flow.networks.modules import State, Surroundings
from trainables.flow.networks.unet import unet
from trainables.flow.randomness import generator
from trainables.flow.sampling import Velocity

OUTPUT_GAIN = 1e-2
"""Scale of the output layer at initialisation: the network starts near velocity zero."""

NETWORKS: dict[str, Callable[..., Tensor]] = {"mlp": mlp, "dit": dit, "unet": unet}
"""Each takes stacked parameters, points, embedded times, `num_layers`, and the knobs of its row of
`shapes.ARCHS`."""


NONE = Surroundings()


def velocity(
    config: FlowConfig, weights: Weights, x: Tensor, t: Tensor, surroundings: Surroundings = NONE
) -> Tensor:
    """Velocities of K runs of one shape.

    Args:
        config: Of any of the runs.
        weights: Stacked parameters, (K, ...) each.
        x: Points, (K, batch, dim).
        t: Times, (K, batch).
        surroundings: Of a module of somebody's own.

    Returns:
        (K, batch, dim), in the precision of x.
    """
    with precision(config, x.device):
        if is_module(config):
            found = modules.velocities(config, modules.unstacked(weights), x, t, surroundings)
            return torch.stack(found)
        time = time_embedding(t)
        knobs = ARCHS[config.arch].values(config)
        velocities = NETWORKS[config.arch](weights, x, time, config.shape[1], **knobs)
        gain = linear(weights, "skip", time)[..., : x.shape[-1]]
        velocities = velocities + gain * x
    return velocities.to(x.dtype)


def velocity_of(
    config: FlowConfig, state: Mapping[str, Tensor], shape: tuple[int, ...] = ()
) -> Velocity:
    """The velocity field (batch, dim), (batch,) -> (batch, dim) of one run's numbers.

    Args:
        config: The run's.
        state: Its parameters, and its buffers if it has some.
        shape: Of a row; none: its width.
    """
    weights = {name: tensor.unsqueeze(0) for name, tensor in state.items()}
    around = Surroundings(shape)
    return lambda x, t: velocity(config, weights, x.unsqueeze(0), t.unsqueeze(0), around).squeeze(0)


def initial_numbers(config: FlowConfig, rows: RowShape, seed: int) -> tuple[State, State]:
    """What is trained of a run at step 0, and what else belongs to its state: buffers.

    Args:
        config: Says which network.
        rows: Shape of a row.
        seed: The run's.
    """
    if not is_module(config):
        return initial_state(config, row_width(rows), seed), {}
    return modules.initial_numbers(config, _axes(rows), seed)


def initial_state(config: FlowConfig, dim: int, seed: int) -> State:
    """A run's parameters at step 0: uniform in +-1/sqrt(fan_in), outputs near zero or zero.

    The skip starts at zero, as do the layers in the architecture's `zero_init` (adaLN-Zero and its
    output, FiLM as the identity).

    Args:
        config: Says which built-in network.
        dim: Width of the data.
        seed: The run's.
    """
    source = generator(seed, 0, "init")
    state: State = {}
    unpadded = unpadded_shapes(config, dim)
    bound = 0.0
    for name, shape in parameter_shapes(config, dim).items():
        if name.endswith("weight"):
            bound = _gain(config.arch, name) / math.sqrt(unpadded[name][-2])
        state[name] = (torch.rand(shape, generator=source) * 2 - 1) * bound
    return {name: tensor.to(parameter_dtype(config)) for name, tensor in state.items()}


def is_module(config: FlowConfig) -> bool:
    """Whether the network is a module of somebody's own."""
    return ARCHS[config.arch] is MODULE


def _axes(rows: RowShape) -> tuple[int, ...]:
    return (rows,) if isinstance(rows, int) else rows


def _gain(arch: str, name: str) -> float:
    layer = name.removesuffix(".weight").rpartition(".")[2]
    if layer == "skip" or layer in ARCHS[arch].zero_init:
        return 0.0
    return OUTPUT_GAIN if name == "out.weight" else 1.0
