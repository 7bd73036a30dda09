"""A table on the screen, as wide as that is."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from ablate.process.screen import Text
from ablate.report.columns import Column, Fitting, fitting_columns


def print_plain_table(columns: Sequence[Column], console: Console) -> None:
    """A table without styles, as wide as the terminal: what is left out of it is told above."""
    fitting = fitting_columns(columns, console.width)
    if fitting.told:
        console.print(Text(fitting.told, style="dim"))
    styles = [[""] * len(columns)] * len(columns[0].texts)
    console.print(screen_table(columns, fitting, styles))


def screen_table(
    columns: Sequence[Column], fitting: Fitting, styles: Sequence[Sequence[str]]
) -> Table:
    """The table as Rich prints it.

    Args:
        columns: All of them.
        fitting: Those that are shown.
        styles: (num_rows, num_columns), of the texts.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    shown = [(columns[place], width, place) for place, width in fitting.widths.items()]
    for column, width, _ in shown:
        title = Text(column.shown(column.title, width))
        justify = "right" if column.is_number else "left"
        table.add_column(title, justify=justify, width=width, overflow="fold")
    for row, of_row in enumerate(styles):
        texts = ((column.shown(column.texts[row], width), n) for column, width, n in shown)
        table.add_row(*(Text(text, style=of_row[place]) for text, place in texts))
    return table
