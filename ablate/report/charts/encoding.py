"""Short names for what the charts say again and again in Altair."""

import math
from typing import Any

import altair as alt

from ablate.text import printable

Rows = list[dict[str, Any]]
Spec = dict[str, Any]
VEGA_LITE = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
"""The version that Altair writes, as vl_convert calls it."""
MANY_ROWS = 40
"""Cells from which on rows are drawn closer together."""


def number(field: str, title: str | list[str] | None = None, **more: Any) -> dict[str, Any]:
    """A number, as an encoding; its title may have several lines."""
    return {"field": field, "type": "quantitative", "title": title, **more}


def name(field: str, title: str | None = None, **more: Any) -> dict[str, Any]:
    """A name, as an encoding."""
    return {"field": field, "type": "nominal", "title": title, **more}


def data(name_of_rows: str) -> alt.Chart:
    """A chart of rows that `spec_of` gets under this name: Altair would check each of them."""
    return alt.Chart(alt.NamedData(name=name_of_rows))


def tips(*numbers: str, **titles: str) -> list[alt.Tooltip]:
    """Tooltip rows, field=title; those named first are numbers."""
    return [
        alt.Tooltip(field=field, type="quantitative", format=".4~g", title=title)
        if field in numbers
        else alt.Tooltip(field=field, type="nominal", title=title)
        for field, title in titles.items()
    ]


def rows_of_cells(names: list[str]) -> tuple[Any, Any]:
    """A row a cell: the axis, and the height."""
    y = alt.Y(**name("cell", scale=alt.Scale(domain=names)), axis=alt.Axis(title=None))
    return y, alt.Step(24 if len(names) < MANY_ROWS else 16)


def spec_of(chart: Any, **rows: Rows) -> Spec:
    """The chart as Vega-Lite with its rows, without Altair's own theme and the schema's address."""
    spec = chart.to_dict(validate=False)  # a browser's test sees what a schema would find
    del spec["config"], spec["$schema"]
    described = {**spec, "description": _description(spec["title"]), "datasets": rows}
    return _with_titles(_holdable(described))


def _holdable(value: Any) -> Any:
    """With what users wrote as text that a browser and SVG can hold, and numbers that JSON can.

    Of enormous values a mean or a difference may be infinite: there is nothing to draw of it.
    """
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {_holdable(key): _holdable(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [_holdable(item) for item in value] if isinstance(value, list | tuple) else value


def _with_titles(spec: Any) -> Any:
    r"""With the titles of encodings as Vega-Lite takes them: for the inside of a JavaScript string.

    There `a\b` would be a backspace. What axes are called is text.
    """
    if isinstance(spec, list):
        return [_with_titles(item) for item in spec]
    if not isinstance(spec, dict):
        return spec
    kept = {key: item if key == "datasets" else _with_titles(item) for key, item in spec.items()}
    title = spec.get("title")
    if "field" in spec and isinstance(title, str):
        kept["title"] = _quoted(title)
    elif "field" in spec and isinstance(title, list):
        kept["title"] = [_quoted(line) for line in title]
    for channel, definition in spec.get("encoding", {}).items():
        title = definition.get("title") if channel in ("x", "y") else None
        if title is not None:
            kept["encoding"][channel]["axis"] = {"title": title, **(definition.get("axis") or {})}
    return kept


def _quoted(title: str) -> str:
    return title.replace("\\", "\\\\")


def _description(title: dict[str, Any]) -> str:
    """What a chart shows, for those who do not see it."""
    told = title.get("subtitle", [])
    return ". ".join([title["text"], *([told] if isinstance(told, str) else told)])
