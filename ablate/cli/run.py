"""`python -m ablate.run grid.yaml`: runs a study; argument parsing and wiring only."""

import argparse
import contextlib
import math
import sys
from collections.abc import Generator, Sequence
from pathlib import Path

from rich.console import Console

from ablate.cli.guard import ending_text, guarded
from ablate.cli.resume_command import resume_command
from ablate.driver.data_check import check_data
from ablate.driver.question import check_question
from ablate.driver.reuse import offers_of
from ablate.driver.session import deviation_notes, examine, ledger_of, plan_notes
from ablate.driver.smoke import try_cells
from ablate.errors import CLUSTER_GONE, INTERRUPTED, AblateError, StorageError
from ablate.launch.base import Options, backend_of
from ablate.process.interrupts import interrupts
from ablate.process.needed_modules import namesake
from ablate.process.screen import Arguments, Text
from ablate.report.plan_table import print_plan
from ablate.spec.load import load_saved_study, load_study
from ablate.spec.models import Study
from ablate.spec.yaml12 import dump_yaml
from ablate.tracking.base import Trackers
from ablate.tracking.wandb.settings import destination, given_keys

TOO_LARGE = (
    "no trial fits on this machine: the study needs a cluster with larger nodes (--address uses "
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
        epilog="The same command resumes the study: finished runs are kept.",
    )
    add = parser.add_argument
    add("grid", nargs="?", metavar="GRID", help="the study's YAML file, or a ready study's name")
    add("--resume", metavar="DIR", help="resume a study directory, without its YAML")
    add("--plan", action="store_true", help="show cells, runs and what is done; start nothing")
    add("--local", action="store_true", help="run in this process, one run after another, no Ray")
    add("--smoke", action="store_true", help="try every cell for two steps, and stop")
    add("--go", action="store_true", help="with --smoke: run the study if all cells passed")
    add("--only", metavar="KEY=VALUE,...", help="run only a part of the plan: flow=vp,seed=42")
    add("--pdb", action="store_true", help="as --local; stop in the debugger when a run fails")
    add(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key of the YAML"
    )
    add("--storage", metavar="DIR", help="where study directories go (default ./studies)")
    add("--retry-failed", action="store_true", help="run failed and diverged runs again")
    add("--fresh", action="store_true", help="start over; the old directory is renamed and kept")
    add("--same-study", action="store_true",
        help="go on where the results are of another question (metric, factors)")  # fmt: skip
    add("--reuse", action="store_true", help="take runs that other studies of the storage finished")
    add("--accept-changed-data", action="store_true", help="keep runs made with different data")
    add("--trust-owner", action="store_true", help="unpickle checkpoints that another user owns")
    add("--pack", metavar="N|auto", help="runs of one shape that share a trial (default 1)")
    add("--address", metavar="ADDR", help="address of a running Ray cluster, or local")
    add("--backend", metavar="NAME", help="where to run: ray (default), local, or a plug-in")
    add("--wait-for-lock", metavar="SECONDS", type=_seconds, default=0.0,
        help="wait for another driver on the study directory to end")  # fmt: skip
    add("--verbose", action="store_true", help="show the table so far as replicates end")
    add("--wandb-project", metavar="NAME", help="the W&B project")
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds; write 300, say")
    return seconds


def run_command(arguments: argparse.Namespace, console: Console) -> int:
    """Executes `python -m ablate.run`, given its arguments.

    Raises:
        AblateError: If the input is wrong.
    """
    if hiding := namesake():
        raise AblateError(f"{hiding} hides Ablate from the processes that it starts: rename it")
    if (arguments.local or arguments.pdb) and arguments.backend not in (None, "local"):
        raise AblateError(f"--backend {arguments.backend} is not --local: give one of the two")
    if arguments.go and not arguments.smoke:
        raise AblateError("--go goes on after --smoke: give both, or none of the two")
    study = _load(arguments)
    options = Options(
        local=arguments.local or arguments.pdb or arguments.backend == "local",
        only=arguments.only,
        debug=arguments.pdb,
        retry_failed=arguments.retry_failed,
        fresh=arguments.fresh,
        same_study=arguments.same_study or arguments.resume is not None,
        reuse=arguments.reuse,
        accept_changed_data=arguments.accept_changed_data,
        address=arguments.address,
        trust_owner=arguments.trust_owner,
        wait_for_lock_s=arguments.wait_for_lock,
        verbose=arguments.verbose,
        backend=arguments.backend,
    )
    # Checked first: mistakes in the environment are the user's, too.
    destination(study, given_keys(_overrides(arguments)))
    Trackers(study)
    if arguments.plan:
        return show_plan(study, options, console)
    with interrupts() as watched:
        watched.resume_hint = lambda: resume_command(arguments, study, watched.has_begun)
        try:
            exit_code = _run(study, options, arguments, console)
        except KeyboardInterrupt:
            exit_code = CLUSTER_GONE if watched.gone else INTERRUPTED
        if exit_code in (CLUSTER_GONE, INTERRUPTED):
            console.print(Text(f"\n{ending_text(watched)}"), soft_wrap=True)
    return exit_code


def _run(study: Study, options: Options, arguments: argparse.Namespace, console: Console) -> int:
    if arguments.smoke:
        with _going_on(study, arguments):
            tried = try_cells(study, options, console)
        if tried.exit_code:
            return tried.exit_code
        if not arguments.go:
            console.print(Text("smoke: the study was not started: add --go, or leave --smoke out"))
            return 0
    from ablate.driver.finish import complete_study  # takes half a second, and no plan needs it

    with _going_on(study, arguments):
        return complete_study(study, options, console, given_keys(_overrides(arguments))).exit_code


def show_plan(study: Study, options: Options, console: Console) -> int:
    """`--plan`: prints what would be run, and what is done already.

    Args:
        study: A checked study.
        options: How it would be run.
        console: Where to print.

    Raises:
        AblateError: If it could not be run so.
    """
    ledger = ledger_of(study, options)
    check_question(study, ledger.rows, options)
    plan, remaining = examine(study.resolved_as({}), ledger, options)
    preflight_facts = check_data(plan, [*remaining.todo, *remaining.kept])
    slots = backend_of(options).places(study, options)
    print_plan(plan, remaining, ledger.rows, preflight_facts, max(1, slots), console)
    too_large = "" if slots else TOO_LARGE
    notes = (
        plan.seeding,
        *plan_notes(plan, preflight_facts),
        *ledger.notes,
        *remaining.notes,
        offers_of(plan, remaining.todo, preflight_facts).note(options.reuse),
        too_large,
        *([] if options.fresh else deviation_notes(plan, ledger)),
    )
    for note in filter(None, notes):
        console.print(Text(f"note: {note}"), soft_wrap=True)
    return 0


@contextlib.contextmanager
def _going_on(study: Study, arguments: argparse.Namespace) -> Generator[None]:
    """Adds the command that resumes the study to a failure of its storage."""
    try:
        yield
    except StorageError as error:
        with interrupts() as watched:
            error.command = resume_command(arguments, study, watched.has_begun)
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
    """An override whose value is text, even if YAML would read something else."""
    return f"{key}={dump_yaml(text)}"


if __name__ == "__main__":
    sys.exit(main())
