"""`python -m ablate.run grid.yaml`: the main job, argument parsing and wiring only."""

import argparse
import contextlib
import math
import sys
from collections.abc import Generator, Sequence
from pathlib import Path

from rich.console import Console

from ablate.cli.going_on import command_to_go_on
from ablate.cli.guard import guarded, how_to_go_on
from ablate.driver.session import check_data, deviation_notes, examine, no_ledger, plan_notes
from ablate.driver.smoke import try_cells
from ablate.errors import CLUSTER_GONE, INTERRUPTED, AblateError, StorageError
from ablate.launch.base import Options, backend_of
from ablate.ledger.ledger import Ledger
from ablate.process.interrupts import interrupts
from ablate.process.needed_modules import namesake
from ablate.process.screen import Arguments, Text
from ablate.report.plan_table import print_plan
from ablate.spec.load import load_saved_study, load_study
from ablate.spec.models import Study
from ablate.spec.yaml12 import dump_yaml
from ablate.study_dir import StudyPaths
from ablate.tracking.base import Trackers
from ablate.tracking.wandb.settings import destination, given_keys

TOO_LARGE = (
    "this machine holds no such trial: the study needs a cluster whose nodes do (--address asks "
    "one), or smaller resources"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a study.

    Returns:
        The exit code: 0 ok, 1 failed runs, 2 bad input, 3 the study's storage failed, 4 the
        cluster is gone, 130 interrupted.
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
    add("--backend", metavar="NAME", help="where runs are done: ray (default), local, or a plug-in")
    add("--wait-for-lock", metavar="SECONDS", type=_seconds, default=0.0,
        help="wait for another driver on the study directory to end")  # fmt: skip
    add("--wandb-project", metavar="NAME", help="the W&B project")
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds; write 300, say")
    return seconds


def run_command(arguments: argparse.Namespace, console: Console) -> int:
    """What `python -m ablate.run` does with its arguments.

    Raises:
        AblateError: Where the input is wrong.
    """
    if hiding := namesake():
        raise AblateError(f"{hiding} hides Ablate from the processes that it starts: rename it")
    if (arguments.local or arguments.pdb) and arguments.backend not in (None, "local"):
        raise AblateError(f"--backend {arguments.backend} is not --local: give one of the two")
    study = _load(arguments)
    options = Options(
        local=arguments.local or arguments.pdb or arguments.backend == "local",
        only=arguments.only,
        debug=arguments.pdb,
        retry_failed=arguments.retry_failed,
        fresh=arguments.fresh,
        accept_changed_data=arguments.accept_changed_data,
        address=arguments.address,
        trust_owner=arguments.trust_owner,
        wait_for_lock_s=arguments.wait_for_lock,
        backend=arguments.backend,
    )
    # Before anything else: the environment may be wrong, too.
    destination(study, given_keys(_overrides(arguments)))
    Trackers(study)
    if arguments.plan:
        return show_plan(study, options, console)
    with interrupts() as watched:
        watched.how_to_go_on = lambda: command_to_go_on(arguments, study, watched.has_begun)
        try:
            exit_code = _run(study, options, arguments, console)
        except KeyboardInterrupt:
            exit_code = CLUSTER_GONE if watched.gone else INTERRUPTED
        if exit_code in (CLUSTER_GONE, INTERRUPTED):
            console.print(Text(f"\n{how_to_go_on(watched)}"), soft_wrap=True)
    return exit_code


def _run(study: Study, options: Options, arguments: argparse.Namespace, console: Console) -> int:
    if arguments.smoke:
        with _going_on(study, arguments):
            tried = try_cells(study, options, console)
        if tried.exit_code:
            return tried.exit_code
    from ablate.driver.finish import complete_study  # half a second of imports that no plan needs

    with _going_on(study, arguments):
        return complete_study(study, options, console, given_keys(_overrides(arguments))).exit_code


def show_plan(study: Study, options: Options, console: Console) -> int:
    """`--plan`: what would be run, and what is done already."""
    ledger = Ledger(StudyPaths(study.directory)) if not options.fresh else no_ledger(study)
    plan, left = examine(study, ledger, options)
    known = check_data(plan, [*left.todo, *left.kept])
    slots = backend_of(options).places(study, options)
    print_plan(plan, left, ledger.rows, known, max(1, slots), console)
    too_large = "" if slots else TOO_LARGE
    told = plan.seeding, *plan_notes(plan, known), *ledger.notes, *left.notes, too_large
    told = *told, *([] if options.fresh else deviation_notes(plan, ledger))
    for note in filter(None, told):
        console.print(Text(f"note: {note}"), soft_wrap=True)
    return 0


@contextlib.contextmanager
def _going_on(study: Study, arguments: argparse.Namespace) -> Generator[None]:
    """Lets a failure of the study's storage say how to go on."""
    try:
        yield
    except StorageError as error:
        with interrupts() as watched:
            error.command = command_to_go_on(arguments, study, watched.has_begun)
        raise


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


if __name__ == "__main__":
    sys.exit(main())
