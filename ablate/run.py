"""`python -m ablate.run grid.yaml`: the main job, argument parsing and wiring only."""

import argparse
import contextlib
import functools
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from ablate.account import settle_in
from ablate.errors import AblateError, StorageError, file_of, reason_of
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
from ablate.report.renderer import Renderer
from ablate.report.terminal import print_report, print_undrawn
from ablate.screen import Arguments, Text
from ablate.seals import lost_files, lost_notes
from ablate.smoke import try_cells
from ablate.study import Study
from ablate.text import quoted, tolerate_all_text
from ablate.wandb_places import lacking_messages, tracked_at, wandb_places
from ablate.wandb_port import SharedSink
from ablate.wandb_record import WandbRecord
from ablate.wandb_settings import Destination, destination, given_keys
from ablate.wandb_table import table_message
from ablate.work import Options, places
from ablate.yaml12 import dump_yaml

INTERRUPTED = 130
TOO_LARGE = (
    "this machine holds no such trial: the study needs a cluster whose nodes do (--address asks "
    "one), or smaller resources"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a study; returns the exit code.

    0 ok, 1 failed runs, 2 bad input, 3 the study's storage failed, 130 interrupted.
    """
    return guarded(lambda console: run_command(build_parser().parse_args(argv), console))


def build_parser(parser: argparse.ArgumentParser | None = None) -> argparse.ArgumentParser:
    """The arguments of `python -m ablate.run` and of `ablate run`."""
    parser = parser or Arguments(
        prog="python -m ablate.run",
        description="Runs every cell x seed of a study, or what is left of it.",
        epilog="Running the same command again goes on: finished runs are kept.",
    )
    add = parser.add_argument
    add("grid", nargs="?", metavar="GRID", help="the study's YAML file")
    add("--resume", metavar="DIR", help="continue a study directory, without its YAML")
    add("--plan", action="store_true", help="show cells, runs and what is done; start nothing")
    add("--local", action="store_true", help="in this process, one run after another, no Ray")
    add("--smoke", action="store_true", help="first try every cell for two steps")
    add("--only", metavar="KEY=VALUE,...", help="only a part of the plan: flow=vp,seed=42")
    add("--pdb", action="store_true", help="with --local: stop in the debugger where a run fails")
    add(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the YAML"
    )
    add("--storage", metavar="DIR", help="where study directories go (default ./studies)")
    add("--retry-failed", action="store_true", help="run failed and diverged runs again")
    add("--fresh", action="store_true", help="start over; the old directory is renamed and kept")
    add("--accept-changed-data", action="store_true", help="keep runs made with different data")
    add("--trust-owner", action="store_true", help="unpickle checkpoints that another user owns")
    add("--pack", metavar="N|auto", help="runs of one shape that share a trial (default 1)")
    add("--address", metavar="ADDR", help="address of a running Ray cluster, or local")
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
        trust_owner=arguments.trust_owner,
    )
    given = given_keys(_overrides(arguments))
    destination(study, given)  # before anything else: the environment may be wrong, too
    if arguments.plan:
        return show_plan(study, options, console)
    if arguments.smoke:
        with _going_on(study, arguments):
            tried = try_cells(study, options, console)
        if tried.exit_code:
            return tried.exit_code
    with (
        _going_on(study, arguments),
        contextlib.closing(SharedSink(study, given)) as sink,
        Renderer() as renderer,
    ):
        prepare = functools.partial(prepare_report, renderer)
        ahead = [] if options.local else [Preparation(prepare)]
        outcome = execute(study, options, console, sink, ahead)
        _report(outcome, sink, renderer, console)
    _print_places(outcome, sink.to, arguments, console)
    return outcome.exit_code


def show_plan(study: Study, options: Options, console: Console) -> int:
    """`--plan`: what would be run, and what is done already."""
    ledger = Ledger(StudyPaths(study.directory)) if not options.fresh else no_ledger(study)
    plan, left = examine(study, ledger, options)
    known = check_data(plan, [*left.todo, *left.kept])
    slots = places(study, options)
    print_plan(plan, left, ledger.rows, known, max(1, slots), console)
    too_large = "" if slots else TOO_LARGE
    told = plan.seeding, *plan_notes(plan, known), *ledger.notes, *left.notes, too_large
    for note in filter(None, told):
        console.print(Text(f"note: {note}"), soft_wrap=True)
    return 0


def guarded(command: Callable[[Console], int]) -> int:
    """Runs a command; mistakes of the user's are told without a traceback."""
    tolerate_all_text()
    try:
        settle_in()
        return command(Console())
    except AblateError as error:
        return _told(str(error), error.exit_code)
    except OSError as error:
        named = ": ".join(filter(None, [file_of(error), reason_of(error)]))
        return _told(named, AblateError.exit_code)
    except KeyboardInterrupt:
        return INTERRUPTED


def _told(message: str, exit_code: int) -> int:
    Console(stderr=True).print(Text(f"error: {message}"), soft_wrap=True)
    return exit_code


def _report(outcome: Outcome, sink: SharedSink, renderer: Renderer, console: Console) -> None:
    plan, ledger, study = outcome.plan, outcome.ledger, outcome.plan.study
    paths = StudyPaths(study.directory)
    study_yaml = paths.study_yaml.read_text(encoding="utf-8")
    lost = lost_notes(ledger.rows, lost_files(paths, ledger.rows, plan.by_id))
    record = study_record(plan, ledger.rows, study_yaml=study_yaml, notes=lost)
    print_report(record, console)
    tracks = not outcome.interrupted and sink.to.mode != "disabled"
    say = _say(console)
    if tracks:
        sink.put(lacking_messages(plan, ledger, sink.to.mode), say)
        sink.wait_for_answer()
    record = replace(record, tracked_at=tracked_at(study))
    try:
        undrawn = write_report(record, paths, renderer)
    except OSError as error:
        raise StorageError.of(error, paths.report) from error
    print_undrawn(undrawn, console)
    if tracks:
        table = table_message(record, study, paths)
        is_there = WandbRecord(paths).has(table["id"], table["what"], sink.to.mode)
        sink.put([] if is_there else [table], say)
        sink.no_more()


def _say(console: Console) -> Callable[[str], None]:
    return lambda notice: console.print(Text(notice), soft_wrap=True)


@contextlib.contextmanager
def _going_on(study: Study, arguments: argparse.Namespace) -> Generator[None]:
    """Lets a failure of the study's storage say how to go on."""
    try:
        yield
    except StorageError as error:
        error.command = _again(study.directory, arguments)
        raise


def _again(directory: Path, arguments: argparse.Namespace) -> str:
    """The command that goes on with a study, for a shell."""
    options = ["--local"] if arguments.local else []
    options += ["--address", arguments.address] if arguments.address else []
    return quoted(["python", "-m", "ablate.run", "--resume", _short(directory), *options])


def _load(arguments: argparse.Namespace) -> Study:
    if (arguments.grid is None) == (arguments.resume is None):
        raise AblateError("give either a GRID file or --resume DIR")
    overrides = _overrides(arguments)
    if arguments.resume is not None:
        return load_saved_study(Path(arguments.resume), overrides)
    return load_study(arguments.grid, overrides)


def _overrides(arguments: argparse.Namespace) -> list[str]:
    overrides = list(arguments.set)
    if arguments.wandb_project is not None:
        overrides.append(_literal("tracking.project", arguments.wandb_project))
    if arguments.pack is not None:
        overrides.append(
            f"pack={arguments.pack}" if arguments.pack.isdecimal()
            else _literal("pack", arguments.pack)
        )  # fmt: skip
    if arguments.storage is not None and arguments.resume is None:
        overrides.append(_literal("storage", arguments.storage))
    return overrides


def _literal(key: str, text: str) -> str:
    """An override whose value is text, whatever YAML would read in it."""
    return f"{key}={dump_yaml(text)}"


def _print_places(
    outcome: Outcome, to: Destination, arguments: argparse.Namespace, console: Console
) -> None:
    paths = StudyPaths(outcome.plan.study.directory)
    console.print()
    places = {
        "ledger": paths.runs_parquet,
        "report": paths.report / "index.html",
        "best weights": paths.root / "checkpoints",
    }
    for name, path in ((name, path) for name, path in places.items() if path.exists()):
        console.print(Text(f"{name + ':':<14}{_short(path)}"), soft_wrap=True)
    for name, told in wandb_places(outcome.plan, outcome.ledger, to, _short(paths.root)):
        console.print(Text(f"{name + ':':<14}{told}"), soft_wrap=True)
    if outcome.interrupted:
        again = _again(paths.root, arguments)
        console.print(
            Text(f"\ninterrupted; the state is saved. Go on with:\n  {again}"), soft_wrap=True
        )


def _short(path: Path) -> str:
    """A path as seen from here, where that is shorter."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


if __name__ == "__main__":
    leave(main())
