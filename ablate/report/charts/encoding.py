"""Short names for what the charts say again and again in Altair."""

from typing import Any

import altair as alt

Rows = list[dict[str, Any]]
Spec = dict[str, Any]
MANY_ROWS = 40
"""Cells from which on rows are drawn closer together."""


def number(field: str, title: str | None = None, **more: Any) -> dict[str, Any]:
    """A number, as an encoding."""
    return {"field": field, "type": "quantitative", "title": title, **more}


def name(field: str, title: str | None = None, **more: Any) -> dict[str, Any]:
    """A name, as an encoding."""
    return {"field": field, "type": "nominal", "title": title, **more}


def data(name_of_rows: str) -> alt.Chart:
    """A chart of rows that `spec_of` gets under this name: Altair would check each of them."""
    return alt.Chart(alt.NamedData(name=name_of_rows))


def tips(**titles: str) -> list[alt.Tooltip]:
    """Tooltip rows, field=title; a title that ends in # is a number's."""
    return [
        alt.Tooltip(field=field, type="quantitative", format=".4~g", title=title[:-1])
        if title.endswith("#")
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
    return {**spec, "description": _description(spec["title"]), "datasets": rows}


def _description(title: dict[str, Any]) -> str:
    """What a chart shows, for those who do not see it."""
    told = title.get("subtitle", [])
    return ". ".join([title["text"], *([told] if isinstance(told, str) else told)])
