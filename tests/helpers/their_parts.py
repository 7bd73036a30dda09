"""Parts of flow runs as people write them, right and wrong."""

import math
import random
from types import SimpleNamespace

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment


class Straight:
    """I-CFM's path, with names and a result as facebookresearch/flow_matching has them."""

    def __init__(self, sigma=0.0):
        self.sigma = sigma

    def sample(self, t, x_0, x_1, eps):
        t = t.view(-1, *[1] * (x_0.ndim - 1))
        x_t = (1 - t) * x_0 + t * x_1 + self.sigma * eps
        return SimpleNamespace(x_t=x_t, dx_t=-1 * x_0 + x_1, t=t)


def straight(x0, x1, t, eps, sigma=0.0):
    found = Straight(sigma).sample(t, x0, x1, eps)
    return found.x_t, found.dx_t


def noisy(x_0, x_1, t, generator, width=0.1):
    """Draws as much as it likes, from wherever it likes, and changes what it got."""
    eps = width * torch.randn(x_0.shape, generator=generator) + random.gauss(0, 1)
    eps += float(np.random.normal()) + torch.randn(())
    x_0 += eps
    return x_0 + t[:, None] * (x_1 - x_0), x_1 - x_0


def bent(x_0, x_1, t, power):
    t = t.unsqueeze(-1)
    return x_0 + t**power * (x_1 - x_0), power * t ** (power - 1) * (x_1 - x_0)


def transported(x_0, x_1):
    return linear_sum_assignment(-(x_1 @ x_0.T).numpy())[1]


def as_noise(x_0, x_1):
    return x_0[torch.as_tensor(transported(x_0, x_1))]


def as_pair(x_0, x_1):
    return as_noise(x_0, x_1), x_1


class Sampler:
    """Pairs drawn with replacement, as torchcfm's `OTPlanSampler` draws them."""

    def sample_plan(self, x0, x1, replace=True):
        rows = np.random.choice(len(x0), len(x0), replace=replace)
        return x0[rows], x1[rows]


def shuffled(x_0, x_1, generator, by=0):
    return torch.randperm(len(x_0), generator=generator).roll(by)


def flip(x_1):
    return -x_1


def jitter(x_1, generator, width=0.1):
    x_1 += width * torch.randn(x_1.shape, generator=generator)
    return x_1


def backwards(x_0, x_1):
    return np.arange(len(x_0))[::-1]


def mirrored(x_1):
    return x_1.numpy()[:, ::-1]


class Erased(torch.nn.Module):
    """A module as an augmentation, as libraries of transforms have them."""

    def forward(self, x_1):
        return x_1 * (torch.rand(x_1.shape) > 0.1)


class Stretch:
    def __init__(self, by):
        self.by = by

    def __call__(self, x_1):
        return x_1 * self.by


class Shifted:
    """Draws when it is made."""

    def __init__(self):
        self.by = torch.randn(1) + np.random.normal() + random.random()

    def __call__(self, x_1):
        return x_1 + self.by


def cosine(progress):
    return 0.5 * (1 + math.cos(math.pi * progress))


def stairs(step, num_steps, height=0.5):
    return height ** (3 * step // num_steps)


def two_rates(params, lr, betas, weight_decay):
    """Two groups, the second at a tenth of the rate."""
    params = list(params)
    groups = [{"params": params[:2]}, {"params": params[2:], "lr": lr / 10}]
    return torch.optim.AdamW(groups, lr=lr, betas=betas, weight_decay=weight_decay)


class Replacing(torch.optim.Optimizer):
    """Takes plain steps by putting other tensors in the place of the weights."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.data = p.data - group["lr"] * p.grad
                p.grad = None


class Extrapolating(torch.optim.Optimizer):
    """Keeps a step's gradient itself: where it is set to None a plain loop leaves it alone."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                before = self.state[p].get("before", torch.zeros_like(p))
                p.sub_(group["lr"] * (1.5 * p.grad - 0.5 * before))
                self.state[p]["before"] = p.grad


# What is wrong:


def odd_shape(x_0, x_1, t):
    return x_0[:, :1], x_1


def infinite(x_0, x_1, t):
    return x_0 / 0, x_1


def lonely(x_0, x_1, t):
    return x_0


def strange(x_0, x_1, t, label):
    return x_0, x_1


def raises(x_0, x_1, t):
    raise RuntimeError("no path here")


def masked(x_0, x_1):
    return torch.ones(len(x_0), dtype=torch.bool)


def too_far(x_0, x_1):
    return torch.arange(len(x_0)) + 1


def halves(x_1):
    return x_1[: len(x_1) // 2]


def changing(x_1, calls=[]):  # noqa: B006
    calls.append(1)
    return x_1 + len(calls)


def falling(progress):
    return 0.5 - progress


class Forgetful(torch.optim.SGD):
    """Has its steps outside of its state."""

    taken = 0

    def step(self, closure=None):
        self.taken += 1
        for group in self.param_groups:
            group["lr"] /= self.taken
        return super().step()


class Lookahead(torch.optim.SGD):
    """Counts outside of its state, and needs it every fifth step."""

    count = 0

    @torch.no_grad()
    def step(self, closure=None):
        super().step()
        self.count += 1
        for p in self.param_groups[0]["params"]:
            slow = self.state[p].setdefault("slow", p.clone())
            if self.count % 5 == 0:
                p.copy_(slow.lerp_(p, 0.5))


class Callbacks(torch.optim.SGD):
    def __init__(self, params, lr):
        super().__init__(params, lr)
        self.param_groups[0]["on_step"] = Straight()
