"""`ablate compare STUDY_DIR STUDY_DIR`: two studies side by side, a row a cell.

For a study that was repeated: on another machine, with another version, after a change of code; or
with other settings, which are named.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from ablate.analysis.arrays import text_of
from ablate.analysis.background import environment
from ablate.analysis.records import Environment, directed
from ablate.analysis.seed_rule import plan_so_far
from ablate.analysis.settings import unlike_settings
from ablate.analysis.side_by_side import CellPair, SideBySide, side_by_side
from ablate.cli.guard import guarded
from ablate.cli.measured import refuse_unmeasured
from ablate.errors import AblateError
from ablate.ledger.ledger import Ledger
from ablate.numbers import interval_text, rounded, spread_text
from ablate.plan.plan import Plan
from ablate.process.screen import Arguments, Text
from ablate.run_row import Status
from ablate.spec.load import load_saved_study
from ablate.study_dir import StudyPaths
from ablate.text import some

SETTINGS_SHOWN = 30
VALUES_SHOWN = 4
"""Values of a setting that differs, of one study."""
SEEDS, SAME_BITS = "seeds", "same bits"
COLUMNS: Sequence[str] = (SEEDS, "A", "B", "B - A [95 %]", SAME_BITS)
MOST_COLUMNS = 10_000
MOST_LABEL = 20
"""Columns that a word of a label takes before it is folded."""


@dataclass(frozen=True)
class _Side:
    """One of the two studies."""

    path: Path
    plan: Plan
    ledger: Ledger
    environment: Environment

    @property
    def num_ok(self) -> int:
        """Runs of the plan that ended well."""
        return sum(self.ledger.rows.status(i) is Status.OK for i in self.plan.by_id)


def main(argv: Sequence[str] | None = None) -> int:
    """Compares two studies; returns the exit code."""
    return guarded(lambda console: compare_command(build_parser().parse_args(argv), console))


def build_parser(parser: argparse.ArgumentParser | None = None) -> argparse.ArgumentParser:
    """The arguments of `ablate compare`."""
    parser = parser or Arguments(
        prog="ablate compare",
        description="Compares two studies cell by cell, and names the settings that differ.",
    )
    parser.add_argument("study_dir", metavar="STUDY_DIR")
    parser.add_argument("other_dir", metavar="STUDY_DIR")
    parser.add_argument("--metric", metavar="NAME", help="a metric other than the first study's")
    parser.add_argument("--runs", action="store_true", help="every run beside the other, too")
    return parser


def compare_command(arguments: argparse.Namespace, console: Console) -> int:
    """Prints the cells that two studies share.

    Raises:
        AblateError: If a directory is no study, or no run of a cell and seed is in both.
    """
    one, other = _side(Path(arguments.study_dir)), _side(Path(arguments.other_dir))
    metric = arguments.metric or one.plan.study.metric
    if arguments.metric is not None:
        refuse_unmeasured(one.ledger, tuple(one.plan.factors), metric)
    found = side_by_side((one.plan, other.plan), (one.ledger.rows, other.ledger.rows), metric)
    if not found.pairs:
        raise AblateError(
            f"no run with {metric} is in both {one.path} and {other.path}: cells match by their "
            "config, else by the levels of their factors; runs by seed"
        )
    console.print(Text(f"A: {one.path}\nB: {other.path}"), soft_wrap=True)
    for line in _unlike(one, other, found.pairs):
        console.print(Text(line, style="yellow"), soft_wrap=True)
    console.print(Text(_heading(one.plan, metric, found), style="dim"), soft_wrap=True)
    console.print(_fitting(found.pairs, console))
    if arguments.runs:
        console.print()
        console.print(_runs(found.pairs))
    num = sum(len(pair.runs) for pair in found.pairs)
    console.print(
        Text(f"finished runs only in A: {one.num_ok - num}, only in B: {other.num_ok - num}")
    )
    return 0


def _side(path: Path) -> _Side:
    study = load_saved_study(path)
    ledger = Ledger(StudyPaths(study.directory))
    plan = plan_so_far(study, ledger)
    return _Side(path, plan, ledger, environment(plan, ledger.rows))


def _unlike(one: _Side, other: _Side, pairs: Sequence[CellPair]) -> Iterable[str]:
    """What the two studies were made with that is not the same."""
    for what in ("versions", "code", "devices"):
        a, b = getattr(one.environment, what), getattr(other.environment, what)
        if a != b:
            yield f"{what} differ: " + " | ".join("; ".join(v) or "unknown" for v in (a, b))
    trainables = [side.plan.entry.name for side in (one, other)]
    if len(set(trainables)) > 1:
        yield f"trainables differ: {' | '.join(trainables)}"
    configs = ((pair.cells[0].config, pair.cells[1].config) for pair in pairs)
    settings = unlike_settings(configs)
    if settings:
        yield "settings that differ, A | B:"
    for each in settings[:SETTINGS_SHOWN]:
        a, b = (some(list(values), VALUES_SHOWN) for values in (each.one, each.other))
        yield f"  {each.key}: {a} | {b}"
    if len(settings) > SETTINGS_SHOWN:
        yield f"  and {len(settings) - SETTINGS_SHOWN} more"


def _heading(plan: Plan, metric: str, found: SideBySide) -> str:
    """What the numbers and the intervals are."""
    told = text_of(found.value, plan.model.selected_by)
    told += "" if found.is_alike else ", where a run has it"
    ranks = plan.model.metric(metric).ranks
    return (
        f"{directed(metric, plan.mode(metric), ranks, told)}, over the seeds in both; intervals "
        "by t, paired by seed, each cell by itself"
    )


def _fitting(pairs: Sequence[CellPair], console: Console) -> Table:
    """The table, in a narrow terminal without the columns that say least; labels are wrapped."""
    wide = console.options.update(max_width=MOST_COLUMNS)
    for left_out in ((), (SAME_BITS,)):
        table = _cells(pairs, left_out)
        if Measurement.get(console, wide, table).maximum <= console.width:
            return table
    return _cells(pairs, (SAME_BITS, SEEDS))


def _cells(pairs: Sequence[CellPair], left_out: Sequence[str]) -> Table:
    """A row a cell."""
    shown = [title for title in COLUMNS if title not in left_out]
    table = _table([pair.name for pair in pairs], shown)
    for pair in pairs:
        low, high = pair.difference - pair.half_width, pair.difference + pair.half_width
        numbers = (
            str(len(pair.runs)), spread_text(pair.one.mean, pair.one.sd),
            spread_text(pair.other.mean, pair.other.sd),
            interval_text(pair.difference, low, high), f"{pair.num_identical}/{len(pair.runs)}",
        )  # fmt: skip
        of = dict(zip(COLUMNS, numbers, strict=True))
        table.add_row(Text(pair.name), *(of[title] for title in shown))
    return table


def _runs(pairs: Sequence[CellPair]) -> Table:
    """A row a run."""
    table = _table([pair.name for pair in pairs], ("seed", "A", "B", "B - A"))
    for pair in pairs:
        for seed, one, other in pair.runs:
            difference = rounded(other - one, signed=True)
            table.add_row(Text(pair.name), str(seed), rounded(one), rounded(other), difference)
    return table


def _table(names: Sequence[str], numbers: Sequence[str]) -> Table:
    """A table of cells, whose names are wrapped between words where it is narrow."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    longest = max(len(word) for name in names for word in name.split(" "))
    table.add_column("cell", overflow="fold", min_width=min(longest, MOST_LABEL))
    for title in numbers:
        table.add_column(title, justify="right", no_wrap=True)
    return table


if __name__ == "__main__":
    sys.exit(main())
