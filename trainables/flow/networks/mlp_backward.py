"""The MLP's velocities with a handwritten backward pass, operation for operation autograd's."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from trainables.flow.networks.layers import Weights, linear, pad, time_embedding


def mlp_pullback(
    weights: Weights, gradients: Mapping[str, Tensor], x: Tensor, t: Tensor, num_layers: int
) -> tuple[Tensor, Callable[[Tensor], None]]:
    """The same as `velocity.velocity` for `mlp`, and its backward pass.

    Args:
        weights: Stacked parameters.
        gradients: Where their gradients go.
        x: Points, (K, batch, dim).
        t: Times, (K, batch).
        num_layers: Hidden layers.

    Returns:
        The velocities, (K, batch, dim), and a function that takes the gradient of the loss with
        respect to them and fills the gradients. It can be called once.
    """
    dim, time, padded = x.shape[-1], time_embedding(t), pad(x)
    inputs = [linear(weights, "in", padded).add_(linear(weights, "time", time))]
    """The inputs of the activations, (K, batch, hidden_dim) each."""
    hidden = [functional.silu(inputs[0])]
    for layer in range(1, num_layers):
        inputs.append(linear(weights, str(layer), hidden[-1]))
        hidden.append(functional.silu(inputs[-1]))
    gain = linear(weights, "skip", time)[..., :dim]
    velocities = linear(weights, "out", hidden[-1])[..., :dim].add_(gain * x)

    def fill(name: str, before: Tensor, slope: Tensor) -> None:
        torch.bmm(before.mT, slope, out=gradients[f"{name}.weight"])
        torch.sum(slope, dim=1, out=gradients[f"{name}.bias"])

    def pull_back(slope: Tensor) -> None:
        """Fills the gradients, from the output layer to the input layer."""
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

    return velocities, pull_back
