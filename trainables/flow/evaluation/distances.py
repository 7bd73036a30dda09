"""Distances between samples and data, by which different flows can be compared."""

import torch
from torch import Tensor

from trainables.flow.randomness import generator

NUM_PROJECTIONS = 256
BANDWIDTHS = (0.5, 1.0, 2.0)
"""Bandwidths of the MMD's kernels, in median distances between rows of the data."""
NEIGHBOUR_BLOCK = 8_192
"""Training rows compared at once."""


def sliced_w2(x: Tensor, y: Tensor, num_projections: int = NUM_PROJECTIONS) -> float:
    """Sliced 2-Wasserstein distance between two samples of equal size.

    Root of the mean squared distance between the sorted projections on fixed random directions,
    the same ones in every call (Bonneel et al. 2015, J. Math. Imaging Vis. 51).

    Args:
        x: (num_points, dim).
        y: (num_points, dim).
        num_projections: Directions drawn uniformly from the sphere.

    Raises:
        ValueError: If the samples differ in shape.
    """
    if x.shape != y.shape:
        raise ValueError(f"sliced_w2 needs samples of one shape, got {x.shape} and {y.shape}")
    x, y = x.double(), y.double()  # float32 products may be in TF32
    source = generator(0, 0, "projections")
    directions = torch.randn(x.shape[1], num_projections, generator=source).to(x)
    directions = directions / directions.norm(dim=0)
    x_sorted = (x @ directions).sort(dim=0).values
    y_sorted = (y @ directions).sort(dim=0).values
    return (x_sorted - y_sorted).square().mean().sqrt().item()


def energy_distance(x: Tensor, y: Tensor) -> float:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'|, the V-statistic: never negative, 0 for equal samples.

    Szekely & Rizzo 2013 (J. Stat. Plan. Inference 143), section 2.

    Args:
        x: (num_points, dim).
        y: (other_num_points, dim).
    """
    means = [distances(a, b).mean() for a, b in ((x, y), (x, x), (y, y))]
    return (2 * means[0] - means[1] - means[2]).clamp_min(0).item()


def mmd(x: Tensor, y: Tensor) -> float:
    """Maximum mean discrepancy, the root of the V-statistic of Gretton et al. 2012, eq. 5.

    The kernel is the mean of Gaussians exp(-d^2 / (2 h^2)) whose widths h are `BANDWIDTHS` times
    the median distance within `y`, so it is one kernel for all models of one data set.

    Args:
        x: Samples, (num_points, dim).
        y: Data, (other_num_points, dim).
    """
    within = distances(y, y)
    off_diagonal = within[~torch.eye(len(y), dtype=torch.bool, device=y.device)]
    median = off_diagonal.median().clamp_min(1e-12)
    means = [_kernel(d / median).mean() for d in (distances(x, x), within, distances(x, y))]
    return (means[0] + means[1] - 2 * means[2]).clamp_min(0).sqrt().item()


def nearest_distance(x: Tensor, rows: Tensor) -> float:
    """Mean distance of points to their nearest row, see `nearest_distances`."""
    return nearest_distances(x, rows).mean().item()


def nearest_distances(x: Tensor, rows: Tensor) -> Tensor:
    """The distance of each point to its nearest row, (num_points,).

    Args:
        x: (num_points, dim).
        rows: (num_rows, dim), anywhere: block by block they go where the points are.
    """
    blocks = (block.to(x.device) for block in rows.split(NEIGHBOUR_BLOCK))
    nearest = [distances(x, block).min(dim=1).values for block in blocks]
    return torch.stack(nearest).min(dim=0).values


def distances(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distances, (num_points, other_num_points), in double precision."""
    x, y = x.double(), y.double()
    squares = x.square().sum(1)[:, None] + y.square().sum(1)[None] - 2 * x @ y.T
    return squares.clamp_min(0).sqrt()


def _kernel(distance: Tensor) -> Tensor:
    widths = [torch.exp(-(distance.square()) / (2 * width**2)) for width in BANDWIDTHS]
    return torch.stack(widths).mean(dim=0)
