"""The ablation table as text, cell by cell: what every renderer shows."""

from collections.abc import Sequence
from typing import NamedTuple

from ablate.design import text
from ablate.report.numbers import interval_text, p_text, rounded, spread_text
from ablate.report.records import CellRecord, StudyRecord

NUMBERS = ("ok/planned", "mean ± sd", "difference [95 %]", "adj. p")


class TableRow(NamedTuple):
    """One cell's row."""

    labels: Sequence[str]
    numbers: Sequence[str]
    """As `NUMBERS`."""
    verdict: str


def table_rows(record: StudyRecord) -> list[TableRow]:
    """The rows of the table, in the order of the cells."""
    return [_row(cell) for cell in record.cells]


def headline(record: StudyRecord) -> str:
    """`sliced_w2 (lower is better), 3 seeds`."""
    direction = "lower" if record.mode == "min" else "higher"
    seeds = f"{len(record.seeds)} seed{'s' if len(record.seeds) != 1 else ''}"
    return f"{record.metric} ({direction} is better), {seeds}"


def footnotes(record: StudyRecord) -> list[str]:
    """How the table is to be read, and what this study cannot see."""
    notes: list[str] = []
    if record.floor is not None:
        low, high = (rounded(bound) for bound in record.floor)
        shown = low if low == high else f"{low} to {high}"
        notes.append(f"floor, training data against test data: {shown}")
    judgement = record.judgement
    if record.resolution == record.resolution:
        notes.append(
            "differences to the baseline paired by seed; intervals hold all at once (Dunnett, "
            f"residual sd {rounded(judgement.residual_sd, judgement.residual_sd)}, "
            f"df {judgement.df})"
        )
        limit = rounded(record.resolution, record.resolution)
        notes.append(f"differences below about {limit} are noise to this study")
        if judgement.spread_check:
            notes.append(judgement.spread_check)
    if record.caveat:
        notes.append(f"caution: {record.caveat}")
    return notes


def _row(cell: CellRecord) -> TableRow:
    found, value = cell.comparison, cell.value
    apart = "" if found.pooled else " (own spread)"
    return TableRow(
        [text(label) for label in cell.cell.labels.values()],
        [
            f"{value.num}/{cell.num_planned}",
            spread_text(value.mean, value.sd),
            "" if cell.is_baseline else interval_text(found.difference, found.low, found.high),
            "" if cell.is_baseline else p_text(found.p),
        ],
        found.verdict + apart,
    )
