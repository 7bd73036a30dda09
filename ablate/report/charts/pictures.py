"""Samples as clouds over the data's density, and sheets of pictures for a paper."""

from typing import Any

import altair as alt
import numpy as np

from ablate.report.charts.encoding import Rows, Spec, data, number, spec_of
from ablate.report.charts.theme import colour
from ablate.report.pictures.shown import Cloud, Group, Plane, Shown
from ablate.text import printable, shortened

WIDTH = 220
"""Of a panel, in pixels."""
HEIGHTS = (110, 260)
"""Between which a panel's is, whatever the ranges of its axes."""
TALLEST = 2 * WIDTH
"""Of pictures: what is higher is narrower."""
COLUMNS = 4
"""Of a sheet."""
TITLE_LENGTH = 34
"""Longer names of cells are cut, on paper."""
DIGITS = 4
SHADE = "shade"
"""The rows of the density, which all panels share."""


def cloud_panel(shown: Shown, plane: Plane) -> Spec:
    """A cloud as a chart of the page, which says the rest around it, and has the shade once."""
    assert shown.cloud is not None
    chart = _cloud(plane, "").properties(title=alt.Title("", offset=0))
    spec = spec_of(chart)
    del spec["title"]
    rows = _rows_of(shown.cloud, "")
    return {**spec, "description": printable(shown.alt), "datasets": rows}


def sheet(group: Group) -> Spec | None:
    """All pictures of a group as one figure; None where there is none."""
    pictures = [shown for shown in group.pictures if shown.cloud or shown.image]
    if not pictures:
        return None
    panels: list[Any] = []
    rows: dict[str, Rows] = {SHADE: [{"url": group.plane.density}]} if group.plane else {}
    for at, shown in enumerate(pictures):
        key = f"{at}-"
        if shown.cloud and group.plane:
            panel, own = _cloud(group.plane, key), _rows_of(shown.cloud, key)
        else:
            panel, own = _image(shown, key), {f"{key}image": [{"url": shown.image}]}
        name = shortened(shown.title, TITLE_LENGTH) + " (baseline)" * shown.is_baseline
        detail, run = shortened(shown.detail, TITLE_LENGTH), f"run {shown.run_name}"
        lines = [detail] * bool(detail) + [run] * bool(shown.run_name)
        panels.append(panel.properties(title=alt.Title(name, fontSize=12, subtitle=lines)))
        rows |= own
    title = alt.Title(group.title, subtitle=_lines(f"{group.heading}. {group.text}"))
    spec = spec_of(alt.concat(*panels, columns=COLUMNS, spacing=14, title=title))
    return {**spec, "datasets": rows}  # without a look at each character of the pictures


def _cloud(plane: Plane, key: str) -> Any:
    (left, bottom), (right, top) = plane.low, plane.high
    x, y = (
        number(field, title, scale=alt.Scale(domain=list(domain), nice=False, zero=False),
               axis=alt.Axis(tickCount=4, grid=False))
        for field, title, domain in (
            ("x", plane.titles[0], (left, right)), ("y", plane.titles[1], (bottom, top)),
        )
    )  # fmt: skip
    height = int(np.clip(WIDTH * (top - bottom) / (right - left), *HEIGHTS))
    paths = data(f"{key}paths").transform_flatten(["x", "y", "at"])
    paths = paths.mark_line(
        aria=False, clip=True, color=colour("vermillion"), strokeWidth=1, opacity=0.55
    ).encode(x=alt.X(**x), y=alt.Y(**y), detail="path:N", order="at:Q")
    # Not see-through: a PDF would be ten times as large.
    dots = data(f"{key}points").transform_flatten(["x", "y"])
    dots = dots.mark_circle(aria=False, clip=True, size=10, opacity=1).encode(
        x=alt.X(**x), y=alt.Y(**y), color=_tone()
    )
    layers = [paths, dots]
    if plane.density:
        shade = data(SHADE).mark_image(
            aria=False, align="left", baseline="top", width=WIDTH, height=height, aspect=False,
        )  # fmt: skip
        layers.insert(0, shade.encode(x=alt.value(0), y=alt.value(0), url="url:N"))
    return alt.layer(*layers).properties(width=WIDTH, height=height)


def _tone() -> Any:
    """Data in ink, samples in blue; titles say which are which."""
    scale = alt.Scale(domain=["data", "samples"], range=[colour("ink"), colour("blue")])
    return alt.Color(field="of", type="nominal", scale=scale, legend=None)


def _rows_of(cloud: Cloud, key: str) -> dict[str, Rows]:
    of = "data" if cloud.are_data else "samples"
    points = {"of": of, "x": _short(cloud.points[:, 0]), "y": _short(cloud.points[:, 1])}
    paths = [
        {"path": n, "x": _short(path[:, 0]), "y": _short(path[:, 1]), "at": [*range(len(path))]}
        for n, path in enumerate(cloud.paths)
    ]
    return {f"{key}points": [points], f"{key}paths": paths}


def _image(shown: Shown, key: str) -> Any:
    width, height = shown.size
    share = min(WIDTH / width, TALLEST / height)
    size: dict[str, Any] = {
        "width": max(1, round(width * share)),
        "height": max(1, round(height * share)),
    }
    base = data(f"{key}image").encode(x=alt.value(0), y=alt.value(0), url="url:N")
    mark = base.mark_image(
        aria=False, align="left", baseline="top", smooth=shown.is_smooth, **size
    )  # fmt: skip
    return mark.properties(width=WIDTH, height=size["height"])


def _lines(text: str) -> list[str]:
    """Sentence by sentence: a title does not wrap."""
    return [part.rstrip(".") for part in text.split(". ") if part]


def _short(values: Any) -> list[float]:
    return [float(f"{value:.{DIGITS}g}") for value in values]
