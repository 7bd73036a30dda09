"""The ablation table in a terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ablate.progress import clock
from ablate.report.records import StudyRecord
from ablate.report.table import NUMBERS, footnotes, headline, table_rows

MISSING_SHOWN = 20
WIDE = 100
"""Characters in which all columns fit."""
STYLES = {"better": "green", "worse": "red", "failed": "red"}


def print_report(record: StudyRecord, console: Console) -> None:
    """Prints the table, then every planned run that is missing from it with its cause."""
    console.print()
    console.print(Text(record.question or record.name, style="bold"), soft_wrap=True)
    console.print(Text(headline(record), style="dim"))
    console.print(_table(record, console.width))
    for note in footnotes(record):
        style = "yellow" if note.startswith("caution") else "dim"
        console.print(Text(note, style=style), soft_wrap=True)
    _print_missing(record, console)
    console.print(Text(f"training time, all runs together: {clock(record.seconds)}"))


def _table(record: StudyRecord, width: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for factor in record.factors:
        table.add_column(Text(factor))
    # A narrow terminal shows the verdict rather than the p value that says the same.
    shown = NUMBERS if width >= WIDE else NUMBERS[:-1]
    for title in shown:
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in table_rows(record):
        verdict = Text(row.verdict, style=STYLES.get(row.verdict.split(",")[0], ""))
        table.add_row(*map(Text, row.labels), *row.numbers[: len(shown)], verdict)
    return table


def _print_missing(record: StudyRecord, console: Console) -> None:
    for run in record.missing[:MISSING_SHOWN]:
        cause = f"  {run.cause}" if run.cause else ""
        style = "red" if run.status in ("failed", "diverged") else ""
        console.print(Text(f"missing: {run.run_name}  {run.status}{cause}", style=style))
    if len(record.missing) > MISSING_SHOWN:
        console.print(Text(f"missing: and {len(record.missing) - MISSING_SHOWN} more"))
