"""The tables of a report in a terminal."""

from collections.abc import Sequence
from dataclasses import replace

from rich.cells import cell_len
from rich.console import Console

from ablate.analysis.records import StudyRecord
from ablate.numbers import clock
from ablate.process.screen import Text
from ablate.report.columns import Column, Folds, Leaves, fitting_columns
from ablate.report.dots import TITLE, meaning
from ablate.report.first_screen import FirstScreen, first_screen, fitting
from ablate.report.screen_table import screen_table
from ablate.report.tables import COUNTS, history_lines
from ablate.report.text_table import ADJUSTED, DIFFERENCES, TableRow, TextTable
from ablate.stats.verdicts import Cause, VerdictKind
from ablate.text import first_line, num_runs

MISSING_SHOWN = 20
WIDEST = 120
"""Columns of the scope's line, however wide the terminal is."""
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


def print_so_far(record: StudyRecord, console: Console) -> None:
    """Prints the first table alone, while runs of a study are under way."""
    num, ended = len(record.runs), sum(run.status.has_ended for run in record.runs)
    console.print()
    console.print(Text(f"so far, with {ended} of {num_runs(num)} ended:", style="bold"))
    _print_table(first_screen(record).table, console)
    console.print()


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
    columns = _columns(table)
    fitting = fitting_columns(columns, console.width)
    told = meaning(table.dots) if fitting.has_dots else ""
    parts = list(filter(None, [table.title, fitting.told, told]))
    title = "; ".join(parts)
    console.print(
        Text(title if cell_len(title) <= console.width else "\n".join(parts), style="dim")
    )
    styles = [_styles(row, has_dots=bool(table.dots)) for row in table.rows]
    console.print(screen_table(columns, fitting, styles))


def _print_notes(table: TextTable, console: Console) -> None:
    for note in table.notes:
        if note.is_of_bold and not console.is_terminal:
            continue  # a pipe or a file: nothing is bold there
        style = "yellow" if note.is_caution else "dim"
        console.print(Text(note.line, style=style), soft_wrap=True)


def _styles(row: TableRow, has_dots: bool) -> list[str]:
    """Of its texts: bold from the left edge, where one looks for what may be the best."""
    labels = ["bold" if row.bold is not None else ""] * len(row.labels)
    dots = [""] * has_dots
    numbers = ["bold" if place == row.bold else "" for place in range(len(row.numbers))]
    verdict = row.verdict
    return [
        *labels,
        *dots,
        *numbers,
        "yellow" if verdict.is_partial else STYLES.get(verdict.gist, ""),
    ]


def _columns(content: TextTable) -> list[Column]:
    first, last = len(content.labels), len(content.columns) - 1
    columns = zip(content.columns, *(row.texts for row in content.rows), strict=True)
    found: list[Column] = []
    for place, (title, *texts) in enumerate(columns):
        if place == first and content.dots:
            found.append(Column(title=TITLE, texts=content.dots, leaves=Leaves.DOTS))
        if place < first:
            found.append(Column(title=title, texts=texts, folds=Folds.LABEL, may_be_told=True))
        elif place < last:
            found.append(_number_column(title, texts))
        else:
            found.append(Column(title=title, texts=texts, folds=Folds.VERDICT))
    return found


def _number_column(title: str, texts: Sequence[str]) -> Column:
    """Means stay on a narrow terminal; counts do where a run is missing."""
    column = Column(title=title, texts=texts, is_number=True)
    if title in COUNTS:
        if _is_incomplete(texts):
            return column
        # Where no run is missing, the heading has the number of seeds.
        return replace(column, leaves=Leaves.COUNT, may_be_told=True, stands_elsewhere=True)
    if title in DIFFERENCES:
        return replace(column, folds=Folds.DIFFERENCE, leaves=Leaves.DIFFERENCE)
    return replace(column, leaves=Leaves.P) if title == ADJUSTED else column


def _is_incomplete(counts: Sequence[str]) -> bool:
    return any(done != planned for done, planned in (count.split("/") for count in counts))


def _print_missing(record: StudyRecord, console: Console) -> None:
    for run in record.missing[:MISSING_SHOWN]:
        cause = f"  {run.cause}" if run.cause else ""
        style = "red" if run.status.has_failed else ""
        told = f"missing: {run.run_name}  {run.status}{cause}"
        console.print(Text(told, style=style), soft_wrap=True)
    if len(record.missing) > MISSING_SHOWN:
        console.print(Text(f"missing: and {len(record.missing) - MISSING_SHOWN} more"))
