"""Rows of many numbers as points of a plane: the data's first two principal components."""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from trainables.flow.data.dataset import Dataset
from trainables.flow.data.errors import Floats

MOST_NUMBERS = 2**21
"""Of the training rows that components are found of: all that `Dataset.reference` has, up to 512
numbers a row; 2,730 rows of 768 numbers. So they take a fraction of a second, once a process."""


class Components(NamedTuple):
    """The first two principal components, in the data's own coordinates and double precision."""

    mean: Tensor
    """(dim,)"""
    directions: Tensor
    """(dim, 2), of unit length; the largest number of each is positive."""
    explained: float
    """Their share of the variance; 0 where there is none."""

    def project(self, rows: Floats) -> Floats:
        """Coordinates on them, (num, 2), of rows (num, dim)."""
        points = (torch.from_numpy(rows).double() - self.mean) @ self.directions
        return points.float().numpy()


@lru_cache(maxsize=4)
def components_of(data: Dataset) -> Components:
    """The components of the full training part, however much of it `data.size` takes.

    On the CPU, by the eigenvectors of the covariance, or of the products of rows where those are
    fewer than numbers.

    Args:
        data: Rows of three numbers or more.
    """
    rows = torch.from_numpy(data.reference[: max(2, MOST_NUMBERS // data.dim)]).double()
    mean = rows.mean(dim=0)
    centred = rows - mean
    is_tall = len(centred) >= data.dim
    values, vectors = torch.linalg.eigh(centred.T @ centred if is_tall else centred @ centred.T)
    first = vectors[:, -2:].flip(1)
    directions = first if is_tall else centred.T @ first
    directions = directions / directions.norm(dim=0).clamp_min(1e-300)
    largest = directions.gather(0, directions.abs().argmax(dim=0, keepdim=True))
    explained = (values[-2:].sum() / values.sum().clamp_min(1e-300)).clamp(0, 1).item()
    return Components(mean, directions * largest.sign(), explained)
