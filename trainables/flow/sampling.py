"""Drawing samples: integrating dx/dt = v(x, t) from noise at t = 0 to data at t = 1."""

import itertools
from collections.abc import Callable, Collection, Iterator

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Tensor], Tensor]
"""(batch, dim), (batch,) -> (batch, dim)."""
SAMPLING_BATCH = 1024
"""Rows integrated at once."""


@torch.no_grad()
def integrate(
    velocity: Velocity, x_0: Tensor, num_steps: int = 20, solver: str = "midpoint"
) -> Tensor:
    """Solves the ODE with equal steps of a fixed-step Runge-Kutta method.

    Euler, midpoint, Heun and RK4 as in Hairer, Norsett & Wanner, Solving Ordinary Differential
    Equations I, section II.1: errors of order 1, 2, 2 and 4 for 1, 2, 2 and 4 evaluations a step.

    Args:
        velocity: The velocity field v(x, t).
        x_0: Start points, (rows, dim).
        num_steps: Equal steps from t = 0 to t = 1.
        solver: A name in `SOLVERS`.

    Returns:
        Points at t = 1, (rows, dim).
    """
    ends: list[Tensor] = []
    for batch in x_0.split(SAMPLING_BATCH):
        x = batch
        for _, ahead in _steps(velocity, batch, num_steps, solver):
            x = ahead
        ends.append(x)
    return torch.cat(ends)


@torch.no_grad()
def follow(
    velocity: Velocity, x_0: Tensor, num_steps: int, solver: str, at: Collection[int]
) -> Tensor:
    """As `integrate`, with points on the way.

    Args:
        velocity: The velocity field v(x, t).
        x_0: Start points, (rows, dim).
        num_steps: Equal steps from t = 0 to t = 1.
        solver: A name in `SOLVERS`.
        at: After how many steps: 0 is the start, `num_steps` the end.

    Returns:
        (rows, len(at), dim).
    """
    followed: list[Tensor] = []
    for batch in x_0.split(SAMPLING_BATCH):
        ends = (x for _, x in _steps(velocity, batch, num_steps, solver))
        points = enumerate(itertools.chain([batch], ends))
        followed.append(torch.stack([x for number, x in points if number in at], dim=1))
    return torch.cat(followed)


@torch.no_grad()
def solve(velocity: Velocity, x_0: Tensor, num_steps: int, solver: str) -> tuple[Tensor, Tensor]:
    """As `integrate`, and how straight the paths are, for one more evaluation.

    Args:
        velocity: The velocity field v(x, t).
        x_0: Start points, (rows, dim).
        num_steps: Equal steps from t = 0 to t = 1.
        solver: A name in `SOLVERS`.

    Returns:
        Points at t = 1, (rows, dim), and for each path the mean squared distance of its velocity
        from its chord, (rows,): the integral over t of |(x(1) - x(0)) - v(x(t), t)|^2, zero where
        it is straight and evenly run; S(Z) of Liu et al. 2023 (arXiv:2209.03003). By the
        trapezoid rule at the ends of the solver's steps.
    """
    solved = [
        _solve_batch(velocity, batch, num_steps, solver) for batch in x_0.split(SAMPLING_BATCH)
    ]
    return torch.cat([x_1 for x_1, _ in solved]), torch.cat([bend for _, bend in solved])


def _solve_batch(
    velocity: Velocity, x_0: Tensor, num_steps: int, solver: str
) -> tuple[Tensor, Tensor]:
    x = x_0
    # |chord - v|^2 = |chord|^2 - 2 chord.v + |v|^2: running sums, so no path is stored.
    total, squares = torch.zeros_like(x_0), torch.zeros_like(x_0[:, 0])
    share = 0.5  # of the trapezoid rule: half at both ends
    for v, ahead in _steps(velocity, x_0, num_steps, solver):
        total += share * v
        squares += share * v.square().sum(dim=1)
        x, share = ahead, 1.0
    v = _at(velocity, x, 1.0)
    total, squares = total + 0.5 * v, squares + 0.5 * v.square().sum(dim=1)
    chord = x - x_0
    bend = chord.square().sum(1) - 2 * (chord * total).sum(1) / num_steps + squares / num_steps
    return x, bend.clamp_min(0)


def _steps(
    velocity: Velocity, x: Tensor, num_steps: int, solver: str
) -> Iterator[tuple[Tensor, Tensor]]:
    """For each step, the velocity at its start and the point at its end."""
    step, advance = 1.0 / num_steps, SOLVERS[solver]
    for index in range(num_steps):
        v, x = advance(velocity, x, index * step, step)
        yield v, x


def _euler(velocity: Velocity, x: Tensor, t: float, step: float) -> tuple[Tensor, Tensor]:
    v = _at(velocity, x, t)
    return v, x + step * v


def _midpoint(velocity: Velocity, x: Tensor, t: float, step: float) -> tuple[Tensor, Tensor]:
    v = _at(velocity, x, t)
    return v, x + step * _at(velocity, x + 0.5 * step * v, t + 0.5 * step)


def _heun(velocity: Velocity, x: Tensor, t: float, step: float) -> tuple[Tensor, Tensor]:
    v = _at(velocity, x, t)
    return v, x + 0.5 * step * (v + _at(velocity, x + step * v, t + step))


def _rk4(velocity: Velocity, x: Tensor, t: float, step: float) -> tuple[Tensor, Tensor]:
    v = _at(velocity, x, t)
    second = _at(velocity, x + 0.5 * step * v, t + 0.5 * step)
    third = _at(velocity, x + 0.5 * step * second, t + 0.5 * step)
    fourth = _at(velocity, x + step * third, t + step)
    return v, x + step / 6 * (v + 2 * second + 2 * third + fourth)


def _at(velocity: Velocity, x: Tensor, t: float) -> Tensor:
    return velocity(x, torch.full(x.shape[:1], t, dtype=x.dtype, device=x.device))


SOLVERS = {"euler": _euler, "midpoint": _midpoint, "heun": _heun, "rk4": _rk4}
"""One step each: from x at t, the velocity there and the point at t + step."""
