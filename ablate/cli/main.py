"""The `ablate` command: new, run, plan, freeze, report, status, judge, compare, sample, ..."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from ablate.analysis.as_it_stands import record_as_it_stands
from ablate.analysis.records import StudyRecord
from ablate.analysis.seed_rule import plan_so_far
from ablate.cli import compare, evaluate, freeze, judge, new, sample, sync, watch
from ablate.cli.guard import guarded
from ablate.cli.measured import refuse_unmeasured
from ablate.cli.run import build_parser, run_command
from ablate.errors import AblateError, file_of, reason_of
from ablate.ledger.ledger import Ledger
from ablate.ledger.lock import holder_of
from ablate.plan.glance import glance_at, left_text
from ablate.plan.time_left import is_running
from ablate.process.screen import Arguments, Text, nearest_text
from ablate.report.output import write_report
from ablate.report.terminal import print_report, print_undrawn
from ablate.run_row import Status
from ablate.spec.load import load_saved_study
from ablate.spec.ready import SUFFIXES
from ablate.study_dir import StudyPaths
from ablate.text import quoted
from ablate.tracking.wandb.places import tracked_at

COMMANDS = {
    "new": "begin a study: YAML and a training",
    "run": "run a study, or finish it",
    "plan": "show what a study would run",
    "freeze": "fix a study's analysis before its results",
    "report": "print a study's table, write its report",
    "status": "how many runs are done",
    "watch": "see studies in a browser while they run",
    "sample": "draw samples from a run",
    "evaluate": "add a metric to finished runs",
    "judge": "verdicts on results made elsewhere",
    "compare": "compare two studies",
    "sync": "bring W&B up to date with the ledger",
}
"""What each command does."""
_NEEDED = {
    "new": "DIR",
    "plan": "STUDY.yaml",
    "run": "STUDY.yaml",
    "status": "STUDY_DIR",
    "report": "STUDY_DIR",
    "compare": "STUDY_DIR STUDY_DIR",
}
"""Those that everybody needs, and what they take."""
_PARSERS: Mapping[str, Callable[[argparse.ArgumentParser], object]] = {
    "new": new.build_parser,
    "run": build_parser,
    "plan": build_parser,
    "freeze": freeze.build_parser,
    "watch": watch.build_parser,
    "sample": sample.build_parser,
    "evaluate": evaluate.build_parser,
    "judge": judge.build_parser,
    "compare": compare.build_parser,
    "sync": sync.build_parser,
}
"""Of the commands that take more than a study directory."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a subcommand; returns its exit code."""
    with contextlib.suppress(FileNotFoundError):  # `guarded` reports it
        if str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))  # as `python -m` does, for users' trainables
    words = list(sys.argv[1:] if argv is None else argv)
    if not words:
        return guarded(_overview)
    arguments = _parsed(words)
    if arguments.command in ("run", "plan"):
        arguments.plan = arguments.plan or arguments.command == "plan"
        return guarded(lambda console: run_command(arguments, console))
    work = {
        "new": lambda console: new.new_command(arguments, console),
        "freeze": lambda console: freeze.freeze_command(arguments, console),
        "report": lambda console: report(
            Path(arguments.study_dir),
            console,
            arguments.metric,
            arguments.compare,
            arguments.with_curves,
        ),
        "status": lambda console: status(Path(arguments.study_dir), console),
        "watch": lambda console: watch.watch_command(arguments, console),
        "sample": lambda console: sample.sample_command(arguments, console),
        "judge": lambda console: judge.judge_command(arguments, console),
        "compare": lambda console: compare.compare_command(arguments, console),
        "evaluate": lambda console: evaluate.evaluate_command(arguments, console),
        "sync": lambda console: sync.sync_command(arguments, console),
    }[arguments.command]
    return guarded(work)


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command line."""
    parser = Arguments(prog="ablate", description="Ablation studies that hold up.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in COMMANDS.items():
        build = _PARSERS.get(name, _build_study_parser)
        build(commands.add_parser(name, help=what))
    report_options = commands.choices["report"]
    report_options.add_argument("--metric", help="a metric other than the study's")
    report_options.add_argument("--compare", choices=["pairs"], help="all cells with each other")
    report_options.add_argument(
        "--with-curves", action="store_true", help="also a page of all runs, curves and failures"
    )
    first = words[0]
    if not first.startswith("-") and first not in COMMANDS:
        meant = nearest_text(first, COMMANDS)
        if Path(first).suffix in SUFFIXES:
            meant = f" (a study is run by: {quoted(['ablate', 'run', *words])})"
        parser.error(f"{first} is not a command{meant}: {', '.join(COMMANDS)}")
    return parser.parse_args(words)


def _build_study_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study_dir", metavar="STUDY_DIR")


def _overview(_: Console) -> int:
    """What `ablate` alone says: the commands that people need, and an example."""
    used = [(f"ablate {name} {takes}", COMMANDS[name]) for name, takes in _NEEDED.items()]
    width = max(len(typed) for typed, _ in used)
    lines = [
        "Ablation studies that hold up: every cell x seed of a YAML file, then verdicts.",
        "",
        *(f"  {typed:<{width}}  {what}" for typed, what in used),
        "",
        "for example:   ablate run quickstart",
        "all of it:     ablate --help, ablate run --help",
    ]
    Console(stderr=True).print(Text("\n".join(lines)), soft_wrap=True)
    return AblateError.exit_code


def command() -> NoReturn:
    """The console script `ablate`."""
    sys.exit(main())


def report(
    study_dir: Path,
    console: Console,
    metric: str | None = None,
    compare: str | None = None,
    with_curves: bool = False,
) -> int:
    """Prints the ablation table of a study directory; the study may still be running.

    Its files are written where nothing else is asked for than the study says.

    Args:
        study_dir: The study directory.
        console: Where to print.
        metric: A metric other than the study's.
        compare: What to compare in the place of what the study says: `pairs`.
        with_curves: Whether the page of `ablate watch` is written, too, as one file.

    Raises:
        InputError: If no run has such a metric, or there are no such comparisons.
    """
    study = load_saved_study(study_dir)
    is_asked = compare is not None and not study.compares_pairs
    if is_asked:
        study = load_saved_study(study_dir, [f"compare={compare}"])
    ledger = Ledger(StudyPaths(study.directory))
    plan = plan_so_far(study, ledger)
    if metric is not None:
        refuse_unmeasured(ledger, tuple(plan.factors), metric)
    paths = StudyPaths(study.directory)
    notes = ["compared as asked for here, not as the study says"] * is_asked
    record = record_as_it_stands(plan, ledger, metric, notes, tracked_at(study))
    print_report(record, console)
    if metric is None and not is_asked:
        _write_report(record, paths, console)
    if with_curves:
        from ablate.watch.archive import write_archive  # no other report needs it

        write_archive(paths)
        console.print(Text(f"runs and curves: {paths.study_page}"), soft_wrap=True)
    return 0


def _write_report(record: StudyRecord, paths: StudyPaths, console: Console) -> None:
    """Writes the report if possible; otherwise the printed table has to do."""
    try:
        print_undrawn(write_report(record, paths), console)
        line = f"report: {paths.report / 'index.html'}"
    except OSError as error:
        line = f"note: the report was not written: {file_of(error)}: {reason_of(error)}"
    console.print(Text(line), soft_wrap=True)


def status(study_dir: Path, console: Console) -> int:
    """Prints how many runs of a study directory have each status, and the time left."""
    study = load_saved_study(study_dir)
    ledger = Ledger(StudyPaths(study.directory))
    plan = plan_so_far(study, ledger)
    rows = [ledger.rows.of(run.run_id) for run in plan.runs]
    has_driver = holder_of(StudyPaths(study.directory).lock) is not None
    begun = "running" if has_driver else Status.INTERRUPTED.value
    states = [begun if is_running(row) else row.status.value for row in rows]
    told = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    told += filter(None, [left_text(glance_at(plan, ledger.rows, has_driver).left_s)])
    console.print(Text(f"{study.study}: {len(plan.runs)} runs: {', '.join(told)}"))
    if not has_driver and not all(row.status.has_ended for row in rows):
        console.print(
            Text(f"nobody runs it now: ablate run --resume {quoted([study_dir])} goes on"),
            soft_wrap=True,
        )
    for note in ledger.notes:
        console.print(Text(f"note: {note}"), soft_wrap=True)
    return 0


if __name__ == "__main__":
    command()
