"""How training went: learning curves and run times."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from ablate.analysis.curves import Curve
from ablate.analysis.records import MetricRecord, RunRecord
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
from ablate.report.charts.theme import DASHES, HUES, colour

CURVES_SHOWN = 12
DIGITS = 5


def learning_curves(what: str, metric: MetricRecord, curves: Sequence[Curve]) -> Spec | None:
    """Mean and range of the seeds over training, a line a cell; the baseline first.

    Args:
        what: The metric of the curves.
        metric: The study's metric: where there are many cells, those that differ most are shown.
        curves: A curve a cell.
    """
    shown = _chosen(metric, curves)
    if not shown:
        return None
    names = [metric.cells[curve.cell].name for curve in shown]
    rows: Rows = [
        {"cell": cell, "step": curve.steps.tolist(), "mean": _short(curve.mean),
         "low": _short(curve.low), "high": _short(curve.high)}
        for cell, curve in zip(names, shown, strict=True)
    ]  # fmt: skip
    subtitle = "Line: mean of seeds; band: their lowest to highest. Click names in the legend."
    left_out = len(curves) - len(shown)
    if left_out:
        subtitle += f" {left_out} cells that differ less are left out."
    title = alt.Title(f"{what} over training", subtitle=subtitle)
    chart = alt.layer(*_layers(names, what))
    return spec_of(chart.properties(width=600, height=320, title=title), rows=rows)


def run_times(metric: MetricRecord, runs: Sequence[RunRecord]) -> Spec | None:
    """Training time of every run, a row a cell; None where no time is known."""
    rows: Rows = [
        {"cell": metric.cells[run.cell].name, "run": run.run_name, "seconds": run.seconds}
        for run in runs
        if run.cell >= 0 and math.isfinite(run.seconds)
    ]
    if not rows:
        return None
    y, height = rows_of_cells([cell.name for cell in metric.cells])
    x = number("seconds", "seconds of training", scale=alt.Scale(zero=True))
    base = data("rows").encode(y=y)
    dots = base.mark_circle(size=36, opacity=0.6, color=colour("blue")).encode(
        x=alt.X(**x), tooltip=tips("seconds", run="run", seconds="seconds")
    )
    bars = base.mark_tick(thickness=3, color=colour("ink")).encode(x=alt.X(**x, aggregate="mean"))
    title = alt.Title("Run time", subtitle="A dot is a run, a bar the mean of its cell.")
    return spec_of((dots + bars).properties(width=520, height=height, title=title), rows=rows)


def _chosen(metric: MetricRecord, curves: Sequence[Curve]) -> list[Curve]:
    """Baselines, then cells in the table's order; of many those that differ most, and theirs."""

    def unlike(curve: Curve) -> float:
        found = abs(metric.cells[curve.cell].comparison.difference)
        return found if math.isfinite(found) else 0.0

    baselines = [curve for curve in curves if metric.cells[curve.cell].is_baseline]
    others = [curve for curve in curves if not metric.cells[curve.cell].is_baseline]
    cells = {curve.cell for curve in baselines[:1]}
    for curve in sorted(others, key=unlike, reverse=True):
        reference = metric.cells[curve.cell].reference
        pair = {curve.cell} | ({reference} if metric.cells[reference].is_baseline else set())
        if len(cells | pair) <= CURVES_SHOWN:
            cells |= pair
    return [curve for curve in (*baselines, *others) if curve.cell in cells]


def _layers(names: Sequence[str], what: str) -> list[Any]:
    pick = alt.selection_point(
        name="pick", fields=["cell"], bind="legend", toggle="true", value=[{"cell": names[0]}]
    )
    base = data("rows").transform_flatten(["step", "mean", "low", "high"])
    x = alt.X(**number("step", "step"), axis=alt.Axis(format=",d", tickMinStep=1, grid=False))
    hues, dashes = _styles(names)
    band = base.mark_area().encode(
        x=x, y=alt.Y(**number("low", what, scale=alt.Scale(zero=False))), y2="high", color=hues,
        fillOpacity=alt.condition(pick, alt.value(0.2), alt.value(0), empty=False),
    )  # fmt: skip
    line = base.mark_line().encode(
        x=x, y=alt.Y(**number("mean", what)), color=hues, strokeDash=dashes,
        opacity=alt.condition(pick, alt.value(1), alt.value(0.35)),
        strokeWidth=alt.condition(pick, alt.value(2.2), alt.value(1.2)),
    )  # fmt: skip
    dots = base.mark_point(size=90, opacity=0, filled=True).encode(
        x=x, y=alt.Y(**number("mean", what)), color=hues,
        tooltip=tips("step", "mean", "low", "high", cell="cell", step="step", mean="mean of seeds",
                     low="lowest", high="highest"),
    )  # fmt: skip
    return [band.add_params(pick), line, dots]  # the legend listens to the first layer alone


def _styles(names: Sequence[str]) -> tuple[Any, Any]:
    """Colours and dashes by cell: the baseline in ink, the others told apart by both."""
    others = range(len(names) - 1)
    hues = [colour("ink"), *(colour(HUES[n % len(HUES)]) for n in others)]
    dashes = [[1, 0], *(DASHES[n // len(HUES) % len(DASHES)] for n in others)]
    legend = alt.Legend(
        symbolType="stroke", symbolOpacity=1, symbolSize=300, symbolFillColor="transparent"
    )
    what = name("cell", "cell (click to pick)")
    domain = list(names)
    return (
        alt.Color(**what, scale=alt.Scale(domain=domain, range=hues), legend=legend),
        alt.StrokeDash(**what, scale=alt.Scale(domain=domain, range=dashes), legend=legend),
    )


def _short(values: Any) -> list[float]:
    """Values with as many digits as a chart shows: the page holds thousands of them."""
    return [float(f"{value:.{DIGITS}g}") for value in np.asarray(values)]
