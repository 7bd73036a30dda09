"""Which noise goes with which row: independent, or by exact optimal transport in each batch."""

import torch
from torch import Tensor

SQUARED_DISTANCE_MAX_DIM = 8
"""Up to here the assignment is solved faster on squared distances than on inner products."""


def ot_pairing(x_0: Tensor, x_1: Tensor) -> Tensor:
    """The permutation of the noise that transports it to the data at the least squared distance.

    Between equal numbers of points of equal weight an optimal plan is a permutation; Tong et al.
    2023 (arXiv:2302.00482), section 3.2. |x_0 - x_1|^2 and -x_0 . x_1 differ by terms of one
    side only, so both have the same optimal permutations.

    Args:
        x_0: Noise, (batch, dim).
        x_1: Data, (batch, dim).

    Returns:
        (batch,): `x_0[pairing]` goes with `x_1`.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import, and needed by one flow

    if x_0.shape[-1] <= SQUARED_DISTANCE_MAX_DIM:
        cost = torch.cdist(x_1, x_0, compute_mode="donot_use_mm_for_euclid_dist").square()
    else:
        cost = -(x_1 @ x_0.T)
    return torch.from_numpy(linear_sum_assignment(cost.cpu().numpy())[1])


def ot_pairings(x_0: Tensor, x_1: Tensor) -> Tensor:
    """The pairing of each of a row of batches: (steps, batch, dim) twice -> (steps, batch)."""
    pairings = [ot_pairing(noise, data) for noise, data in zip(x_0, x_1, strict=True)]
    return torch.stack(pairings).to(x_0.device)


def reordered(x_0: Tensor, pairings: Tensor) -> Tensor:
    """The noise (steps, batch, dim) in the order of its pairings (steps, batch)."""
    return x_0.gather(1, pairings.unsqueeze(-1).expand_as(x_0))
