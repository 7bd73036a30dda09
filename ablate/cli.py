"""The `ablate` command: run, plan, report, status."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ablate.ledger import Ledger
from ablate.loading import load_saved_study
from ablate.paths import StudyPaths
from ablate.plan import plan_study
from ablate.report.records import study_record
from ablate.report.terminal import print_report
from ablate.run import build_parser, guarded, run_command


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a subcommand; returns its exit code."""
    parser = argparse.ArgumentParser(prog="ablate", description="Ablation studies that hold up.")
    commands = parser.add_subparsers(dest="command", required=True)
    build_parser(commands.add_parser("run", help="run a study, or what is left of it"))
    build_parser(commands.add_parser("plan", help="show what a study would run"))
    for name, what in (("report", "the table of a study"), ("status", "how far a study is")):
        commands.add_parser(name, help=what).add_argument("study_dir", metavar="STUDY_DIR")
    arguments = parser.parse_args(argv)
    if arguments.command in ("run", "plan"):
        arguments.plan = arguments.plan or arguments.command == "plan"
        return guarded(lambda console: run_command(arguments, console))
    command = report if arguments.command == "report" else status
    return guarded(lambda console: command(Path(arguments.study_dir), console))


def report(study_dir: Path, console: Console) -> int:
    """Prints the ablation table of a study directory, also of one that is still running."""
    study = load_saved_study(study_dir)
    ledger = Ledger(StudyPaths(study.directory))
    plan = plan_study(study, ledger.started_names())
    print_report(study_record(plan, ledger.rows), console)
    return 0


def status(study_dir: Path, console: Console) -> int:
    """Prints how many runs of a study directory there are of each status."""
    study = load_saved_study(study_dir)
    ledger = Ledger(StudyPaths(study.directory))
    plan = plan_study(study, ledger.started_names())
    statuses = [ledger.rows.get(run.run_id, {}).get("status", "pending") for run in plan.runs]
    counts = {name: statuses.count(name) for name in dict.fromkeys(statuses)}
    shown = ", ".join(f"{count} {name}" for name, count in counts.items())
    console.print(f"{study.study}: {len(plan.runs)} runs: {shown}", markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
