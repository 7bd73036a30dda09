"""The tables of a report in a terminal."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from ablate.analysis.records import StudyRecord
from ablate.numbers import clock
from ablate.process.screen import Text
from ablate.report.first_screen import FirstScreen, first_screen, fitting
from ablate.report.tables import COUNTS, history_lines
from ablate.report.text_table import ADJUSTED, TextTable
from ablate.stats.verdicts import Cause, VerdictKind
from ablate.text import first_line

MISSING_SHOWN = 20
WIDEST = 120
"""Columns of the scope's line, however wide the terminal is."""
GAP = 2
"""Spaces between columns."""
EXPENDABLE = (ADJUSTED, *COUNTS, "mean ± sd", "mean")
"""Columns that a narrow terminal does without, in this order: intervals and verdicts stay.

The counts of runs stay, too, where a run is missing. Where that is not enough, labels are folded.
"""
STYLES = {
    VerdictKind.BETTER: "green", VerdictKind.WORSE: "red", Cause.FAILED: "red",
    Cause.SAME_NUMBERS: "yellow",
}  # fmt: skip


def print_report(record: StudyRecord, console: Console) -> None:
    """Prints the first screen, what its table means, then the other tables and all the rest.

    Every planned run that is missing from the tables is named with its cause.
    """
    first = first_screen(record)
    console.print()
    console.print(Text(record.question or record.name, style="bold"))
    _print_first(first, console)
    is_short = _scope_line(first, console) != f"scope: {record.scope}"
    if first.table.notes or is_short:
        console.print()
    _print_notes(first.table, console)
    if is_short:
        console.print(Text(f"scope: {record.scope}", style="dim"), soft_wrap=True)
    for table in first.further:
        console.print()
        _print_table(table, console)
        _print_notes(table, console)
    console.print()
    for note in record.notes:
        console.print(Text(f"note: {note}", style="yellow"), soft_wrap=True)
    for line in history_lines(record, with_log=False):
        console.print(Text(line, style="dim"), soft_wrap=True)
    _print_missing(record, console)
    told = record.origin or f"training time, all runs together: {clock(record.seconds)}"
    console.print(Text(told), soft_wrap=True)


def print_undrawn(undrawn: Sequence[str], console: Console) -> None:
    """Says what the report's files lack."""
    for told in undrawn:
        console.print(Text(f"not drawn: {first_line(told)}", style="yellow"), soft_wrap=True)


def _print_first(first: FirstScreen, console: Console) -> None:
    """The five things; each flag on one line, for at length it stands below."""
    for answer in first.answers:
        console.print(Text(answer))
    if first.scope:
        console.print(Text(_scope_line(first, console), style="dim"), soft_wrap=True)
    console.print(Text(first.sight, style="dim"), soft_wrap=True)
    for flag in first.flags:
        told = fitting([f"caution: {flag}"], console.width)
        console.print(Text(told, style="yellow"), soft_wrap=True)
    if first.more_flags:
        console.print(Text(first.more_flags, style="yellow"))
    _print_table(first.table, console)


def _scope_line(first: FirstScreen, console: Console) -> str:
    """As much of the scope as fits on a line."""
    head = "scope: "
    return head + fitting(first.scope, min(console.width, WIDEST) - len(head))


def _print_table(table: TextTable, console: Console) -> None:
    console.print(Text(table.title, style="dim"))
    console.print(_table(table, console.width))


def _print_notes(table: TextTable, console: Console) -> None:
    for note in table.notes:
        style = "yellow" if note.is_caution else "dim"
        console.print(Text(note.line, style=style), soft_wrap=True)


def _table(content: TextTable, width: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    shown, fits = _fitting(content, width)
    for title in content.labels:
        table.add_column(Text(title), no_wrap=fits, overflow="fold")
    for number in shown:
        table.add_column(content.numbers[number], justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in content.rows:
        style = "yellow" if row.verdict.is_partial else STYLES.get(row.verdict.gist, "")
        verdict = Text(row.verdict_text, style=style)
        # Its labels too: where the terminal is narrow the number itself may not be there.
        bold = "bold" if row.bold is not None else ""
        labels = [Text(label, style=bold) for label in row.labels]
        numbers = [Text(row.numbers[n], style=bold if n == row.bold else "") for n in shown]
        table.add_row(*labels, *numbers, verdict)
    return table


def _fitting(content: TextTable, width: int) -> tuple[list[int], bool]:
    """The columns of numbers to show, and whether all fits; those that say least go first."""
    rows = [content.columns, *(row.texts for row in content.rows)]
    widths = [max(map(cell_len, column)) + GAP for column in zip(*rows, strict=True)]
    first = len(content.labels)
    shown = list(range(len(content.numbers)))
    total = sum(widths) - GAP
    for title in (t for t in EXPENDABLE if t not in COUNTS or not _is_incomplete(content)):
        if total <= width:
            break
        total -= sum(widths[first + n] for n in shown if content.numbers[n] == title)
        shown = [n for n in shown if content.numbers[n] != title]
    return shown, total <= width


def _is_incomplete(content: TextTable) -> bool:
    column = next((n for n, title in enumerate(content.numbers) if title in COUNTS), None)
    if column is None:
        return False
    counts = [row.numbers[column].split("/") for row in content.rows]
    return any(done != planned for done, planned in counts)


def _print_missing(record: StudyRecord, console: Console) -> None:
    for run in record.missing[:MISSING_SHOWN]:
        cause = f"  {run.cause}" if run.cause else ""
        style = "red" if run.status.has_failed else ""
        told = f"missing: {run.run_name}  {run.status}{cause}"
        console.print(Text(told, style=style), soft_wrap=True)
    if len(record.missing) > MISSING_SHOWN:
        console.print(Text(f"missing: and {len(record.missing) - MISSING_SHOWN} more"))
