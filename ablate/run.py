"""`python -m ablate.run grid.yaml`: the main job, argument parsing and wiring only."""

import argparse
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ablate.errors import AblateError
from ablate.job import Outcome, check_data, examine, execute, no_ledger, plan_notes
from ablate.leaving import leave
from ablate.ledger import Ledger
from ablate.loading import load_saved_study, load_study
from ablate.needed_modules import namesake
from ablate.paths import StudyPaths
from ablate.preparation import Preparation
from ablate.report.assembly import study_record
from ablate.report.output import prepare_report, write_report
from ablate.report.plan_table import print_plan
from ablate.report.terminal import print_report
from ablate.smoke import try_cells
from ablate.study import Study
from ablate.wandb_messages import complete_runs
from ablate.wandb_port import SharedSink
from ablate.wandb_table import publish_tables
from ablate.work import Options, places

INTERRUPTED = 130
BAD_INPUT = 2
TOO_LARGE = (
    "this machine holds no such trial: the study needs a cluster whose nodes do (--address asks "
    "one), or less in resources"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a study; returns the exit code: 0 ok, 1 failed runs, 2 bad input, 130 interrupted."""
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
    add("--wandb-project", metavar="NAME", help="the W&B project")
    return parser


def run_command(arguments: argparse.Namespace, console: Console) -> int:
    """What `python -m ablate.run` does with its arguments.

    Raises:
        AblateError: Where the input is wrong.
    """
    if hiding := namesake():
        raise AblateError(f"{hiding} hides Ablate from the processes that it starts: rename it")
    study = _load(arguments)
    options = Options(
        local=arguments.local or arguments.pdb,
        only=arguments.only,
        debug=arguments.pdb,
        retry_failed=arguments.retry_failed,
        fresh=arguments.fresh,
        accept_changed_data=arguments.accept_changed_data,
        address=arguments.address,
    )
    if arguments.plan:
        return show_plan(study, options, console)
    if arguments.smoke:
        tried = try_cells(study, options, console)
        if tried.exit_code:
            return tried.exit_code
    with contextlib.closing(SharedSink(study)) as sink:
        ahead = [] if options.local else [Preparation(prepare_report)]
        outcome = execute(study, options, console, sink, ahead)
        _report(outcome, sink, console)
    _print_places(outcome, arguments, console)
    return outcome.exit_code


def show_plan(study: Study, options: Options, console: Console) -> int:
    """`--plan`: what would be run, and what is done already."""
    ledger = Ledger(StudyPaths(study.directory)) if not options.fresh else no_ledger(study)
    plan, left = examine(study, ledger, options)
    known = check_data(plan, [*left.todo, *left.kept])
    slots = places(study, options)
    print_plan(plan, left, ledger.rows, known, max(1, slots), console)
    too_large = "" if slots else TOO_LARGE
    for note in filter(None, (plan.seeding, *plan_notes(plan, known), *left.notes, too_large)):
        console.print(Text(f"note: {note}"), soft_wrap=True)
    return 0


def guarded(command: Callable[[Console], int]) -> int:
    """Runs a command; mistakes of the user's are told without a traceback."""
    try:
        return command(Console())
    except AblateError as error:
        Console(stderr=True).print(Text(f"error: {error}"), soft_wrap=True)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED


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


def _print_places(outcome: Outcome, arguments: argparse.Namespace, console: Console) -> None:
    paths = StudyPaths(outcome.plan.study.directory)
    console.print()
    places = {
        "ledger": paths.runs_parquet,
        "report": paths.report / "index.html",
        "best weights": paths.root / "checkpoints",
        "W&B": paths.wandb_runs,
    }
    for name, path in ((name, path) for name, path in places.items() if path.exists()):
        console.print(Text(f"{name + ':':<14}{_short(path)}"), soft_wrap=True)
    if any(paths.wandb_runs.glob("offline-run-*")):
        command = f"wandb sync {_short(paths.wandb_runs)}/offline-run-*"
        console.print(Text(f"{'upload:':<14}{command}"), soft_wrap=True)
    if outcome.interrupted:
        again = f"python -m ablate.run --resume {_short(paths.root)}"
        if arguments.local:
            again += " --local"
        console.print(
            Text(f"\ninterrupted; the state is saved. Go on with:\n  {again}"), soft_wrap=True
        )


def _short(path: Path) -> Path:
    """A path as seen from here, where that is shorter."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    leave(main())
