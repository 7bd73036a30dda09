"""The ablation table in a terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ablate.design import text
from ablate.progress import clock
from ablate.report.records import CellRecord, StudyRecord
from ablate.stats import Spread

MISSING_SHOWN = 20
DIGITS = 4


def print_report(record: StudyRecord, console: Console) -> None:
    """Prints the table, then every planned run that is missing from it with its cause."""
    console.print()
    console.print(Text(record.question or record.name, style="bold"), soft_wrap=True)
    direction = "lower" if record.mode == "min" else "higher"
    seeds = f"{len(record.seeds)} seed{'s' if len(record.seeds) != 1 else ''}"
    console.print(Text(f"{record.metric} ({direction} is better), {seeds}", style="dim"))
    if record.floor is not None:
        console.print(Text(_floor(*record.floor), style="dim"))
    console.print(_table(record))
    if record.caveat:
        console.print(Text(f"caution: {record.caveat}"))
    _print_missing(record, console)
    console.print(Text(f"training time, all runs together: {clock(record.seconds)}"))


def _floor(lowest: float, highest: float) -> str:
    shown = f"{lowest:.{DIGITS}g}"
    if f"{highest:.{DIGITS}g}" != shown:
        shown += f" to {highest:.{DIGITS}g}"
    return f"floor, training data against test data: {shown}"


def _table(record: StudyRecord) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for factor in record.factors:
        table.add_column(Text(factor))
    for title in ("ok/planned", "mean ± sd", "difference to baseline, paired by seed"):
        table.add_column(title, justify="right")
    for cell in record.cells:
        labels = [Text(text(label)) for label in cell.cell.labels.values()]
        table.add_row(
            *labels,
            f"{cell.value.num}/{cell.num_planned}",
            _spread(cell.value),
            _difference(cell),
        )
    return table


def _difference(cell: CellRecord) -> str:
    if cell.difference is None:
        return "baseline"
    paired = cell.difference
    if not paired.num:
        return "no pairs"
    short = (
        "" if paired.num == cell.num_planned else f" ({paired.num} pair{'s' * (paired.num != 1)})"
    )
    return _spread(paired, signed=True) + short


def _spread(value: Spread, signed: bool = False) -> str:
    if not value.num:
        return "-"
    sign = "+" if signed else ""
    mean = f"{value.mean:{sign}.{DIGITS}g}"
    return mean if value.num < 2 else f"{mean} ± {value.sd:.2g}"


def _print_missing(record: StudyRecord, console: Console) -> None:
    for run in record.missing[:MISSING_SHOWN]:
        cause = f"  {run.cause}" if run.cause else ""
        style = "red" if run.status in ("failed", "diverged") else ""
        console.print(Text(f"missing: {run.run_name}  {run.status}{cause}", style=style))
    if len(record.missing) > MISSING_SHOWN:
        console.print(Text(f"missing: and {len(record.missing) - MISSING_SHOWN} more"))
