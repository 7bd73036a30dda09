"""A dot a seed: where the values of a table's cells lie on one scale, also as text."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from ablate.analysis.records import MetricRecord

TITLE = "each seed"
PLACES = 16
EMPTY, DOT, REFERENCE = "·", "●", "│"


class Scale(NamedTuple):
    """From the lowest value of all cells to the highest."""

    low: float
    high: float

    def share(self, value: float) -> float:
        """Where a value stands: 0 at the lowest, 1 at the highest."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return min(1.0, max(0.0, share))


def scale_of(metric: MetricRecord) -> Scale | None:
    """The scale of a metric; None where values are missing, or too far apart for any."""
    known = [float(value) for row in metric.values for value in row if math.isfinite(value)]
    if not known or not math.isfinite(max(known) - min(known)):
        return None
    return Scale(min(known), max(known))


def reference_of(metric: MetricRecord, cell: int) -> float:
    """The mean that a cell is compared with, a baseline's own; nan where there is none."""
    reference = metric.cells[cell].reference
    is_alone = reference == cell and not metric.cells[cell].is_baseline
    return math.nan if is_alone or metric.pairs is not None else metric.cells[reference].value.mean


def meaning(lines: Sequence[str]) -> str:
    """What stands in `dots`, for people; of the bar nothing where there is none."""
    bar = f", {REFERENCE} the baseline's mean" * any(REFERENCE in line for line in lines)
    return f"{TITLE}: {DOT} runs{bar}, all rows on one scale"


def dots(metric: MetricRecord) -> list[str]:
    """A line of `PLACES` characters a cell: `··●·●│····●····`; none where there is no scale.

    A dot is one seed or several, the bar the mean of the cell's baseline.
    """
    scale = scale_of(metric)
    if scale is None:
        return []
    return [_line(metric, cell, scale) for cell in range(len(metric.cells))]


def _line(metric: MetricRecord, cell: int, scale: Scale) -> str:
    places = [EMPTY] * PLACES
    reference = reference_of(metric, cell)
    if math.isfinite(reference):
        places[_place(reference, scale)] = REFERENCE
    for value in map(float, metric.values[cell]):
        if math.isfinite(value):
            places[_place(value, scale)] = DOT
    return "".join(places)


def _place(value: float, scale: Scale) -> int:
    return round(scale.share(value) * (PLACES - 1))
