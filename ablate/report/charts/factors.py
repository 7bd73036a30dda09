"""What each factor does, and what two do together."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from ablate.analysis.records import BlockRecord, MetricRecord
from ablate.report.charts.encoding import Rows, Spec, data, name, number, spec_of, tips
from ablate.report.charts.theme import STEPS, colour
from ablate.report.comparisons import pair_p_text
from ablate.report.notes import ALPHA
from ablate.stats.effects import Interaction

LEVELS_UPRIGHT = 7
"""Levels from which on their labels are slanted."""
PALE = range(STEPS // 2 - 1, STEPS // 2 + 2)
"""Steps of the scale in the middle: what shows no effect must not look like one."""


def factor_panels(
    metric: MetricRecord, block: BlockRecord, seeds: Sequence[int | str]
) -> Spec | None:
    """A panel a factor: every seed's run, and the mean of each level; None without results."""
    points = _points(metric, block, seeds)
    if not points:
        return None
    panels: list[Any] = []
    for number_of, factor in enumerate(block.factors):
        panels.append(_panel(number_of, factor, block.levels[number_of], metric))
    told = "A dot is a run, a bar the mean of its level."
    title = alt.Title(f"{metric.name} by factor", subtitle=told)
    chart = alt.concat(*panels, columns=3, spacing=28, title=title)
    rows = {
        _rows_name(n): [point for point in points if point["factor"] == factor]
        for n, factor in enumerate(block.factors)
    }
    return spec_of(chart.resolve_scale(y="shared"), **rows)


def interaction(metric: MetricRecord, block: BlockRecord, number_of_pair: int) -> Spec | None:
    """What two factors do together beyond what each does alone, as a heat map.

    None where the runs do not tell. All maps of a block have one scale of colours, of which those
    that show no more than chance have the palest tones alone.
    """
    assert block.effects is not None
    pair = block.effects.interactions[number_of_pair]
    if not pair.estimable:
        return None
    one, other = pair.factors
    rows: Rows = [
        {"one": a, "other": b, "effect": float(pair.residuals[i, j]),
         "mean": float(pair.means[i, j]), "words": f"{pair.residuals[i, j]:+.2g}"}
        for i, a in enumerate(block.levels[one])
        for j, b in enumerate(block.levels[other])
        if math.isfinite(pair.residuals[i, j])
    ]  # fmt: skip
    most, is_found = _strongest(block.effects.interactions), pair.p < ALPHA
    tones = range(STEPS) if is_found else PALE
    names = (block.factors[one], block.factors[other])
    x = name("other", names[1], scale=alt.Scale(domain=list(block.levels[other])))
    y = name("one", names[0], scale=alt.Scale(domain=list(block.levels[one])))
    base = data("rows").encode(
        x=alt.X(**x, axis=alt.Axis(labelAngle=0, orient="top")), y=alt.Y(**y),
        tooltip=tips("effect", "mean", one=names[0], other=names[1], effect="beyond both",
                     mean="mean"),
    )  # fmt: skip
    tiles = base.mark_rect(cornerRadius=3).encode(color=_by_effect("tile", most, tones))
    words = base.mark_text(fontSize=13).encode(
        text=alt.Text(field="words", type="nominal"), color=_by_effect("text", most, tones)
    )
    better = f"; {'blue' if metric.mode == 'min' else 'orange'}: better" * (
        metric.ranked and is_found
    )
    told = f"{'log ' * metric.log_scale}{metric.told}, beyond the sum of both{better}"
    title = alt.Title(
        f"{names[0]} with {names[1]}",
        subtitle=[told, *_chance(pair.p, pair_p_text(block, number_of_pair))],
    )
    chart = (tiles + words).resolve_scale(color="independent")
    chart = chart.properties(width=alt.Step(84), height=alt.Step(44), title=title)
    return spec_of(chart, rows=rows)


def _points(metric: MetricRecord, block: BlockRecord, seeds: Sequence[int | str]) -> Rows:
    points: Rows = []
    for cell, codes in zip(block.members, block.codes, strict=True):
        for column, seed in enumerate(seeds):
            value = float(metric.values[cell, column])
            if not math.isfinite(value):
                continue
            jitter = (column / max(1, len(seeds) - 1) - 0.5) * 1.1
            own = {"cell": metric.cells[cell].name, "seed": seed, "value": value, "jitter": jitter}
            points += [
                {"factor": block.factors[n], "level": block.levels[n][code], **own}
                for n, code in enumerate(codes)
                if code >= 0
            ]
    return points


def _rows_name(factor: int) -> str:
    return f"factor{factor}"


def _panel(number_of: int, factor: str, levels: Sequence[str], metric: MetricRecord) -> Any:
    what = [metric.name, metric.value_text]  # in one line it would be longer than the axis
    y = number("value", None if number_of else what, scale=alt.Scale(zero=False))
    angle = 0 if len(levels) < LEVELS_UPRIGHT else -40
    x = alt.X(
        **name("level", scale=alt.Scale(domain=list(levels))),
        axis=alt.Axis(labelAngle=angle, title=None),
    )
    base = data(_rows_name(number_of)).encode(x=x)
    dots = base.mark_circle(size=36, opacity=0.6, color=colour("blue")).encode(
        y=alt.Y(**y), xOffset=alt.XOffset(**number("jitter", scale=alt.Scale(domain=[-1, 1]))),
        tooltip=tips("value", level=factor, cell="cell", seed="seed", value=metric.name),
    )  # fmt: skip
    mean = alt.Tooltip(
        field="value", aggregate="mean", type="quantitative", title="mean", format=".4~g"
    )
    bars = base.mark_tick(thickness=3, width=36, color=colour("ink")).encode(
        y=alt.Y(**y, aggregate="mean"), tooltip=[*tips(level=factor), mean]
    )
    title = alt.Title(factor, fontSize=12, color=colour("muted"))
    return (dots + bars).properties(width=alt.Step(64), height=200, title=title)


def _strongest(pairs: Sequence[Interaction]) -> float:
    known = [np.abs(pair.residuals) for pair in pairs if pair.estimable]
    return max((float(np.nanmax(residuals)) for residuals in known), default=0.0) or 1.0


def _chance(p: float, shown: str) -> list[str]:
    """A line on whether chance explains as much."""
    return [] if math.isnan(p) else [f"adj. p {shown}" + ", within noise" * (p >= ALPHA)]


def _by_effect(of: str, most: float, steps: range) -> Any:
    tones = [colour(f"{of}{step}") for step in steps]
    scale = alt.Scale(type="quantize", domain=[-most, most], nice=False, range=tones)
    return alt.Color(**number("effect", scale=scale), legend=None)
