"""`python -m ablate.run grid.yaml`: the main job, argument parsing and wiring only."""

import argparse
import contextlib
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.text import Text

from ablate.errors import AblateError
from ablate.going_on import as_seen_from_here, command_to_go_on
from ablate.interrupts import Interrupts, interrupts
from ablate.job import Outcome, check_data, examine, execute, no_ledger, plan_notes
from ablate.leaving import leave, leave_at_once
from ablate.ledger import Ledger
from ablate.loading import load_saved_study, load_study
from ablate.paths import StudyPaths
from ablate.preparation import Preparation
from ablate.report.assembly import study_record
from ablate.report.output import prepare_report, write_report
from ablate.report.plan_table import print_plan
from ablate.report.terminal import print_report
from ablate.smoke import try_cells
from ablate.streams import open_standard_streams
from ablate.study import Study
from ablate.wandb_messages import complete_runs
from ablate.wandb_port import SharedSink
from ablate.wandb_table import publish_tables
from ablate.work import Options

INTERRUPTED = 130
CLUSTER_GONE = 4
BAD_INPUT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a study.

    Returns:
        The exit code: 0 ok, 1 failed runs, 2 bad input, 4 the cluster is gone, 130 interrupted.
    """
    return guarded(lambda console: run_command(build_parser().parse_args(argv), console))


def build_parser(parser: argparse.ArgumentParser | None = None) -> argparse.ArgumentParser:
    """The arguments of `python -m ablate.run` and of `ablate run`."""
    parser = parser or argparse.ArgumentParser(
        prog="python -m ablate.run",
        description="Runs every cell x seed of a study, or what is left of it.",
        epilog="Running the same command again goes on: finished runs are kept.",
    )
    add = parser.add_argument
    add("grid", nargs="?", metavar="GRID", help="the study's YAML file")
    add("--resume", metavar="DIR", help="go on with a study directory, without its YAML")
    add("--plan", action="store_true", help="show cells, runs and what is done; start nothing")
    add("--local", action="store_true", help="in this process, one run after another, no Ray")
    add("--smoke", action="store_true", help="first try every cell for two steps")
    add("--only", metavar="KEY=VALUE,...", help="a part of the plan: flow=vp,seed=42")
    add("--pdb", action="store_true", help="with --local: stop in the debugger where a run fails")
    add(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the YAML"
    )
    add("--storage", metavar="DIR", help="where study directories go (default ./studies)")
    add("--retry-failed", action="store_true", help="run failed and diverged runs again")
    add("--fresh", action="store_true", help="start over; the old directory is kept, renamed")
    add("--accept-changed-data", action="store_true", help="keep runs made with other data")
    add("--pack", metavar="N|auto", help="runs of one shape that share a trial (default 1)")
    add("--address", metavar="ADDR", help="of a running Ray cluster, or local")
    add("--wait-for-lock", metavar="SECONDS", type=_seconds, default=0.0,
        help="wait for another driver on the study directory to end")  # fmt: skip
    add("--wandb-project", metavar="NAME", help="the W&B project")
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < math.inf:
        raise ValueError(text)
    return seconds


def run_command(arguments: argparse.Namespace, console: Console) -> int:
    """What `python -m ablate.run` does with its arguments.

    Raises:
        AblateError: Where the input is wrong.
    """
    study = _load(arguments)
    options = Options(
        local=arguments.local or arguments.pdb,
        only=arguments.only,
        debug=arguments.pdb,
        retry_failed=arguments.retry_failed,
        fresh=arguments.fresh,
        accept_changed_data=arguments.accept_changed_data,
        address=arguments.address,
        wait_for_lock_s=arguments.wait_for_lock,
    )
    if arguments.plan:
        return show_plan(study, options, console)
    with interrupts() as watched:
        watched.how_to_go_on = lambda: command_to_go_on(arguments, study)
        try:
            exit_code = _run(study, options, arguments, console)
        except KeyboardInterrupt:
            exit_code = CLUSTER_GONE if watched.gone else INTERRUPTED
        if exit_code in (CLUSTER_GONE, INTERRUPTED):
            console.print(Text(f"\n{_how_to_go_on(watched)}"), soft_wrap=True)
    return exit_code


def _run(study: Study, options: Options, arguments: argparse.Namespace, console: Console) -> int:
    if arguments.smoke:
        tried = try_cells(study, options, console)
        if tried.exit_code:
            return tried.exit_code
    with contextlib.closing(SharedSink(study)) as sink:
        ahead = [] if options.local else [Preparation(prepare_report)]
        outcome = execute(study, options, console, sink, ahead)
        _report(outcome, sink, console)
    _print_places(outcome, console)
    return outcome.exit_code


def show_plan(study: Study, options: Options, console: Console) -> int:
    """`--plan`: what would be run, and what is done already."""
    ledger = Ledger(StudyPaths(study.directory)) if not options.fresh else no_ledger(study)
    plan, left = examine(study, ledger, options)
    known = check_data(plan, [*left.todo, *left.kept])
    print_plan(plan, left, ledger.rows, known, console)
    for note in filter(None, (plan.seeding, *plan_notes(plan, known), *left.notes)):
        console.print(Text(f"note: {note}"), soft_wrap=True)
    return 0


def guarded(command: Callable[[Console], int]) -> int:
    """Runs a command; mistakes of the user's are told without a traceback."""
    open_standard_streams()
    try:
        with interrupts() as watched:
            watched.end_at_once = lambda: _end_at_once(watched)
            exit_code = command(Console())
            if watched.cluster_lost:
                leave_at_once(exit_code)  # Ray waits for it where the process ends otherwise
            return exit_code
    except AblateError as error:
        Console(stderr=True).print(Text(f"error: {error}"), soft_wrap=True)
        return BAD_INPUT
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; the same command begins again")
        return INTERRUPTED


def _end_at_once(watched: Interrupts) -> NoReturn:
    """Nothing more is said or written but this, whatever the process is at."""
    with contextlib.suppress(OSError):
        os.write(1, f"\n{_how_to_go_on(watched)}\n".encode())
    os._exit(CLUSTER_GONE if watched.gone else INTERRUPTED)


def _how_to_go_on(watched: Interrupts) -> str:
    happened = f"the cluster at {watched.gone} is gone" if watched.gone else "interrupted"
    if watched.how_to_go_on is None:
        return happened
    return f"{happened}; the state is saved. Go on with:\n  {watched.how_to_go_on()}"


def _report(outcome: Outcome, sink: SharedSink, console: Console) -> None:
    study = outcome.plan.study
    paths = StudyPaths(study.directory)
    study_yaml = paths.study_yaml.read_text()
    record = study_record(outcome.plan, outcome.ledger.rows, study_yaml=study_yaml)
    print_report(record, console)
    port = None if outcome.interrupted else sink.port(console.print)
    if port is not None:
        complete_runs(outcome.plan, outcome.ledger, paths, port)
        publish_tables(record, study, paths, port)
        sink.no_more()
    write_report(record, paths)


def _load(arguments: argparse.Namespace) -> Study:
    if (arguments.grid is None) == (arguments.resume is None):
        raise AblateError("give a GRID file or --resume DIR, exactly one of the two")
    overrides = list(arguments.set)
    if arguments.wandb_project:
        overrides.append(f"tracking.project={arguments.wandb_project}")
    if arguments.pack:
        overrides.append(f"pack={arguments.pack}")
    if arguments.resume is not None:
        return load_saved_study(Path(arguments.resume), overrides)
    if arguments.storage:
        overrides.append(f"storage={arguments.storage}")
    return load_study(arguments.grid, overrides)


def _print_places(outcome: Outcome, console: Console) -> None:
    paths = StudyPaths(outcome.plan.study.directory)
    console.print()
    places = {
        "ledger": paths.runs_parquet,
        "report": paths.report / "index.html",
        "best weights": paths.root / "checkpoints",
        "W&B": paths.wandb_runs,
    }
    for name, path in ((name, path) for name, path in places.items() if path.exists()):
        console.print(Text(f"{name + ':':<14}{as_seen_from_here(path)}"), soft_wrap=True)
    if any(paths.wandb_runs.glob("offline-run-*")):
        command = f"wandb sync {as_seen_from_here(paths.wandb_runs)}/offline-run-*"
        console.print(Text(f"{'upload:':<14}{command}"), soft_wrap=True)


if __name__ == "__main__":
    leave(main())
