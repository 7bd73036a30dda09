"""The runs under way as a table, as wide as the terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len, set_cell_size
from rich.table import Table

from ablate.numbers import clock
from ablate.process.screen import Text
from ablate.text import printable

ROWS_SHOWN = 16
NUMBERS = ("epoch", "step")
LEAVES = ("trained", "step", "metric")
"""Columns that leave a narrow terminal, in this order, until there is enough of runs' names."""
ENOUGH_OF_A_NAME = 24


@dataclass
class Running:
    """A run under way."""

    name: str
    trial: str = ""
    epoch: int | None = None
    step: int = 0
    seconds: float = 0.0
    values: dict[str, float] = field(default_factory=dict)
    """The latest of each watched metric."""


def running_table(runs: Sequence[Running], metrics: Sequence[str], width: int) -> Table:
    """The first of the runs, a row each, in as many columns as there is room for.

    Args:
        runs: The runs.
        metrics: What is to be said of each one's metric.
        width: Of the terminal.
    """
    runs, metrics = runs[:ROWS_SHOWN], metrics[:ROWS_SHOWN]
    columns: dict[str, list[str]] = {
        "epoch": ["" if run.epoch is None else str(run.epoch) for run in runs],
        "step": [str(run.step) for run in runs],
        "metric": [printable(metric) for metric in metrics],
        "trained": [clock(run.seconds) for run in runs],
    }
    longest = max(cell_len(run.name) for run in runs)
    for title in LEAVES:
        if _room(columns, width) < min(longest, ENOUGH_OF_A_NAME):
            del columns[title]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("running", *columns):
        table.add_column(title, justify="right" if title in NUMBERS else "left", no_wrap=True)
    room = max(1, _room(columns, width))
    for run, *texts in zip(runs, *columns.values(), strict=True):
        table.add_row(_cut(run.name, room), *map(Text, texts))
    return table


def _room(columns: Mapping[str, Sequence[str]], width: int) -> int:
    """What columns leave for names, with two blanks between any two."""
    return width - sum(2 + max(map(cell_len, [title, *texts])) for title, texts in columns.items())


def _cut(name: str, width: int) -> Text:
    """A name; where it is too long it loses its middle, for it ends in its seed."""
    if cell_len(name) <= width:
        return Text(name)
    end = (width - 1) // 4
    return Text(f"{set_cell_size(name, width - 1 - end)}…{set_cell_size(name[::-1], end)[::-1]}")
