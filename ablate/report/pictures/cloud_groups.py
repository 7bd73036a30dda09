"""Samples that are points of a plane, by themselves or on components: a cloud a cell."""

from collections.abc import Sequence

import numpy as np

from ablate.report.pictures.captions import (
    data_caption,
    group_title,
    nearest_text,
    outside_text,
    rows_alt,
    samples_caption,
    unfinite_text,
)
from ablate.report.pictures.clouds import (
    POINTS_SHOWN,
    finite,
    num_outside,
    plane_of,
    ranked,
    shown_paths,
)
from ablate.report.pictures.found import Samples
from ablate.report.pictures.shown import Cloud, Floats, Group, Plane, Shown

DATA_SHOWN = 400
"""Rows of the data that are drawn as dots, too: all of them are in the shade."""
NO_PATHS = np.zeros((0, 2, 2), np.float32)
AXES = {
    "plane": ("first number", "second number"), "projected": ("component 1", "component 2"),
    "ranked": ("number", "share that is smaller"),
}  # fmt: skip


def cloud_group(samples: Sequence[Samples], told: str) -> Group:
    """Clouds side by side.

    Args:
        samples: Of cells, all of one kind and beside the same data.
        told: The study's metric, and which value of it.
    """
    data = _shown(samples[0], samples[0].data.rows) if samples[0].data else None
    around = np.concatenate([_points(each) for each in samples]) if data is None else data
    if not len(finite(around)):
        around = np.zeros((1, 2), np.float32)
    plane = plane_of(around, AXES[samples[0].kind], has_density=data is not None)
    beside = [each.nearest_beside(samples) for each in samples]
    pictures = [] if data is None else [_of_data(samples[0], data, plane, beside[0] is None)]
    pictures += [_picture(*each, plane, told) for each in zip(samples, beside, strict=True)]
    has_paths = any(shown.cloud and len(shown.cloud.paths) for shown in pictures)
    nums = [(min(POINTS_SHOWN, len(each.kept.rows)), len(each.kept.rows)) for each in samples]
    return Group(
        title=group_title(nums, [each.run for each in samples], told),
        text=_text(samples[0], has_paths),
        pictures=pictures,
        plane=plane,
    )


def _text(sample: Samples, has_paths: bool) -> str:
    parts = ["Dots: samples, those of all cells from the same noise."]
    if sample.kind == "ranked":
        parts.append("Upward: the share of samples that is smaller, of the data that of test rows.")
    if sample.data:
        parts.append("Shade: where the data's test rows are.")
    if has_paths:
        parts.append("Lines: the way of some from noise to sample.")
    if sample.kind == "projected":
        parts.append(_projected_text(sample))
    around = "the data" if sample.data else "the samples, for no rows of the data are kept"
    return " ".join([*parts, f"All on the same axes, around {around}."])


def _projected_text(sample: Samples) -> str:
    explained = sample.data.explained if sample.data else None
    share = f", which have {100 * explained:.0f} % of their variance" if explained else ""
    return (
        f"Of rows of {sample.kept.rows.shape[1]} numbers these are the first two principal "
        f"components of the data{share}: what differs elsewhere is not seen."
    )


def _of_data(sample: Samples, points: Floats, plane: Plane, has_nearest: bool) -> Shown:
    assert sample.data is not None
    data, num = sample.data, len(points)
    outside = outside_text(num_outside(finite(points), plane), "test row")
    nearest = nearest_text(data.nearest) if has_nearest else ""
    return Shown(
        title="data",
        caption=data_caption(min(num, DATA_SHOWN), data, outside, nearest),
        alt=rows_alt(f"{num} test rows", data.rows, outside),
        cloud=Cloud(finite(points)[:DATA_SHOWN], NO_PATHS, are_data=True),
    )


def _picture(each: Samples, beside: Floats | None, plane: Plane, told: str) -> Shown:
    kept, cell = each.kept, each.run.cell
    rows = _points(each)
    points = finite(rows)
    remarks = (unfinite_text(rows, "not drawn"), outside_text(num_outside(points, plane)))
    nearest = nearest_text(kept.nearest, beside)
    num = min(POINTS_SHOWN, len(rows))
    return Shown(
        title=cell.name,
        caption=samples_caption(each.run, kept, num, told, *remarks, nearest),
        run_name=each.run.run_name,
        is_baseline=cell.is_baseline,
        alt=rows_alt(f"{len(rows)} samples of {cell.name}", _told(each), *remarks),
        cloud=Cloud(
            points[:POINTS_SHOWN], shown_paths(kept.paths) if each.kind == "plane" else NO_PATHS
        ),
    )


def _told(each: Samples) -> Floats:
    """What is told of samples in numbers."""
    return each.kept.rows if each.kept.projected is None else each.kept.projected


def _points(each: Samples) -> Floats:
    return _shown(each, _told(each))


def _shown(each: Samples, rows: Floats) -> Floats:
    """Rows as points of the plane."""
    return ranked(rows) if each.kind == "ranked" else rows
