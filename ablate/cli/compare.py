"""`ablate compare STUDY_DIR STUDY_DIR`: two studies side by side, a row a cell.

For a study that was repeated: on another machine, with another version, after a change of code; or
with other settings, which are named.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

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
from ablate.report.columns import Column, Folds, Leaves
from ablate.report.screen_table import print_plain_table
from ablate.run_row import AtStep, Status
from ablate.spec.load import load_saved_study
from ablate.study_dir import StudyPaths
from ablate.text import some

SETTINGS_SHOWN = 30
VALUES_SHOWN = 4
"""Values of a setting that differs, of one study."""


@dataclass(frozen=True)
class _Side:
    """One of the two studies."""

    path: Path
    plan: Plan
    ledger: Ledger
    environment: Environment

    @property
    def num_ok(self) -> int:
        """Runs of the plan's cells that ended well; those of A/A are no cell's."""
        rows = self.ledger.rows
        return sum(
            rows.status(run.run_id) is Status.OK and not run.cell.is_aa for run in self.plan.runs
        )


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
    if isinstance(one.plan.value, AtStep):  # what counts in the first study
        for side in (one, other):
            side.ledger.take_at(one.plan.value, [metric])
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
    print_plain_table(_cells(found.pairs), console)
    if arguments.runs:
        console.print()
        print_plain_table(_runs(found.pairs), console)
    only = [side.num_ok - found.num_matched for side in (one, other)]
    console.print(Text(f"finished runs only in A: {only[0]}, only in B: {only[1]}"))
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
    trainables = [some([e.name for e in side.plan.entries]) for side in (one, other)]
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
    told = text_of(plan, metric, found.value)
    told += "" if found.is_alike else ", where a run has it"
    ranks = plan.model.metric(metric).ranks
    return (
        f"{directed(metric, plan.mode(metric), ranks, told)}, over the seeds in both; intervals "
        "by t, paired by seed, each cell by itself"
    )


def _cells(pairs: Sequence[CellPair]) -> Sequence[Column]:
    """A row a cell; a narrow terminal does without the counts, and folds labels and intervals."""
    seeds = [str(len(pair.runs)) for pair in pairs]
    same = [f"{pair.num_identical}/{len(pair.runs)}" for pair in pairs]
    return [
        _labels([pair.name for pair in pairs]),
        _number("seeds", seeds, leaves=Leaves.COUNT, may_be_told=True),
        _number("A", [spread_text(pair.one.mean, pair.one.sd) for pair in pairs]),
        _number("B", [spread_text(pair.other.mean, pair.other.sd) for pair in pairs]),
        _number("B - A [95 %]", [_difference(pair) for pair in pairs], folds=Folds.DIFFERENCE),
        _number("same bits", same, leaves=Leaves.COUNT, may_be_told=True),
    ]


def _difference(pair: CellPair) -> str:
    low, high = pair.difference - pair.half_width, pair.difference + pair.half_width
    return interval_text(pair.difference, low, high)


def _runs(pairs: Sequence[CellPair]) -> Sequence[Column]:
    """A row a run."""
    runs = [run for pair in pairs for run in pair.runs]
    return [
        _labels([pair.name for pair in pairs for _ in pair.runs]),
        _number("seed", [str(run.seed) for run in runs]),
        _number("A", [rounded(run.one) for run in runs]),
        _number("B", [rounded(run.other) for run in runs]),
        _number("B - A", [rounded(run.other - run.one, signed=True) for run in runs]),
    ]


def _labels(names: Sequence[str]) -> Column:
    return Column(title="cell", texts=names, folds=Folds.LABEL)


def _number(title: str, texts: Sequence[str], **changes: Any) -> Column:
    return Column(title=title, texts=texts, is_number=True, **changes)


if __name__ == "__main__":
    sys.exit(main())
