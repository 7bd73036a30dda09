"""Distances between samples and data: what different flows can be compared by."""

import torch
from torch import Tensor

from trainables.flow.randomness import generator

NUM_PROJECTIONS = 256


def sliced_w2(x: Tensor, y: Tensor, num_projections: int = NUM_PROJECTIONS) -> float:
    """Sliced 2-Wasserstein distance between two samples of equal size.

    Root of the mean squared distance between the sorted projections on fixed random directions,
    the same ones in every call (Bonneel et al. 2015, J. Math. Imaging Vis. 51, eq. 12).

    Args:
        x: (num_points, dim).
        y: (num_points, dim).
        num_projections: Directions drawn uniformly from the sphere.

    Raises:
        ValueError: Where the samples differ in shape.
    """
    if x.shape != y.shape:
        raise ValueError(f"sliced_w2 needs samples of one shape, got {x.shape} and {y.shape}")
    directions = torch.randn(
        x.shape[1], num_projections, generator=generator(0, 0, "projections")
    ).to(x.device)
    directions = directions / directions.norm(dim=0)
    x_sorted = (x @ directions).sort(dim=0).values
    y_sorted = (y @ directions).sort(dim=0).values
    return (x_sorted - y_sorted).square().mean().sqrt().item()
