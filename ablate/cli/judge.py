"""`ablate judge SOURCE`: the report of a study, on results that Ablate did not make."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from ablate.analysis.build import study_record
from ablate.cli.guard import guarded
from ablate.errors import InputError, Problem
from ablate.process.screen import Arguments, Text
from ablate.report.output import write_report
from ablate.report.terminal import print_report, print_undrawn
from ablate.sources.asked import Asked, names_in
from ablate.sources.plan import foreign_study
from ablate.sources.read import KINDS, name_of, read_source
from ablate.study_dir import StudyPaths, as_seen_from_here, write_atomically
from ablate.text import quoted
from ablate.tracking.wandb.settings import at_home

FOLDER = "judged"
MARK = "judged.txt"
"""Says of a folder that a report may be written over there, and which command did it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Judges results; returns the exit code."""
    return guarded(lambda console: judge_command(build_parser().parse_args(argv), console))


def build_parser(parser: argparse.ArgumentParser | None = None) -> argparse.ArgumentParser:
    """The arguments of `ablate judge`."""
    parser = parser or Arguments(
        prog="ablate judge", description="Verdicts and a report on results made elsewhere."
    )
    add = parser.add_argument
    add("source", metavar="SOURCE", help=KINDS.replace("a .csv", "a .csv, .tsv"))
    add("--factors", metavar="A,B", help="the columns that are varied")
    add("--seed", metavar="COLUMN", default="seed",
        help="what tells replicates apart (default seed)")  # fmt: skip
    add("--pairing", choices=("seed", "none"),
        help="whether runs of one seed are paired (default: if no cell lacks a seed)")  # fmt: skip
    add("--metric", metavar="COLUMN", default="", help="what the verdicts are about")
    add("--mode", choices=("min", "max"), default="min", help="whether lower is better (default)")
    add("--baseline", metavar="A=X,B=Y", default="",
        help="levels to compare with, all else being equal (default: the first of each factor, "
             "one cell for all)")  # fmt: skip
    add("--compare", metavar="A=X,...", action="append", default=[],
        help="cells whose comparison was planned; repeatable (default: all)")  # fmt: skip
    add("--margin", metavar="NUMBER", help="differences smaller than this do not matter")
    add("--log-scale", action="store_true", help="compare ratios; the margin is a share")
    add("--report-metrics", metavar="C,D", help="further metrics to report")
    add("--step", metavar="last|N", help="which row counts where a run has one a step")
    add("--step-column", metavar="COLUMN",
        help="where the steps are (default: step, epoch, training_iteration or _step)")  # fmt: skip
    add("--within", metavar="COLUMN", help="average a run's rows that differ in this column")
    add("--question", metavar="TEXT", default="", help="the title of the report")
    add("--out", metavar="DIR", help=f"where the report goes (default ./{FOLDER}/NAME)")
    return parser


def judge_command(arguments: argparse.Namespace, console: Console) -> int:
    """Prints and writes the report.

    Raises:
        InputError: With all that is wrong.
        AblateError: Where the source cannot be asked.
    """
    name = name_of(arguments.source)
    out = Path(arguments.out or Path(FOLDER, name))
    unusable = _unusable(out)
    try:
        asked = asked_by(arguments)
        judged = foreign_study(name, arguments.source, read_source(arguments.source, asked), asked)
    except InputError as error:
        raise InputError(error.source, [*error.problems, *unusable]) from error
    if unusable:
        raise InputError("command line", unusable)
    record = study_record(
        judged.plan, judged.rows, notes=judged.notes, evaluations=judged.evaluations
    )
    command = _command(arguments)
    record = replace(record, seeds=judged.seeds, command=command)
    print_report(record, console)
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / MARK, f"{command}\n")
    print_undrawn(write_report(record, StudyPaths(out.resolve())), console)
    page = as_seen_from_here(out.resolve() / "report" / "index.html")
    console.print(Text(f"report: {page}"), soft_wrap=True)
    return 0


def asked_by(arguments: argparse.Namespace) -> Asked:
    """The question that a command line asks."""
    return Asked(
        factors=names_in(arguments.factors),
        seed=arguments.seed,
        metric=arguments.metric,
        mode=arguments.mode,
        report_metrics=names_in(arguments.report_metrics),
        baseline=arguments.baseline,
        compare=arguments.compare,
        margin=arguments.margin,
        log_scale=arguments.log_scale,
        step=arguments.step,
        step_column=arguments.step_column,
        within=arguments.within,
        question=arguments.question,
        pairing=arguments.pairing,
    )


def _command(arguments: argparse.Namespace) -> str:
    """The command as it can be typed again, without what is so by default."""
    defaults = vars(build_parser().parse_args([arguments.source]))
    words = ["ablate", "judge", arguments.source]
    for name, default in defaults.items():
        value = getattr(arguments, name)
        if value != default and name != "out":
            option = f"--{name.replace('_', '-')}"
            given = value if isinstance(value, list) else [value]
            words += [word for one in given for word in (option, *[one] * (one is not True))]
    return quoted([at_home(word) for word in words])


def _unusable(out: Path) -> list[Problem]:
    """Why a report must not be written to a folder: what is there is somebody's."""
    if (out / MARK).exists():
        return []
    paths = StudyPaths(out)
    if paths.study_yaml.exists() or paths.ledger.exists():
        return [Problem("--out", "is a study directory", str(out), fix="choose another folder")]
    if out.exists() and not out.is_dir():
        return [Problem("--out", "is a file", str(out), fix="choose another folder")]
    if paths.report.exists():
        return [Problem("--out", "holds a report that this command did not write", str(out),
                        fix="choose another folder")]  # fmt: skip
    return []


if __name__ == "__main__":
    sys.exit(main())
