"""Velocity networks that do more in a step than to compute it: as found in papers' repositories."""

import functools

import torch
from torch import nn


class Base(nn.Module):
    def __init__(self, dim, width=16):
        super().__init__()
        self.enter = nn.Linear(dim + 1, width)
        self.middle = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Dropout(0.2))
        self.leave = nn.Linear(width, dim)

    def forward(self, x, t):
        return self.leave(self.between(self.enter(torch.cat([x, t[:, None]], dim=1))))

    def between(self, h):
        return self.middle(h)


class Again(torch.autograd.Function):
    """Gradient checkpointing as guided-diffusion has it, with other draws the second time.

    That of torch loads the compiler, which takes seconds.
    """

    @staticmethod
    def forward(ctx, function, h, *params):
        ctx.function, ctx.h, ctx.params = function, h, params
        with torch.no_grad():
            return function(h)

    @staticmethod
    def backward(ctx, *slopes):
        h = ctx.h.detach().requires_grad_()
        with torch.enable_grad():
            found = ctx.function(h)
        return None, *torch.autograd.grad(found, (h, *ctx.params), slopes, allow_unused=True)


class Guided(Base):
    def between(self, h):
        return Again.apply(self.middle, h, *self.middle.parameters())


class Scaled(Base):
    """A parameter that is one number, and buffers in precisions of their own."""

    def __init__(self, dim):
        super().__init__(dim)
        self.gain = nn.Parameter(torch.tensor(0.5))
        self.register_buffer("rates", torch.logspace(0, 1, 16, dtype=torch.float64) / 3)

    def between(self, h):
        return self.gain * self.middle((h.double() * self.rates).sin().float())


class Complex(Base):
    """A layer of a Fourier neural operator, and rotations as of rotary embeddings."""

    def __init__(self, dim):
        super().__init__(dim)
        self.spectrum = nn.Parameter(torch.randn(9, 9, dtype=torch.cfloat) / 3)
        self.register_buffer("turns", torch.polar(torch.ones(8), torch.arange(8.0)))

    def between(self, h):
        h = torch.fft.irfft(torch.fft.rfft(h) @ self.spectrum, n=16)
        turned = torch.view_as_complex(h.unflatten(1, (8, 2))) * self.turns
        return self.middle(torch.view_as_real(turned).flatten(1))


class Forced(Base):
    """Forces weights to unit norm in training, as EDM2 does."""

    def between(self, h):
        if self.training:
            with torch.no_grad():
                weight = self.middle[0].weight
                weight.copy_(weight / weight.norm(dim=1, keepdim=True))
        return self.middle(h)


class Recurrent(Base):
    def __init__(self, dim):
        super().__init__(dim)
        self.middle = nn.LSTM(16, 16, 2, batch_first=True, dropout=0.1)

    def between(self, h):
        return self.middle(h[:, None])[0][:, 0]


class Bound(Base):
    """Its `forward` is its own, as that of what `torch.compile` makes."""

    def __init__(self, dim):
        super().__init__(dim)
        self.forward = super().forward


class Listed(Base):
    """Its layers are in a plain list."""

    def __init__(self, dim):
        super().__init__(dim)
        self.layers = [nn.Linear(16, 16)]

    def between(self, h):
        return self.layers[0](h)


class Zeroed(Listed):
    """The same, and it begins with the velocity zero."""

    def __init__(self, dim):
        super().__init__(dim)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)


class Drawn(Base):
    """Random features that are no buffer."""

    def __init__(self, dim):
        super().__init__(dim)
        self.features = torch.randn(16, 16)

    def between(self, h):
        return self.middle((h @ self.features).sin())


class Counting(Base):
    """Does something else once it has been called often enough."""

    calls = 0

    def between(self, h):
        self.calls += 1
        return self.middle(h) if self.calls < 1000 else h


class Unready(Base):
    """Its backward pass fails."""

    def between(self, h):
        h.register_hook(lambda slope: slope[:, :3])
        return self.middle(h)


class Timed(Base):
    def forward(self, x, timestep):
        return super().forward(x, timestep)


@functools.cache
def once(dim):
    return Base(dim)


def scripted(dim):
    return torch.jit.script(nn.Linear(dim, dim))
