"""Forward and backward pass of K runs: their losses and gradients."""

from collections.abc import Callable

import torch
from torch import Tensor

from trainables.flow.config.run import FlowConfig
from trainables.flow.networks.mlp_backward import mlp_pullback
from trainables.flow.networks.modules import fill_gradients_of
from trainables.flow.networks.velocity import (
    NONE,
    State,
    Surroundings,
    is_module,
    velocity,
)

Pullback = Callable[[Tensor], None]
"""Takes the loss's slope at each velocity, (K, batch, dim), and fills the gradients."""


def fill_gradients(
    config: FlowConfig,
    weights: State,
    gradients: State,
    x_t: Tensor,
    u_t: Tensor,
    t: Tensor,
    surroundings: Surroundings = NONE,
) -> Tensor:
    """Computes the mean squared errors of K runs, and fills in their gradients.

    Args:
        config: Of any of the runs.
        weights: Stacked parameters that require gradients, (K, ...) each.
        gradients: Where their gradients go.
        x_t: Points of the paths, (K, batch, dim).
        u_t: Their target velocities, (K, batch, dim).
        t: Their times, (K, batch).
        surroundings: Of modules of somebody's own.

    Returns:
        The losses, (K,).
    """
    if is_module(config):
        return fill_gradients_of(config, weights, gradients, x_t, u_t, t, surroundings)
    is_by_hand = config.arch in BY_HAND and config.dtype != "bfloat16"
    forward = BY_HAND[config.arch] if is_by_hand else _by_autograd
    velocities, pull_back = forward(config, weights, gradients, x_t, t)
    with torch.no_grad():
        error = velocities - u_t
        losses = _mean_squares(error)
        pull_back(error.mul_(2 / error[0].numel()))
    return losses


def _by_autograd(
    config: FlowConfig, weights: State, gradients: State, x: Tensor, t: Tensor
) -> tuple[Tensor, Pullback]:
    """Velocities (K, batch, dim) of any network, and the function that fills the gradients."""
    velocities = velocity(config, weights, x, t)

    def pull_back(slope: Tensor) -> None:
        pulled = torch.autograd.grad(velocities, list(weights.values()), slope)
        torch._foreach_copy_(list(gradients.values()), pulled)

    return velocities, pull_back


def _mlp_by_hand(
    config: FlowConfig, weights: State, gradients: State, x: Tensor, t: Tensor
) -> tuple[Tensor, Pullback]:
    """The same for an MLP, with the same bits: autograd's overhead is a quarter of a small step."""
    with torch.no_grad():
        return mlp_pullback(weights, gradients, x, t, config.shape[1])


def _mean_squares(error: Tensor) -> Tensor:
    """(K, batch, dim) -> (K,)."""
    if error.device.type != "cpu":
        return error.square().flatten(1).mean(dim=1)
    # Slice by slice: a mean over all runs at once may sum in another order for another K.
    return torch.stack([part.square().mean() for part in error.unbind(0)])


BY_HAND = {"mlp": _mlp_by_hand}
"""Architectures with a handwritten backward pass; the others use autograd."""
