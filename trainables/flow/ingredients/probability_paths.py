"""Probability paths: a point x_t and its target velocity u_t for a pair (x_0, x_1).

`x_0` is noise, `x_1` data, and t runs from 0 to 1. Every path here is Gaussian around a mean
that is linear in the pair, so six coefficients of t define it:

    x_t = a x_0 + b x_1 + s eps        u_t = a' x_0 + b' x_1 + s' eps

| path            | source                                                            |
|-----------------|-------------------------------------------------------------------|
| `straight`      | Tong et al. 2023 (arXiv:2302.00482), eqs. 14-15                   |
| `target`        | Lipman et al. 2023 (arXiv:2210.02747), eqs. 20-23                 |
| `trigonometric` | Albergo & Vanden-Eijnden 2023 (arXiv:2209.15571), eq. 5           |
| `interpolant`   | Albergo et al. 2023 (arXiv:2303.08797), definition of section 2.1 |

A path gets only the knobs of the flow's row in `flows.FLOWS`. Those from elsewhere are whatever
they are (`own_ingredients.own_path_sample`).
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainables.flow.config.flows import FLOWS, FlowKeys
from trainables.flow.ingredients.own_ingredients import own_path

TIME_CLIP = 1e-3
"""How far paths stay from t = 0 and t = 1 if their noise has no finite derivative there."""

Mean = tuple[Tensor, Tensor, Tensor, Tensor]
"""Factors of x_0 and x_1 in the mean, and their derivatives."""


class Coefficients(NamedTuple):
    """A path at times t: factors of x_0, x_1 and eps in x_t, and in u_t."""

    noise: Tensor
    data: Tensor
    spread: Tensor
    noise_velocity: Tensor
    data_velocity: Tensor
    spread_velocity: Tensor


class Path(NamedTuple):
    """A probability path."""

    coefficients: Callable[..., Coefficients]
    """Takes times and the flow's knobs."""
    noise: str | None = None
    """The knob that is above zero if the path adds noise of its own."""
    diverges: bool = False
    """Whether the derivative of that noise is infinite at both ends."""


def path_sample(
    config: FlowKeys, x_0: Tensor, x_1: Tensor, t: Tensor, eps: Tensor | None
) -> tuple[Tensor, Tensor]:
    """A point of the path and its conditional target velocity.

    Args:
        config: Says the path, a built-in one: `flow`, `sigma`, `interpolant`, `gamma`.
        x_0: Noise, (..., dim).
        x_1: Data, (..., dim).
        t: Times, (...), as `path_times` makes them.
        eps: Standard normal draws (..., dim); None stands for zeros.

    Returns:
        `x_t` and `u_t`, both (..., dim).
    """
    c = coefficients(config, t.unsqueeze(-1))
    x_t = c.noise * x_0 + c.data * x_1
    u_t = c.noise_velocity * x_0 + c.data_velocity * x_1
    if eps is not None and uses_eps(config):
        x_t = x_t + c.spread * eps
        u_t = u_t + c.spread_velocity * eps
    return x_t, u_t


def coefficients(config: FlowKeys, t: Tensor) -> Coefficients:
    """The path's coefficients at times t."""
    path, knobs = _path(config)
    return path.coefficients(t, **knobs)


def path_times(config: FlowKeys, t: Tensor) -> Tensor:
    """Times clamped to where the path's coefficients are finite; one's own path sees to itself."""
    if config.flow in FLOWS and _path(config)[0].diverges and uses_eps(config):
        return t.clamp(TIME_CLIP, 1 - TIME_CLIP)
    return t


def uses_eps(config: FlowKeys) -> bool:
    """Whether a path adds noise of its own (the noise of `target` is the source itself)."""
    if config.flow not in FLOWS:
        return "eps" in own_path(config).parameters
    path, knobs = _path(config)
    return path.noise is not None and knobs[path.noise] > 0


def _path(config: FlowKeys) -> tuple[Path, dict[str, Any]]:
    row = FLOWS[config.flow]
    return PATHS[row.path], row.values(config)


def _straight(t: Tensor, sigma: float) -> Coefficients:
    return _with_spread(_linear(t), *_constant_noise(t, sigma))


def _vp(t: Tensor, sigma: float) -> Coefficients:
    return _with_spread(_trigonometric(t), *_constant_noise(t, sigma))


def _interpolant(t: Tensor, interpolant: str, gamma: float) -> Coefficients:
    mean = _trigonometric(t) if interpolant == "gvp" else _linear(t)
    return _with_spread(mean, *_bridge_noise(t, gamma))


def _linear(t: Tensor) -> Mean:
    one = torch.ones_like(t)
    return 1 - t, t, -one, one


def _trigonometric(t: Tensor) -> Mean:
    half_pi = math.pi / 2
    cos, sin = torch.cos(half_pi * t), torch.sin(half_pi * t)
    return cos, sin, -half_pi * sin, half_pi * cos


def _with_spread(mean: Mean, spread: Tensor, spread_velocity: Tensor) -> Coefficients:
    noise, data, noise_velocity, data_velocity = mean
    return Coefficients(noise, data, spread, noise_velocity, data_velocity, spread_velocity)


def _constant_noise(t: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    return torch.full_like(t, sigma), torch.zeros_like(t)


def _target(t: Tensor, sigma: float) -> Coefficients:
    # u_t = (x_1 - (1 - sigma) x_t) / sigma_t with x_t substituted: no division by zero at t = 1.
    one, zero = torch.ones_like(t), torch.zeros_like(t)
    return Coefficients(1 - (1 - sigma) * t, t, zero, -(1 - sigma) * one, one, zero)


def _bridge_noise(t: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """sqrt(gamma t (1 - t)) and its derivative."""
    if not gamma:
        return torch.zeros_like(t), torch.zeros_like(t)
    spread = torch.sqrt(gamma * t * (1 - t))
    return spread, gamma * (1 - 2 * t) / (2 * spread)


PATHS: dict[str, Path] = {
    "straight": Path(_straight, noise="sigma"),
    "target": Path(_target),
    "trigonometric": Path(_vp, noise="sigma"),
    "interpolant": Path(_interpolant, noise="gamma", diverges=True),
}
