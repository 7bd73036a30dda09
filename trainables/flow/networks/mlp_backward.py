"""The MLP's velocities with their backward pass written out, operation for operation autograd's."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from trainables.flow.networks.layers import Weights, linear, pad, time_embedding


def mlp_pullback(
    weights: Weights, gradients: Mapping[str, Tensor], x: Tensor, t: Tensor, num_layers: int
) -> tuple[Tensor, Callable[[Tensor], None]]:
    """What `networks.velocity` gives for `mlp`, and how to go back from there.

    Args:
        weights: Stacked parameters.
        gradients: Where their gradients go.
        x: Points, (K, batch, dim).
        t: Times, (K, batch).
        num_layers: Hidden layers.

    Returns:
        The velocities, (K, batch, dim), and a function that takes the loss's slope at each of
        them and fills the gradients. It is called once.
    """
    dim, time, padded = x.shape[-1], time_embedding(t), pad(x)
    inputs = [linear(weights, "in", padded).add_(linear(weights, "time", time))]
    """Of each activation, (K, batch, hidden_dim)."""
    hidden = [functional.silu(inputs[0])]
    for layer in range(1, num_layers):
        inputs.append(linear(weights, str(layer), hidden[-1]))
        hidden.append(functional.silu(inputs[-1]))
    gain = linear(weights, "skip", time)[..., :dim]
    found = linear(weights, "out", hidden[-1])[..., :dim].add_(gain * x)

    def fill(name: str, before: Tensor, slope: Tensor) -> None:
        torch.bmm(before.mT, slope, out=gradients[f"{name}.weight"])
        torch.sum(slope, dim=1, out=gradients[f"{name}.bias"])

    def pull_back(slope: Tensor) -> None:
        """Fills the gradients, from the outputs' layer to the inputs'."""
        slope = pad(slope)
        fill("skip", time, slope * padded)
        above = "out"
        for layer in reversed(range(num_layers)):
            fill(above, hidden[layer], slope)
            slope = torch.bmm(slope, weights[f"{above}.weight"].mT)
            slope = torch.ops.aten.silu_backward(slope, inputs[layer])
            above = str(layer)
        fill("in", padded, slope)
        fill("time", time, slope)

    return found, pull_back
