"""Probability paths: what x_t and its target velocity u_t are for a pair (x_0, x_1).

`x_0` is noise, `x_1` data, and t runs from 0 to 1. Every path here is Gaussian around a mean
that is linear in the pair, so four coefficients of t say it all:

    x_t = a x_0 + b x_1 + s eps        u_t = a' x_0 + b' x_1

| path     | source                                              |
|----------|-----------------------------------------------------|
| `icfm`   | Tong et al. 2023 (arXiv:2302.00482), eqs. 14-15      |
| `target` | Lipman et al. 2023 (arXiv:2210.02747), eqs. 20-23    |
| `vp`     | Albergo & Vanden-Eijnden 2023 (arXiv:2209.15571), trigonometric interpolant |
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Coefficients(NamedTuple):
    """A path at times t: factors of x_0, x_1 and eps in x_t, of x_0 and x_1 in u_t."""

    noise: Tensor
    data: Tensor
    spread: float
    noise_velocity: Tensor
    data_velocity: Tensor


def path_sample(
    flow: str, sigma: float, x_0: Tensor, x_1: Tensor, t: Tensor, eps: Tensor | None
) -> tuple[Tensor, Tensor]:
    """A point of the path and its conditional target velocity.

    Args:
        flow: Name of the path, see `PATHS`.
        sigma: The path's standard deviation.
        x_0: Noise, (..., dim).
        x_1: Data, (..., dim).
        t: Times in [0, 1], (...).
        eps: Standard normal draws (..., dim); None stands for zeros.

    Returns:
        `x_t` and `u_t`, both (..., dim).
    """
    c = PATHS[flow](t.unsqueeze(-1), sigma)
    x_t = c.noise * x_0 + c.data * x_1
    if eps is not None and c.spread:
        x_t = x_t + c.spread * eps
    return x_t, c.noise_velocity * x_0 + c.data_velocity * x_1


def uses_eps(flow: str, sigma: float) -> bool:
    """Whether a path adds noise of its own (the noise of `target` is the source itself)."""
    return sigma > 0 and flow != "target"


def _icfm(t: Tensor, sigma: float) -> Coefficients:
    one = torch.ones_like(t)
    return Coefficients(1 - t, t, sigma, -one, one)


def _target(t: Tensor, sigma: float) -> Coefficients:
    # u_t = (x_1 - (1 - sigma) x_t) / sigma_t with x_t put in: no division by zero at t = 1.
    one = torch.ones_like(t)
    return Coefficients(1 - (1 - sigma) * t, t, 0.0, -(1 - sigma) * one, one)


def _vp(t: Tensor, sigma: float) -> Coefficients:
    half_pi = math.pi / 2
    cos, sin = torch.cos(half_pi * t), torch.sin(half_pi * t)
    return Coefficients(cos, sin, sigma, -half_pi * sin, half_pi * cos)


PATHS: dict[str, Callable[[Tensor, float], Coefficients]] = {
    "icfm": _icfm,
    "target": _target,
    "vp": _vp,
}
