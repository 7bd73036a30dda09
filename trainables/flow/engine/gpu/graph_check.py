"""Whether a replayed step did what the ordinary step does, within a tolerance.

The same kernels run in both, so most steps agree to the bit; a graph that has captured too much or
too little is off by far more than rounding.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

TOLERANCE = 2e-3
"""Of losses, gradients and moments, relative to the size (the 2-norm) of each run's."""
CHANGE_TOLERANCE = 5e-2
"""Of what a step changes in weights and their average: Adam divides by the size of a gradient, also
where that is rounding alone."""
CHANGED = ("weights", "average")


@dataclass(frozen=True)
class StepRecord:
    """What a step reads and writes, copied to the host: a GPU may have no room for it twice."""

    tensors: Mapping[str, Tensor]

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Copies of all tensors as they are now."""
        return cls({name: t.detach().to("cpu", copy=True) for name, t in tensors.items()})

    def put_back(self, tensors: Mapping[str, Tensor]) -> None:
        """Makes the tensors what they were."""
        for name, tensor in tensors.items():
            tensor.copy_(self.tensors[name])


def difference(before: StepRecord, ordinary: StepRecord, replayed: StepRecord) -> str:
    """What a replayed step did otherwise than the ordinary one, in words; empty if nothing.

    Args:
        before: From where both began.
        ordinary: After the ordinary step; runs are the first dimension, `measured` (2, K) apart.
        replayed: After the replayed one.
    """
    told: list[str] = []
    for name, expected in ordinary.tensors.items():
        start, found = before.tensors[name], replayed.tensors[name]
        limit, slack = TOLERANCE, 0.0
        if name in CHANGED:
            limit, slack = CHANGE_TOLERANCE, 4 * torch.finfo(expected.dtype).eps
            expected, found = expected - start, found - start
        if name == "measured":
            expected, found, start = expected.T, found.T, start.T
        excess = _excess(_by_run(expected), _by_run(found), limit, slack * _by_run(start))
        if excess > 1:
            told.append(f"{name} by {excess * limit:.2g} of its size")
    return ", ".join(told)


def _by_run(tensor: Tensor) -> Tensor:
    return tensor.reshape(len(tensor), -1).double()


def _excess(expected: Tensor, found: Tensor, limit: float, rounding: Tensor) -> float:
    """The error of the run that is off the most, in multiples of what is allowed.

    Runs that are not finite in both are alike: they have diverged.
    """
    allowed = limit * expected.norm(dim=1) + rounding.norm(dim=1) + 1e-30
    error = (found - expected).norm(dim=1) / allowed
    both = ~(expected.isfinite().all(dim=1) | found.isfinite().all(dim=1))
    return float(error.nan_to_num(torch.inf).masked_fill(both, 0.0).max())
