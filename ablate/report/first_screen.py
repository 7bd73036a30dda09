"""The five things that a report says first: answer, scope, what it can see, flags, one table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from ablate.analysis.records import MetricRecord, StudyRecord
from ablate.numbers import size_text
from ablate.report.flags import SHOWN, flags_of
from ablate.report.tables import tables_of
from ablate.report.text_table import TextTable
from ablate.report.words import answers

LEFT_OUT = "..."
UNLIKE = 1.5
"""Ratio of the widest interval to the narrowest from which on one number misleads of both."""


@dataclass(frozen=True, kw_only=True)
class FirstScreen:
    """What is read before anything else."""

    answers: Sequence[str]
    scope: Sequence[str]
    """In parts; empty where nobody says."""
    sight: str
    """What the study can see: `differences below 0.0031 cannot be seen (seed sd 0.0013)`."""
    flags: Sequence[str]
    """At most three."""
    num_more_flags: int
    table: TextTable
    further: Sequence[TextTable]
    """The other tables, which stand below."""

    @property
    def more_flags(self) -> str:
        """`and 2 more below`; empty where that are all."""
        return f"and {self.num_more_flags} more below" if self.num_more_flags else ""


def first_screen(record: StudyRecord) -> FirstScreen:
    """The first screen of a report, and the tables below it."""
    flags, (table, *further) = flags_of(record), tables_of(record)
    return FirstScreen(
        answers=answers(record),
        scope=record.metric.scope.told,
        sight=sight(record.metric),
        flags=flags[:SHOWN],
        num_more_flags=max(0, len(flags) - SHOWN),
        table=table,
        further=further,
    )


def sight(metric: MetricRecord) -> str:
    """Which differences a study cannot see, and by what spread of its seeds."""
    sd, least = metric.comparisons.residual_sd, _invisible(metric)
    if sd == 0:
        return "seed sd 0: results, or what cells differ by, do not vary over seeds"
    if not least:
        return "seed sd unknown: what differs by chance alone cannot be told from these runs"
    known = "unknown" if math.isnan(sd) else size_text(sd, metric.log_scale)
    told = [size_text(value, metric.log_scale) for value in least]
    by_cell = " (by cell)" * (len(told) > 1)
    has_factors = any(block.effects for block in metric.blocks) and metric.pairs is None
    of = " of cells" * (has_factors and not by_cell)
    return f"differences{of} below {' to '.join(told)}{by_cell} cannot be seen (seed sd {known})"


def _invisible(metric: MetricRecord) -> Sequence[float]:
    """Half an interval's width; where cells' intervals are clearly unlike the least and the most.

    Some rest on a spread of their own, others on what seeds change of a factor's effect, too.
    """
    found = [cell.comparison for cell in metric.cells]
    halves = [(one.high - one.low) / 2 for one in found if one.high > one.low]
    if halves and max(halves) > UNLIKE * min(halves):
        return [min(halves), max(halves)]
    return [metric.resolution] if metric.resolution > 0 else halves[:1]


def fitting(parts: Sequence[str], width: int) -> str:
    """As many parts as fit on a line, with what says that there are more."""
    whole = "; ".join(parts)
    if cell_len(whole) <= width:
        return whole
    for number in range(len(parts) - 1, 0, -1):
        told = f"{'; '.join(parts[:number])}; {LEFT_OUT}"
        if cell_len(told) <= width:
            return told
    return set_cell_size(whole, max(0, width - len(LEFT_OUT))).rstrip() + LEFT_OUT
