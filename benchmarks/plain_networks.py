"""The three velocity networks as ordinary modules for a single run."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.flow.config.run import FlowConfig
from trainables.flow.config.shapes import MLP_RATIO, TIME_DIM, tokens, unet_widths
from trainables.flow.networks.dit import HEAD_DIM
from trainables.flow.networks.layers import time_embedding


class PlainVelocity(nn.Module):
    """v(x, t) of a config: x (batch, dim), t (batch,) -> (batch, dim)."""

    def __init__(self, config: FlowConfig, dim: int) -> None:
        super().__init__()
        kinds = {"mlp": PlainMLP, "dit": PlainDiT, "unet": PlainUNet}
        self.network = kinds[config.arch](dim, *config.shape)
        self.skip = nn.Linear(TIME_DIM, dim)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """The network, and the skip scaled by the time."""
        time = time_embedding(t)
        return self.network(x, time) + self.skip(time) * x


class OwnVelocity(PlainVelocity):
    """The same as a module of one's own: `arch: plain_networks:OwnVelocity`.

    Args:
        dim: Width of a row.
        of: The architecture.
        scale: Its size.
    """

    def __init__(self, dim: int, of: str, scale: str) -> None:
        super().__init__(FlowConfig.model_validate({"arch": of, "scale": scale}), dim)


class PlainMLP(nn.Module):
    """See `trainables.flow.networks.mlp`."""

    def __init__(self, dim: int, hidden_dim: int, num_layers: int) -> None:
        super().__init__()
        self.input = nn.Linear(dim, hidden_dim)
        self.time = nn.Linear(TIME_DIM, hidden_dim)
        self.layers = nn.ModuleList(
            nn.Linear(hidden_dim, hidden_dim) for _ in range(num_layers - 1)
        )
        self.output = nn.Linear(hidden_dim, dim)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """(batch, dim), (batch, TIME_DIM) -> (batch, dim)."""
        h = functional.silu(self.input(x) + self.time(time))
        for layer in self.layers:
            h = functional.silu(layer(h))
        return self.output(h)


class PlainUNet(nn.Module):
    """See `trainables.flow.networks.unet`."""

    def __init__(self, dim: int, hidden_dim: int, num_layers: int) -> None:
        super().__init__()
        widths = unet_widths(hidden_dim, num_layers)
        self.time = nn.Linear(TIME_DIM, TIME_DIM)
        self.down = nn.ModuleList(
            PlainFiLM(*pair) for pair in zip([dim, *widths[:-1]], widths, strict=True)
        )
        self.middle = PlainFiLM(widths[-1], widths[-1])
        self.up = nn.ModuleList(
            PlainFiLM(2 * widths[level], widths[max(level - 1, 0)])
            for level in reversed(range(num_layers))
        )
        self.output = nn.Linear(widths[0], dim)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """(batch, dim), (batch, TIME_DIM) -> (batch, dim)."""
        time = functional.silu(self.time(time))
        h, skips = x, []
        for layer in self.down:
            h = layer(h, time)
            skips.append(h)
        h = self.middle(h, time)
        for layer in self.up:
            h = layer(torch.cat([h, skips.pop()], dim=-1), time)
        return self.output(h)


class PlainFiLM(nn.Module):
    """A layer scaled and shifted by the time."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.layer = nn.Linear(width_in, width_out)
        self.film = nn.Linear(TIME_DIM, 2 * width_out)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        """(batch, width_in), (batch, TIME_DIM) -> (batch, width_out)."""
        scale, shift = self.film(time).chunk(2, dim=-1)
        return functional.silu(self.layer(h) * (1 + scale) + shift)


class PlainDiT(nn.Module):
    """See `trainables.flow.networks.dit`."""

    def __init__(self, dim: int, hidden_dim: int, num_layers: int) -> None:
        super().__init__()
        self.num_tokens, self.width = tokens(dim)
        self.tokens = PlainByToken(self.num_tokens, self.width, hidden_dim)
        self.time = nn.ModuleList(
            [nn.Linear(TIME_DIM, hidden_dim), nn.Linear(hidden_dim, hidden_dim)]
        )
        self.blocks = nn.ModuleList(PlainBlock(hidden_dim) for _ in range(num_layers))
        self.modulation = nn.Linear(hidden_dim, 2 * hidden_dim)
        self.output = PlainByToken(self.num_tokens, hidden_dim, self.width)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """(batch, dim), (batch, TIME_DIM) -> (batch, dim)."""
        dim = x.shape[1]
        x = functional.pad(x, (0, self.num_tokens * self.width - dim))
        h = self.tokens(x.view(len(x), self.num_tokens, self.width))
        for layer in self.time:
            time = functional.silu(layer(time))
        for block in self.blocks:
            h = block(h, time)
        shift, scale = self.modulation(time)[:, None].chunk(2, dim=-1)
        h = functional.layer_norm(h, h.shape[-1:]) * (1 + scale) + shift
        return self.output(h).flatten(1)[:, :dim]


class PlainByToken(nn.Module):
    """A separate linear map for each token."""

    def __init__(self, num_tokens: int, width_in: int, width_out: int) -> None:
        super().__init__()
        bound = width_in**-0.5
        self.weight = nn.Parameter(bound * (2 * torch.rand(num_tokens, width_in, width_out) - 1))
        self.bias = nn.Parameter(bound * (2 * torch.rand(num_tokens, width_out) - 1))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, width_in) -> (batch, tokens, width_out)."""
        return torch.einsum("btw,two->bto", x, self.weight) + self.bias


class PlainBlock(nn.Module):
    """A transformer block with adaLN."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(width, 6 * width)
        self.qkv = nn.Linear(width, 3 * width)
        self.attention = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, MLP_RATIO * width),
            nn.GELU(approximate="tanh"),
            nn.Linear(MLP_RATIO * width, width),
        )

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        """(batch, tokens, width), (batch, width) -> (batch, tokens, width)."""
        batch, num_tokens, width = h.shape
        parts = self.modulation(time)[:, None].chunk(6, dim=-1)
        mixed = functional.layer_norm(h, (width,)) * (1 + parts[1]) + parts[0]
        heads = self.qkv(mixed).view(batch, num_tokens, 3, -1, HEAD_DIM).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(*heads).transpose(1, 2)
        h = h + parts[2] * self.attention(mixed.reshape(batch, num_tokens, width))
        mixed = functional.layer_norm(h, (width,)) * (1 + parts[4]) + parts[3]
        return h + parts[5] * self.mlp(mixed)
