"""Couples noise with rows: independently, by exact optimal transport in each batch, or otherwise.

Each function of `PAIR` gets only the knobs of its row in `flows.COUPLINGS`.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.flow.config.flows import COUPLINGS, FlowKeys
from trainables.flow.ingredients.own_calls import Steps
from trainables.flow.ingredients.own_ingredients import own_pairs
from trainables.flow.randomness import Stream

SQUARED_DISTANCE_MAX_DIM = 8
"""Up to this dimension the assignment is solved faster on squared distances."""


def paired(
    config: FlowKeys, x_0: Tensor, x_1: Tensor, steps: Steps, stream: Stream = "own coupling"
) -> tuple[Tensor, Tensor]:
    """Noise and rows in the order in which the config's coupling pairs them.

    Args:
        config: Says which coupling.
        x_0: Noise, (steps, batch, dim).
        x_1: Data, (steps, batch, dim).
        steps: Which steps.
        stream: What the draws of one's own coupling are for.

    Returns:
        Both, (steps, batch, dim).
    """
    name = config.pairing
    if name not in COUPLINGS:
        return own_pairs(config, x_0, x_1, steps, stream)
    return PAIR[name](x_0, x_1, **COUPLINGS[name].values(config)), x_1


def ot_pairing(x_0: Tensor, x_1: Tensor) -> Tensor:
    """The permutation of the noise that transports it to the data at least squared distance.

    Between equal numbers of points of equal weight an optimal plan is a permutation; Tong et al.
    2023 (arXiv:2302.00482), section 3.2. |x_0 - x_1|^2 / 2 and -x_0 . x_1 differ by terms of one
    side only, so both have the same optimal permutations.

    Args:
        x_0: Noise, (batch, dim).
        x_1: Data, (batch, dim).

    Returns:
        (batch,): `x_0[pairing]` goes with `x_1`.
    """
    return _assigned(_costs(x_0, x_1))


def ot_pairings(x_0: Tensor, x_1: Tensor) -> Tensor:
    """The pairing of each batch: (steps, batch, dim) twice -> (steps, batch)."""
    num_threads = torch.get_num_threads()  # as many as the trial has CPUs
    pairings: list[Tensor] = []
    with ThreadPoolExecutor(num_threads) as pool:
        solve = pool.map if num_threads > 1 else map
        for noise, data in zip(x_0.split(num_threads), x_1.split(num_threads), strict=True):
            costs = [_costs(*batch) for batch in zip(noise, data, strict=True)]
            pairings += solve(_assigned, costs)
    return torch.stack(pairings).to(x_0.device)


def reordered(x_0: Tensor, pairings: Tensor) -> Tensor:
    """The noise (steps, batch, dim) in the order of its pairings (steps, batch)."""
    return x_0.gather(1, pairings.unsqueeze(-1).expand_as(x_0))


def _costs(x_0: Tensor, x_1: Tensor) -> NDArray[Any]:
    """The cost of moving each noise point to each row, (batch, batch), on the CPU."""
    if x_0.shape[-1] <= SQUARED_DISTANCE_MAX_DIM:
        costs = torch.cdist(x_1, x_0, compute_mode="donot_use_mm_for_euclid_dist").square()
    else:
        costs = -(x_1 @ x_0.T)
    return costs.cpu().numpy()


def _assigned(costs: NDArray[Any]) -> Tensor:
    """The cheapest assignment, (batch,); releases the GIL."""
    if not np.isfinite(costs).all():
        return torch.arange(len(costs))  # the run's losses will end it
    from scipy.optimize import linear_sum_assignment  # slow to import, and only one flow needs it

    return torch.from_numpy(linear_sum_assignment(costs)[1])


def _as_drawn(x_0: Tensor, x_1: Tensor) -> Tensor:
    return x_0


def _transported(x_0: Tensor, x_1: Tensor) -> Tensor:
    return reordered(x_0, ot_pairings(x_0, x_1))


PAIR: dict[str, Callable[..., Tensor]] = {
    "independent": _as_drawn,
    "optimal_transport": _transported,
    "teacher": _as_drawn,  # its pairs take the place of noise and rows
}
