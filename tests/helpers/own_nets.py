"""Velocity networks as people write them."""

import torch
from torch import nn


class Plain(nn.Module):
    """An MLP on flat rows."""

    def __init__(self, dim, width=64):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dim + 1, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(),
            nn.Linear(width, dim),
        )  # fmt: skip

    def forward(self, x, t):
        return self.layers(torch.cat([x, t[:, None]], dim=1))


class Concatenated(nn.Module):
    """As in the two-dimensional tutorials: one tensor, the time in its last column."""

    def __init__(self, dim, w=64):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dim + 1, w), nn.SELU(), nn.Linear(w, dim))

    def forward(self, x):
        return self.net(x)


class Either(Plain):
    """Takes the time beside the point, or behind it."""

    def forward(self, x, t=None):
        return self.layers(x) if t is None else super().forward(x, t)


class Everything(nn.Module):
    """Buffers that change, ones that are replaced, dropout, shared, frozen and unused weights."""

    def __init__(self, shape, width=16):
        super().__init__()
        dim = shape[0]
        self.enter = nn.Linear(dim, width, bias=False)
        self.time = nn.Linear(1, width, bias=False)
        self.norm = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(0.3)
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.second.weight = self.first.weight
        self.frozen = nn.Parameter(torch.randn(width), requires_grad=False)
        self.unused = nn.Parameter(torch.zeros(3))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean_t", torch.zeros(1))
        self.register_buffer("shift", torch.zeros(1))
        self.leave = nn.Linear(width, dim)

    def forward(self, t, x):  # the other way round
        shift = self.shift * x.new_ones(1)  # used, and then replaced
        if self.training:
            self.calls += 1
            self.shift = self.shift + 0.001
            self.mean_t = 0.9 * self.mean_t + 0.1 * t.mean().detach()
        h = self.enter(x) + self.time(t[:, None]) + self.frozen
        h = self.dropout(torch.relu(self.norm(h)))
        h = self.second(torch.relu(self.first(h)))
        return self.leave(h) * (1 + shift) + 0.01 * self.mean_t
