"""The transformer: the vector cut into tokens, time by adaLN-Zero.

Peebles & Xie 2023 (arXiv:2212.09748), section 3.2: each block's normalisations are scaled and
shifted by the time, and its two branches enter through gates that are zero at the start.

Patches of an image look alike wherever they are and can share their embedding. Each token of a
vector means something else, so each has its own maps into the blocks and out of them (as the
features of Gorishniy et al. 2021, arXiv:2106.11959, section 3.1); their biases encode its position.
"""

import torch
from torch import Tensor
from torch.nn import functional

from trainables.flow.config.shapes import tokens
from trainables.flow.networks.layers import Weights, linear, pad

HEAD_DIM = 64
"""Width of an attention head."""


def dit(weights: Weights, x: Tensor, time: Tensor, num_layers: int) -> Tensor:
    """Velocities (K, batch, dim) at points x (K, batch, dim).

    Args:
        weights: Stacked parameters.
        x: Points, (K, batch, dim).
        time: Embedded times, (K, batch, TIME_DIM).
        num_layers: Blocks.

    Returns:
        (K, batch, dim).
    """
    num_runs, batch, dim = x.shape
    num_tokens, width = tokens(dim)
    cut = functional.pad(x, (0, num_tokens * width - dim)).view(num_runs, batch, -1, width)
    h = _by_token(weights, "tokens", pad(cut))
    time = functional.silu(linear(weights, "time.0", time))
    time = functional.silu(linear(weights, "time.1", time))
    for block in range(num_layers):
        h = _block(weights, f"blocks.{block}", h, time)
    shift, scale = _modulation(weights, "modulation", time, 2)
    out = _by_token(weights, "out", _normalised(h, shift, scale))
    return out[..., :width].reshape(num_runs, batch, -1)[..., :dim]


def _by_token(weights: Weights, name: str, x: Tensor) -> Tensor:
    """One linear map per token: (K, batch, tokens, in) -> (K, batch, tokens, out)."""
    weight, bias = (weights[f"{name}.{part}"].flatten(0, 1) for part in ("weight", "bias"))
    mapped = torch.baddbmm(bias.unsqueeze(1), x.transpose(1, 2).flatten(0, 1), weight)
    return mapped.unflatten(0, (len(x), -1)).transpose(1, 2).contiguous()


def _block(weights: Weights, name: str, h: Tensor, time: Tensor) -> Tensor:
    """One block on h (K, batch, tokens, width), which keeps its shape."""
    modulation = _modulation(weights, f"{name}.modulation", time, 6)
    shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = modulation
    mixed = _attention(weights, name, _normalised(h, shift, scale))
    h = h + gate * mixed.view_as(h)
    hidden = linear(weights, f"{name}.mlp.0", _normalised(h, mlp_shift, mlp_scale).flatten(1, 2))
    hidden = functional.gelu(hidden, approximate="tanh")
    return h + mlp_gate * linear(weights, f"{name}.mlp.1", hidden).view_as(h)


def _attention(weights: Weights, name: str, h: Tensor) -> Tensor:
    """Self-attention within rows: (K, batch, tokens, width) -> (K, batch * tokens, width)."""
    num_runs, batch, num_tokens, width = h.shape
    qkv = linear(weights, f"{name}.qkv", h.flatten(1, 2))
    heads = qkv.view(num_runs * batch, num_tokens, 3, width // HEAD_DIM, HEAD_DIM)
    query, key, value = heads.permute(2, 0, 3, 1, 4)
    mixed = functional.scaled_dot_product_attention(query, key, value)
    return linear(weights, f"{name}.attention", mixed.transpose(1, 2).reshape(num_runs, -1, width))


def _modulation(weights: Weights, name: str, time: Tensor, parts: int) -> tuple[Tensor, ...]:
    """Shifts, scales and gates computed from the time, (K, batch, 1, width) each."""
    num_runs, batch, _ = time.shape
    return linear(weights, name, time).view(num_runs, batch, 1, parts, -1).unbind(3)


def _normalised(h: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return functional.layer_norm(h, h.shape[-1:]) * (1 + scale) + shift
