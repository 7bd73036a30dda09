"""Checks that a replayed step did what the ordinary step does, within a tolerance.

Both run the same kernels, so most steps agree to the bit; a graph that captured too much or too
little is off by far more than rounding.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

TOLERANCE = 2e-3
"""For losses, gradients and moments, relative to each run's 2-norm."""
CHANGE_TOLERANCE = 5e-2
"""For a step's change of weights and their average: Adam divides by the size of a gradient, even if
that is pure rounding."""
CHANGED = ("weights", "average")


@dataclass(frozen=True)
class StepRecord:
    """What a step reads and writes, copied to the host: a GPU may lack the memory for a copy."""

    tensors: Mapping[str, Tensor]

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Copies of all tensors as they are now."""
        return cls({name: t.detach().to("cpu", copy=True) for name, t in tensors.items()})

    def put_back(self, tensors: Mapping[str, Tensor]) -> None:
        """Restores the tensors."""
        for name, tensor in tensors.items():
            tensor.copy_(self.tensors[name])


def difference(before: StepRecord, ordinary: StepRecord, replayed: StepRecord) -> str:
    """How a replayed step differs from the ordinary one, in words; empty if it does not.

    Args:
        before: The state that both began with.
        ordinary: After the ordinary step; runs come first, except in `measured`, (2, K).
        replayed: After the replayed one.
    """
    differences: list[str] = []
    for name, expected in ordinary.tensors.items():
        start, actual = before.tensors[name], replayed.tensors[name]
        limit, slack = TOLERANCE, 0.0
        if name in CHANGED:
            limit, slack = CHANGE_TOLERANCE, 4 * torch.finfo(expected.dtype).eps
            expected, actual = expected - start, actual - start
        if name == "measured":
            expected, actual, start = expected.T, actual.T, start.T
        excess = _excess(_by_run(expected), _by_run(actual), limit, slack * _by_run(start))
        if excess > 1:
            differences.append(f"{name} by {excess * limit:.2g} of its size")
    return ", ".join(differences)


def _by_run(tensor: Tensor) -> Tensor:
    return tensor.reshape(len(tensor), -1).double()


def _excess(expected: Tensor, actual: Tensor, limit: float, rounding: Tensor) -> float:
    """The largest error of a run, in multiples of the tolerance.

    Runs that are not finite in both agree: they have diverged.
    """
    allowed = limit * expected.norm(dim=1) + rounding.norm(dim=1) + 1e-30
    error = (actual - expected).norm(dim=1) / allowed
    both = ~(expected.isfinite().all(dim=1) | actual.isfinite().all(dim=1))
    return float(error.nan_to_num(torch.inf).masked_fill(both, 0.0).max())
