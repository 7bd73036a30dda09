"""Doing runs: on Ray, or in this process, once it is sure that they can start."""

import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console

from ablate.checkpoints import drop_checkpoints, newest_checkpoints
from ablate.context import JobContext, job_context
from ablate.errors import AblateError
from ablate.events import Broadcast, Listener
from ablate.garbage import uncollected
from ablate.interrupts import Interrupts
from ablate.launch.address import LOCAL, check_address
from ablate.launch.environment import kept_environment
from ablate.launch.ray_log import ray_speaks_to
from ablate.ledger import ENDED, Ledger
from ablate.machine import this_machine, trials_at_once
from ablate.packs import packs_of
from ablate.paths import StudyPaths
from ablate.plan import Plan
from ablate.progress import Progress
from ablate.remaining import Remaining
from ablate.storage import fault_of
from ablate.study import Study
from ablate.wandb_messages import RunMessages
from ablate.wandb_port import INTERRUPT_PATIENCE_S, SharedSink
from ablate.wandb_tracker import WandbTracker

if TYPE_CHECKING:
    from ablate.launch.cluster import Place
    from ablate.launch.experiment import Launch


@dataclass(frozen=True)
class Options:
    """How to run a study, as on the command line."""

    local: bool = False
    only: str | None = None
    debug: bool = False
    retry_failed: bool = False
    fresh: bool = False
    accept_changed_data: bool = False
    address: str | None = None
    trust_owner: bool = False
    """Unpickle checkpoints that another user owns, see `ablate.trust`."""
    wait_for_lock_s: float = 0.0
    short: bool = False
    """End every run after two steps, see `ablate.smoke`."""


@dataclass(frozen=True)
class Caller:
    """What whoever runs a study brings along."""

    console: Console
    sink: SharedSink
    listeners: Sequence[Listener]
    interrupts: Interrupts


def do_runs(
    plan: Plan,
    left: Remaining,
    ledger: Ledger,
    options: Options,
    caller: Caller,
    enter: Callable[[], None],
) -> bool:
    """Does what is left.

    Args:
        plan: The plan.
        left: Its runs that are to be done.
        ledger: Their record.
        options: How to do them.
        caller: Who watches.
        enter: Enters them into the ledger, and takes out what no longer counts; called once they
            can start, so that a command that cannot has changed nothing.

    Returns:
        Whether it was interrupted.

    Raises:
        StorageError: Where the study's storage failed once the runs could start.
    """
    interrupts, entered = caller.interrupts, False
    with (
        _progress(plan, left, options, caller) as progress,
        job_context(_context(plan, ledger, progress, caller, interrupts.stop)) as context,
        contextlib.suppress(KeyboardInterrupt),
        _place(context, len(left.todo), options, interrupts) as place,
    ):
        enter()
        entered = True
        drop_checkpoints(context.paths, ledger.resumable() - left.restart)
        with _blaming_storage(context):
            if place is None:
                _work_locally(context, left, ledger, options)
            else:
                _work_on_ray(context, left, ledger, options, place)
    if context.broadcast.failure is not None:
        raise context.broadcast.failure
    if entered:
        drop_checkpoints(context.paths, ledger.resumable())
    interrupted = not entered or any(
        ledger.rows[run.run_id]["status"] not in ENDED for run in left.todo
    )
    if interrupted:
        caller.sink.close(INTERRUPT_PATIENCE_S)
    return interrupted


@contextlib.contextmanager
def _blaming_storage(context: JobContext) -> Generator[None]:
    """What drives the runs fails where the study's storage does, each library in its own way."""
    try:
        yield
    except Exception as error:
        fault = context.broadcast.failure or fault_of(error, context.paths)
        if fault is None:
            raise
        raise fault from error


def places(study: Study, options: Options) -> int:
    """How many trials would run at once, as the launch counts them; 0 where none fits here.

    Raises:
        AblateError: Where no cluster answers at the address.
        InputError: Where no node of the cluster is large enough for a trial.
    """
    if options.local:
        return 1
    address = check_address(options.address)
    if address in (None, LOCAL):
        return trials_at_once(study.resources, [this_machine()])
    with kept_environment():
        from ablate.launch.cluster import slots_at

        return slots_at(study, address)


def next_launch(paths: StudyPaths) -> int:
    """The number of a launch that is to be new."""
    return max(paths.launch_numbers(), default=0) + 1


def _progress(plan: Plan, left: Remaining, options: Options, caller: Caller) -> Progress:
    names = {run.run_id: run.run_name for run in left.todo}
    # A view that is drawn anew all the time leaves a debugger no prompt.
    live = not options.local
    return Progress(names, (plan.study.metric, "val_loss"), caller.console, live)


def _context(
    plan: Plan, ledger: Ledger, progress: Progress, caller: Caller, stop: Callable[[], None]
) -> JobContext:
    paths = StudyPaths(plan.study.directory)
    # The sink imports W&B while Ray starts. Runs that are only tried are nobody's business.
    port = None if plan.short else caller.sink.port(progress.say)
    trackers = [WandbTracker(RunMessages(plan, paths, ledger), port)] if port else []
    return JobContext(
        plan,
        paths,
        Broadcast(ledger, [progress, *trackers, *caller.listeners], stop, progress.say),
        progress.say,
        ledger.settled,
        caller.interrupts,
    )


@contextlib.contextmanager
def _place(
    context: JobContext, num_runs: int, options: Options, interrupts: Interrupts
) -> Generator["Place | None"]:
    """Where runs can be done; None for this process."""
    if options.local:
        yield None
        return
    with ray_speaks_to(context.paths.ray_log), kept_environment() as all_is_set:
        with uncollected():
            from ablate.launch.cluster import cluster

        with cluster(context.plan, num_runs, options.address, interrupts, context.say) as place:
            all_is_set()
            yield place


def _work_locally(context: JobContext, left: Remaining, ledger: Ledger, options: Options) -> None:
    from ablate.local import run_local

    packs = packs_of(context.plan, left.todo, ledger.rows, 1, left.crashed)
    run_local(
        context.plan, packs, context.paths, next_launch(context.paths),
        newest_checkpoints(context.paths, ledger.restarts()), context.broadcast,
        context.interrupts.check, options.debug, options.trust_owner,
    )  # fmt: skip


def _work_on_ray(
    context: JobContext,
    left: Remaining,
    ledger: Ledger,
    options: Options,
    place: "Place",
) -> None:
    """Launches until every run has ended; more than once only where Tune lost some on the way."""
    with uncollected():
        from ablate.launch.experiment import Launch
        from ablate.launch.state import restorable_launch
        from ablate.tracking import AblateWandbCallback

    plan, paths, interrupts = context.plan, context.paths, context.interrupts
    todo = list(left.todo)
    # Nothing is to be had of Tune's state of runs that failed, or begin again, or that it lost.
    may_restore = not (left.restart or left.crashed)
    while todo and not interrupts.seen:
        number, why_not = None, ""
        if may_restore:
            number, why_not = restorable_launch(paths, plan.study, todo, ledger.rows)
        if why_not:
            context.say(f"note: {why_not}; going on from the runs' own checkpoints")
        trackers = [AblateWandbCallback(str(paths.root))]
        if number is not None:
            _restore(Launch(plan, paths, number, trackers, interrupts, place), context)
        else:
            launch = Launch(
                plan, paths, next_launch(paths), trackers, interrupts, place, options.trust_owner
            )
            packs = packs_of(plan, todo, ledger.rows, place.at_once, left.crashed)
            launch.start(packs, newest_checkpoints(paths, ledger.restarts()))
        if context.broadcast.failure is not None:
            return
        undone = [run for run in todo if ledger.rows[run.run_id]["status"] not in ENDED]
        if number is None and len(undone) == len(todo) and not interrupts.seen:
            logs = paths.root / "logs"
            raise AblateError(f"Tune ended without ending any of {len(undone)} runs: {logs}")
        todo, may_restore = undone, False


def _restore(launch: "Launch", context: JobContext) -> None:
    """Goes on with a launch; where Tune cannot read its own state, a new one will do."""
    try:
        launch.restore()
    except Exception as error:
        if context.broadcast.failure is not None or context.broadcast.has_told:
            raise
        context.say(
            f"note: the Tune state of launch {launch.number} cannot be read "
            f"({type(error).__name__}); going on from the runs' own checkpoints"
        )
