"""Rows of images -> one picture of many tiles, on a scale that all cells share."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ablate.images.png import encode_png
from ablate.report.pictures.shown import Floats

SIDES = (8, 6, 5, 4, 3, 2, 1)
"""Tiles in a row, and rows of tiles: as many as there are samples and bytes for."""
SHARP_PX = 320
"""Small images are enlarged to about this width, and twice this height at most, by whole pixels:
viewers of PDFs blur others."""
GAP = 1
"""Pixels between tiles, which are see-through as the values that are not finite."""
CHANNELS = (1, 3)


class Limits(NamedTuple):
    """The values that are drawn black and white."""

    low: float
    high: float


class Grid(NamedTuple):
    """A picture of tiles."""

    png: bytes
    num: int
    """Of its tiles."""
    width: int
    height: int


def is_image(shape: tuple[int, ...]) -> bool:
    """Whether rows are images: (h, w), (c, h, w) or (h, w, c) with one channel or three."""
    return len(shape) == 2 or (len(shape) == 3 and (shape[0] in CHANNELS or shape[-1] in CHANNELS))


def limits_of(rows: Floats) -> Limits:
    """The lowest and the highest value; what is not finite does not count."""
    known = rows[np.isfinite(rows)]
    if not known.size:
        return Limits(0.0, 1.0)
    low, high = float(known.min()), float(known.max())
    return Limits(low, high) if high > low else Limits(low - 0.5, high + 0.5)


def grid_of(rows: Floats, shape: tuple[int, ...], limits: Limits, side: int) -> Grid:
    """The first rows as tiles, row by row.

    Args:
        rows: (num, dim), at least one.
        shape: Of one row, see `is_image`.
        limits: What is black and what is white.
        side: Tiles in a row and in a column at most.
    """
    tiles = _tiles(rows[: side * side], shape)
    num, height, width, channels = tiles.shape
    across = min(side, num)
    down = math.ceil(num / across)
    canvas = np.zeros(
        (down, height + GAP, across, width + GAP, channels + 1), np.uint8
    )  # fmt: skip
    pixels = _pixels(tiles, limits)
    for at in range(num):
        canvas[at // across, :height, at % across, :width] = pixels[at]
    flat = canvas.reshape(down * (height + GAP), across * (width + GAP), channels + 1)
    flat = _enlarged(flat[: flat.shape[0] - GAP, : flat.shape[1] - GAP])
    png = encode_png(flat.tobytes(), flat.shape[1], flat.shape[0], channels + 1)
    return Grid(png, num, flat.shape[1], flat.shape[0])


def _tiles(rows: Floats, shape: tuple[int, ...]) -> Floats:
    """(num, height, width, channels)."""
    images = rows.reshape(-1, *shape)
    if images.ndim == 3:
        return images[..., None]
    return images if shape[0] not in CHANNELS else np.moveaxis(images, 1, 3)


def _pixels(tiles: Floats, limits: Limits) -> NDArray[np.uint8]:
    """With a channel more, which is 0 where a value is not finite."""
    is_known = np.isfinite(tiles)
    with np.errstate(over="ignore", invalid="ignore"):
        share = (tiles.astype(np.float64) - limits.low) / (limits.high - limits.low)
    levels = np.where(is_known, np.clip(share, 0, 1) * 255, 0).round().astype(np.uint8)
    seen = is_known.all(axis=3, keepdims=True).astype(np.uint8) * 255
    return np.concatenate([levels, seen], axis=3)


def _enlarged(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    times = max(1, round(SHARP_PX / max(pixels.shape[1], pixels.shape[0] / 2)))
    return pixels.repeat(times, axis=0).repeat(times, axis=1)
