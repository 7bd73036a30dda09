"""Log-likelihoods of a flow: the change of variables along its ODE."""

import math

import torch
from torch import Tensor

from trainables.flow.randomness import generator
from trainables.flow.sampling import SAMPLING_BATCH, Velocity

EXACT_MAX_DIM = 16
"""Up to this dimension the divergence is exact, above it is estimated."""
NUM_PROBES = 2
"""Per row: with probes shared by rows, errors would not average out."""


def negative_log_likelihood(
    velocity: Velocity, x_1: Tensor, num_steps: int = 20, exact: bool | None = None
) -> Tensor:
    """-log p(x_1) of each row in nats, where the flow maps a standard normal to x_1.

    d log p / dt = -div v along the ODE (Chen et al. 2018, arXiv:1806.07366, theorem 1), solved
    backwards from t = 1 by RK4. Above `EXACT_MAX_DIM` the divergence is Hutchinson's estimate with
    Rademacher probes, each row's own and the same at all times, as in FFJORD (Grathwohl et al.
    2019, arXiv:1810.01367, section 3.1).

    Args:
        velocity: The velocity field v(x, t).
        x_1: Points at t = 1, (rows, dim).
        num_steps: Equal steps of RK4.
        exact: Whether to sum the divergence exactly; None: as the dimension says.

    Returns:
        (rows,)
    """
    rows, dim = x_1.shape
    exact = dim <= EXACT_MAX_DIM if exact is None else exact
    probes = torch.eye(dim).unsqueeze(1).expand(-1, rows, -1) if exact else _rademacher(rows, dim)
    # Averaged over random probes, summed over the unit vectors.
    weight = 1.0 if exact else 1 / NUM_PROBES
    batches = zip(
        x_1.split(SAMPLING_BATCH), probes.to(x_1).split(SAMPLING_BATCH, dim=1), strict=True
    )
    return torch.cat(
        [_batch(_Divergence(velocity, own, weight), batch, num_steps) for batch, own in batches]
    )


class _Divergence:
    """The velocity at points, and its divergence there as a sum of products probe . J probe.

    Args:
        velocity: The velocity field.
        probes: (probes, rows, dim).
        weight: Of each product.
    """

    def __init__(self, velocity: Velocity, probes: Tensor, weight: float) -> None:
        self._velocity = velocity
        self._probes = probes
        self._weight = weight

    def __call__(self, x: Tensor, t: float) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            v = self._velocity(x, torch.full(x.shape[:1], t, dtype=x.dtype, device=x.device))
            total = torch.zeros_like(x[:, 0])
            for probe in self._probes:
                product = (v * probe).sum()
                gradient = torch.autograd.grad(
                    product, x, retain_graph=True, materialize_grads=True
                )[0]
                total = total + (gradient * probe).sum(dim=1)
        return v.detach(), self._weight * total.detach()


def _batch(field: _Divergence, x_1: Tensor, num_steps: int) -> Tensor:
    step = -1.0 / num_steps
    x, log_det = x_1, torch.zeros_like(x_1[:, 0])
    for index in range(num_steps):
        t = 1.0 + index * step
        v1, d1 = field(x, t)
        v2, d2 = field(x + 0.5 * step * v1, t + 0.5 * step)
        v3, d3 = field(x + 0.5 * step * v2, t + 0.5 * step)
        v4, d4 = field(x + step * v3, t + step)
        x = x + step / 6 * (v1 + 2 * v2 + 2 * v3 + v4)
        # Backwards in time: log p(x_1) = log p(x_0) - the integral of the divergence.
        log_det = log_det + step / 6 * (d1 + 2 * d2 + 2 * d3 + d4)
    normal = 0.5 * x.square().sum(dim=1) + 0.5 * x.shape[1] * math.log(2 * math.pi)
    return normal - log_det


def _rademacher(rows: int, dim: int) -> Tensor:
    draws = torch.randint(0, 2, (NUM_PROBES, rows, dim), generator=generator(0, 0, "probes"))
    return 2.0 * draws - 1.0
