"""Differences to the baseline with their intervals, a row a cell."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from ablate.analysis.records import CellRecord, MetricRecord
from ablate.numbers import MOST_LOG, p_text
from ablate.report.charts.encoding import (
    Rows,
    Spec,
    data,
    name,
    number,
    rows_of_cells,
    spec_of,
    tips,
)
from ablate.report.charts.theme import colour, marks_of
from ablate.report.comparisons import difference_text


def forest(metric: MetricRecord) -> Spec | None:
    """The forest plot of a metric; None where no cell has an interval."""
    rows = _rows(metric)
    if not rows:
        return None
    what = f"{metric.told}: {'change, %' if metric.log_scale else 'cell − baseline'}"
    towards = " (← better)" if metric.mode == "min" else " (better →)"
    axis = number("difference", what + towards * metric.ranked, axis=alt.Axis(format=".6~g"))
    y, height = rows_of_cells([row["cell"] for row in rows])
    tip = tips(
        cell="cell",
        verdict="verdict",
        shown="difference [95 %]",
        p="p, adjusted",
        against="against",
    )
    base = data("rows").encode(y=y, tooltip=tip)
    layers = [
        *_zero_layers(axis),
        *_interval_layers(base, axis, metric),
    ]
    if metric.margin is not None:
        grey_band = data("margin").mark_rect(color=colour("grid"), opacity=0.6)
        layers.insert(0, grey_band.encode(x=alt.X(**axis), x2="to"))
    told = "Simultaneous 95 % intervals: a cell differs where its line leaves zero."
    grey = " Grey: the margin." if metric.margin is not None else ""
    against = metric.against if metric.has_baselines else ""
    shown = f"{metric.name} against {against or 'the baseline'}"
    title = alt.Title(shown, subtitle=told + grey)
    chart = alt.layer(*layers).properties(width=520, height=height, title=title)
    return spec_of(chart, rows=rows, zero=[{"difference": 0}], margin=_margin_rows(metric))


def _rows(metric: MetricRecord) -> Rows:
    """The best first."""
    rows: Rows = []
    for cell in _with_interval(metric):
        found = cell.comparison
        bounds = (found.difference, found.low, found.high)
        if metric.log_scale:
            bounds = tuple(100 * math.expm1(min(bound, MOST_LOG)) for bound in bounds)
        rows.append({
            "cell": cell.name + cell.remark, "verdict": found.verdict.text, "difference": bounds[0],
            "low": bounds[1], "high": bounds[2], "p": p_text(found.p),
            "shown": difference_text(found, metric.log_scale), "against": cell.against,
        })  # fmt: skip
    return sorted(rows, key=lambda row: row["difference"], reverse=metric.mode == "max")


def _with_interval(metric: MetricRecord) -> list[CellRecord]:
    return [cell for cell in metric.cells if math.isfinite(cell.comparison.low)]


def _margin_rows(metric: MetricRecord) -> Rows:
    if metric.margin is None:
        return []
    low, high = -metric.margin, metric.margin
    if metric.log_scale:  # in per cent: a ratio is as far from one as its inverse
        low, high = 100 * math.expm1(-math.log1p(high)), 100 * high
    return [{"difference": low, "to": high}]


def _zero_layers(axis: dict[str, Any]) -> list[Any]:
    """A line with its number at the top: the axis leaves numbers out where there is no room."""
    line = data("zero").mark_rule(color=colour("muted"), strokeWidth=1.5)
    words = data("zero").mark_text(color=colour("muted"), baseline="bottom", dy=-2)
    return [
        line.encode(x=alt.X(**axis)),
        words.encode(x=alt.X(**axis), y=alt.value(0), text=alt.value("0")),
    ]


def _interval_layers(base: Any, axis: dict[str, Any], metric: MetricRecord) -> list[Any]:
    given = {cell.comparison.verdict for cell in _with_interval(metric)}
    present = {verdict.text: mark for verdict, mark in marks_of(given)}
    hues = [colour(mark.hue) for mark in present.values()]
    shapes = [mark.shape for mark in present.values()]
    fills = [colour(mark.hue if mark.is_filled else "paper") for mark in present.values()]

    def by_verdict(values: Sequence[str]) -> dict[str, Any]:
        return name("verdict", "verdict", scale=alt.Scale(domain=list(present), range=list(values)))

    ends: dict[str, Any] = {**axis, "field": "low"}
    return [
        base.mark_rule(strokeWidth=2.5).encode(
            x=alt.X(**ends), x2="high", stroke=alt.Stroke(**by_verdict(hues))
        ),
        base.mark_point(size=100, opacity=1, strokeWidth=2).encode(
            x=alt.X(**axis), stroke=alt.Stroke(**by_verdict(hues)),
            shape=alt.Shape(**by_verdict(shapes)), fill=alt.Fill(**by_verdict(fills)),
        ),
    ]  # fmt: skip
