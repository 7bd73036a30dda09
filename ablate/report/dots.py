"""A dot a seed: where the values of a table's cells lie on one scale, also as text."""

import math
from typing import NamedTuple

from ablate.analysis.records import MetricRecord

TITLE = "each seed"
PLACES = 16
EMPTY, DOT, REFERENCE = "·", "●", "│"
MEANING = f"{TITLE}: {DOT} runs, {REFERENCE} the baseline's mean, all rows on one scale"


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
    """The mean that a cell is compared with; nan where there is none."""
    if metric.pairs is not None:
        return math.nan
    return metric.cells[metric.cells[cell].reference].value.mean


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
