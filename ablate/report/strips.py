"""A dot a seed: the values of a table's cells on one scale, as small pictures within the page."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from ablate.analysis.records import MetricRecord
from ablate.numbers import rounded
from ablate.report.dots import Scale, reference_of, scale_of

WIDTH, HEIGHT, RADIUS = 120.0, 18.0, 3.0
PAD = 2 * RADIUS
NOTHING = Markup("")


def strips(metric: MetricRecord, seeds: Sequence[int | str]) -> list[Markup]:
    """A picture a cell: its seeds as dots, and its baseline's mean as a line.

    Nothing where values are missing, or lie so far apart that no scale holds them.

    Args:
        metric: The metric, whose values are (num_cells, num_seeds).
        seeds: (num_seeds,), for those who cannot see the dots.
    """
    scale = scale_of(metric)
    if scale is None:
        return [NOTHING] * len(metric.cells)
    return [_strip(metric, index, seeds, scale) for index in range(len(metric.cells))]


def _strip(metric: MetricRecord, index: int, seeds: Sequence[int | str], scale: Scale) -> Markup:
    cell = metric.cells[index]
    values = [float(value) for value in metric.values[index]]
    told = [(seed, v) for seed, v in zip(seeds, values, strict=True) if math.isfinite(v)]
    if not told:
        return NOTHING
    kind = Markup("dot own") if cell.is_baseline else Markup("dot")
    line, reference = NOTHING, reference_of(metric, index)
    if math.isfinite(reference):
        x = _place(reference, scale)
        line = Markup('<line x1="{0}" x2="{0}" y1="1" y2="{1}"/>').format(x, f"{HEIGHT - 1:g}")
    dots = Markup("").join(
        Markup('<circle class="{}" cx="{}" cy="{}" r="{}"/>').format(
            kind, _place(value, scale), f"{HEIGHT / 2:g}", f"{RADIUS:g}"
        )
        for _, value in told
    )
    text = ", ".join(f"seed {seed}: {rounded(value, cell.value.sd)}" for seed, value in told)
    return Markup(
        '<svg class="strip" role="img" aria-label="{0}" width="{1}" height="{2}" '
        'viewBox="0 0 {1} {2}"><title>{0}</title>{3}{4}</svg>'
    ).format(text, f"{WIDTH:g}", f"{HEIGHT:g}", line, dots)


def _place(value: float, scale: Scale) -> str:
    """Where a value stands, from the left."""
    return f"{PAD + scale.share(value) * (WIDTH - 2 * PAD):.1f}"
