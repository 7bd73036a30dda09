"""`ablate compare STUDY_DIR STUDY_DIR`: compares two studies over runs with the same config.

For a study that was repeated: on another machine, with another version, after a change of code.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from ablate.analysis.background import environment
from ablate.analysis.records import Environment
from ablate.analysis.seed_rule import plan_so_far
from ablate.cli.guard import guarded
from ablate.errors import AblateError
from ablate.ledger.ledger import Ledger
from ablate.numbers import rounded, spread_text
from ablate.plan.plan import Plan
from ablate.process.screen import Arguments, Text
from ablate.run_row import Status
from ablate.spec.load import load_saved_study
from ablate.stats.spread import Spread, spread
from ablate.study_dir import StudyPaths
from ablate.text import printable


@dataclass(frozen=True, kw_only=True)
class CellPair:
    """One cell in two studies, over their common seeds."""

    name: str
    one: Spread
    other: Spread
    difference: Spread
    """Other minus one, paired by seed."""
    identical: int
    """Number of runs whose values agree to the last bit."""


@dataclass(frozen=True)
class _Side:
    """One of the two studies."""

    path: Path
    plan: Plan
    ledger: Ledger
    environment: Environment


def main(argv: Sequence[str] | None = None) -> int:
    """Compares two studies; returns the exit code."""
    return guarded(lambda console: compare_command(build_parser().parse_args(argv), console))


def build_parser(parser: argparse.ArgumentParser | None = None) -> argparse.ArgumentParser:
    """The arguments of `ablate compare`."""
    parser = parser or Arguments(
        prog="ablate compare", description="Compares two studies over the runs whose configs agree."
    )
    parser.add_argument("study_dir", metavar="STUDY_DIR")
    parser.add_argument("other_dir", metavar="STUDY_DIR")
    parser.add_argument("--metric", metavar="NAME", help="a metric other than the first study's")
    return parser


def compare_command(arguments: argparse.Namespace, console: Console) -> int:
    """Prints the cells that two studies share.

    Raises:
        AblateError: If a directory is no study, or no run is in both.
    """
    one, other = _side(Path(arguments.study_dir)), _side(Path(arguments.other_dir))
    metric = arguments.metric or one.plan.study.metric
    pairs = cell_pairs(one.plan, one.ledger, other.ledger, metric)
    if not pairs:
        raise AblateError(
            f"no run with {metric} is in both {one.path} and {other.path}: runs match by "
            "trainable, config and seed"
        )
    console.print(Text(f"A: {one.path}\nB: {other.path}"), soft_wrap=True)
    for what in ("versions", "code", "devices"):
        _print_unlike(what, one.environment, other.environment, console)
    console.print(_table(metric, pairs))
    a, b = _ok(one), _ok(other)
    console.print(Text(f"finished runs only in A: {len(a - b)}, only in B: {len(b - a)}"))
    return 0


def cell_pairs(plan: Plan, one: Ledger, other: Ledger, metric: str) -> list[CellPair]:
    """The cells of a plan of which both ledgers have finished runs of the same config and seed.

    Args:
        plan: Of one of the studies.
        one: A study's ledger.
        other: The other study's ledger.
        metric: The metric.
    """
    pairs: list[CellPair] = []
    for cell in plan.cells:
        ids = [run.run_id for run in plan.runs_of[cell.index].values()]
        values = np.array(
            [[ledger.rows.of(i).result(metric, plan.value) for i in ids] for ledger in (one, other)]
        )
        both = values[:, ~np.isnan(values).any(axis=0)]
        if both.shape[1]:
            pairs.append(
                CellPair(
                    name=cell.name,
                    one=spread(both[0]),
                    other=spread(both[1]),
                    difference=spread(both[1] - both[0]),
                    identical=int((both[0] == both[1]).sum()),
                )
            )
    return pairs


def _side(path: Path) -> _Side:
    study = load_saved_study(path)
    ledger = Ledger(StudyPaths(study.directory))
    plan = plan_so_far(study, ledger)
    return _Side(path, plan, ledger, environment(plan, ledger.rows))


def _ok(side: _Side) -> set[str]:
    """Ids of the runs of the plan that ended well."""
    rows = side.ledger.rows
    return {i for i in side.plan.by_id if rows.status(i) is Status.OK}


def _print_unlike(what: str, one: Environment, other: Environment, console: Console) -> None:
    """Prints a difference between the environments of the two studies."""
    a, b = getattr(one, what), getattr(other, what)
    if a != b:
        text = " | ".join("; ".join(values) or "unknown" for values in (a, b))
        console.print(Text(f"{what} differ: {text}", style="yellow"), soft_wrap=True)


def _table(metric: str, pairs: Sequence[CellPair]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("cell")
    for title in ("runs in both", f"A: {metric}", f"B: {metric}", "B - A, by seed", "same bits"):
        table.add_column(Text(printable(title)), justify="right")
    for pair in pairs:
        difference = pair.difference
        uncertainty = difference.sd if difference.sd > 0 else math.nan
        sd = "" if math.isnan(uncertainty) else f" ± {rounded(uncertainty, uncertainty)}"
        table.add_row(
            Text(pair.name), str(pair.one.num), spread_text(pair.one.mean, pair.one.sd),
            spread_text(pair.other.mean, pair.other.sd),
            f"{rounded(difference.mean, uncertainty, signed=True)}{sd}",
            f"{pair.identical}/{pair.one.num}",
        )  # fmt: skip
    return table


if __name__ == "__main__":
    sys.exit(main())
