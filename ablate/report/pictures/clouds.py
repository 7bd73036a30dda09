"""Rows of two numbers -> a plane that all cells share, with the data's density."""

import numpy as np
from numpy.typing import NDArray

from ablate.images.png import data_uri, encode_png
from ablate.report.pictures.shown import Floats, Plane

Corner = NDArray[np.float64]
EDGE = 0.005
"""Share of the data on each side that does not decide where axes end."""
MARGIN = 0.12
"""Of the range of the others, on each side, before a point is outside."""
POINTS_SHOWN = 512
"""Of a cloud: a page with many cells stays small."""
BINS = 96
"""Of the density, along the longer axis; it is drawn smoothly."""
BLUR = 0.022
"""Width of the kernel as a share of the longer axis."""
TONE, OPAQUE = 0x80, 170
"""Of the densest place: a grey that is seen on light and on dark ground, and how opaque."""
PATHS_SHOWN, PATH_POINTS = 24, 16


def plane_of(data: Floats, titles: tuple[str, str], has_density: bool = True) -> Plane:
    """The plane around the data.

    Args:
        data: (num, 2), at least one of them finite.
        titles: Of the axes.
        has_density: Whether it shows where the data are.
    """
    known = finite(data).astype(np.float64)
    low, high = np.quantile(known, (EDGE, 1 - EDGE), axis=0)  # a few far ones do not decide
    largest = np.abs([low, high]).max()
    least = (high - low).max() or 0.2 * largest or 1.0  # a constant has a range, too
    span = np.maximum(np.where(high > low, high - low, least), 1e-6 * largest)
    middle, half = (low + high) / 2, span * (0.5 + MARGIN)
    low, high = middle - half, middle + half
    return Plane(
        low=(float(low[0]), float(low[1])), high=(float(high[0]), float(high[1])), titles=titles,
        density=_density(known, low, high) if has_density else "",
    )  # fmt: skip


def finite(rows: Floats) -> Floats:
    """The rows all of whose numbers are finite."""
    return rows[np.isfinite(rows).all(axis=1)]


def ranked(rows: Floats) -> Floats:
    """Rows of one number as points (num, 2): the number, and which share of them is smaller.

    In their order: the first of them are of all sizes. What is not finite has no share.
    """
    values = rows[:, 0]
    is_known, shares = np.isfinite(values), np.full(len(values), np.nan, np.float32)
    places = values[is_known].argsort(kind="stable").argsort()
    shares[is_known] = (places + 0.5) / max(1, len(places))
    return np.stack([values, shares], axis=1)


def num_outside(points: Floats, plane: Plane) -> int:
    """How many points the axes do not reach."""
    inside = (points >= np.array(plane.low)) & (points <= np.array(plane.high))
    return int((~inside.all(axis=1)).sum())


def shown_paths(paths: Floats | None) -> Floats:
    """(num_paths, points, 2): few of them, by few of their points, with both ends."""
    if paths is None or not len(paths):
        return np.zeros((0, 2, 2), np.float32)
    kept = paths[np.isfinite(paths).all(axis=(1, 2))][:PATHS_SHOWN]
    along = np.linspace(0, paths.shape[1] - 1, min(PATH_POINTS, paths.shape[1])).round().astype(int)
    return kept[:, along]


def _density(points: NDArray[np.float64], low: Corner, high: Corner) -> str:
    """A Gaussian kernel over a histogram: grey, as opaque as dense."""
    edges = [(low[axis], high[axis]) for axis in (0, 1)]
    counts, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=BINS, range=edges)
    apart = np.arange(BINS) - np.arange(BINS)[:, None]
    kernel = np.exp(-0.5 * (apart / (BLUR * BINS)) ** 2)
    dense = kernel @ counts @ kernel
    pixels = np.full((BINS, BINS, 2), TONE, np.uint8)
    opaque = np.sqrt(dense / (dense.max() or 1.0)) * OPAQUE
    pixels[..., 1] = opaque.T[::-1].round()  # the first row of a picture is at its top
    return data_uri(encode_png(pixels.tobytes(), BINS, BINS, 2))
