"""Samples that are images: a picture a cell, all with the same limits."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ablate.images.png import data_uri
from ablate.numbers import rounded
from ablate.report.pictures.captions import (
    clipped_text,
    data_caption,
    group_title,
    nearest_text,
    rows_alt,
    samples_caption,
    unfinite_text,
)
from ablate.report.pictures.found import Samples
from ablate.report.pictures.grids import SIDES, Grid, Limits, grid_of, limits_of
from ablate.report.pictures.shown import Floats, Group, Shown
from ablate.samples.kept import KeptData

DATA = -1
"""The position of the data's own picture."""
DEFLATED = 8
"""Pixels a byte of a PNG may hold; what would be larger all the same is not even tried."""


def image_group(samples: Sequence[Samples], told: str, budget: int) -> Group:
    """Images side by side.

    Args:
        samples: Of cells, all of one shape and beside the same data.
        told: The study's metric, and which value of it.
        budget: Bytes for all pictures.
    """
    data = samples[0].data.rows if samples[0].data else None
    everything = np.concatenate([each.kept.rows for each in samples]) if data is None else data
    limits = limits_of(everything)
    rows = {at: each.kept.rows for at, each in enumerate(samples)}
    grids = _fitting(rows | ({} if data is None else {DATA: data}), samples[0], limits, budget)
    beside = [each.nearest_beside(samples) for each in samples]
    nearest = nearest_text(samples[0].data.nearest) if samples[0].data and beside[0] is None else ""
    pictures = [_of_data(grids.get(DATA), samples[0].data, nearest)] if samples[0].data else []
    pictures += [
        _picture(each, grids.get(at), limits, told, nearest_text(each.kept.nearest, beside[at]))
        for at, each in enumerate(samples)
    ]
    nums = [(grids[at].num, len(each.kept.rows)) for at, each in enumerate(samples) if grids]
    of = "the samples', for no rows of the data are kept" if data is None else "the data's"
    return Group(
        title=group_title(nums, [each.run for each in samples], told),
        text="The n-th picture of each cell is made from the same noise. All on one scale: black "
        f"{rounded(limits.low)}, white {rounded(limits.high)}, {of} lowest and highest value.",
        pictures=pictures,
    )


def _fitting(
    rows: Mapping[int, Floats], sample: Samples, limits: Limits, budget: int
) -> dict[int, Grid]:
    """The pictures with as many tiles as there are bytes for; none if they are too large."""
    shape = sample.kept.shape
    for side in SIDES:
        tiles = sum(min(len(each), side * side) for each in rows.values())
        if tiles * int(np.prod(shape)) > DEFLATED * budget:
            continue
        grids: dict[int, Grid] = {}
        left = budget
        for at, each in rows.items():
            grids[at] = grid_of(each, shape, limits, side)
            left -= len(grids[at].png)
            if left < 0:
                break
        else:
            return grids
    return {}


def _of_data(grid: Grid | None, data: KeptData, nearest: str) -> Shown:
    caption = data_caption(grid.num if grid else 0, data, nearest)
    return _with_grid(grid, "data", caption, rows_alt(f"{len(data.rows)} test rows", data.rows))


def _picture(
    each: Samples, grid: Grid | None, limits: Limits, told: str, nearest: str
) -> Shown:  # fmt: skip
    rows, cell = each.kept.rows, each.run.cell
    remarks = (unfinite_text(rows, "left blank"), clipped_text(rows, limits))
    caption = samples_caption(each.run, each.kept, grid.num if grid else 0, told, *remarks, nearest)
    alt = rows_alt(f"{len(rows)} samples of {cell.name}", rows, *remarks)
    shown = _with_grid(grid, cell.name, caption, alt)
    return replace(shown, run_name=each.run.run_name, is_baseline=cell.is_baseline)


def _with_grid(grid: Grid | None, title: str, caption: str, alt: str) -> Shown:
    if grid is None:
        return Shown(title=title, caption=f"{caption}; too large for the page")
    return Shown(
        title=title, caption=caption, alt=alt, image=data_uri(grid.png),
        size=(grid.width, grid.height),
    )  # fmt: skip
