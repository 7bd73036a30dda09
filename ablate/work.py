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
from ablate.interrupts import Interrupts, unheard_by_children
from ablate.launch.ray_log import ray_speaks_to
from ablate.ledger import ENDED, Ledger
from ablate.packs import packs_of
from ablate.paths import StudyPaths
from ablate.plan import Plan
from ablate.progress import Progress
from ablate.remaining import Remaining
from ablate.wandb_port import INTERRUPT_TIMEOUT_S, SharedSink

if TYPE_CHECKING:
    from ablate.launch.cluster import Place


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
    """
    interrupts, entered = caller.interrupts, False
    with (
        _progress(plan, left, options, caller) as progress,
        job_context(_context(plan, left, ledger, progress, caller)) as context,
        contextlib.suppress(KeyboardInterrupt),
        _place(context, len(left.todo), options, interrupts) as place,
    ):
        enter()
        entered = True
        drop_checkpoints(context.paths, ledger.resumable() - left.restart)
        if place is None:
            _work_locally(context, left, ledger, interrupts, options.debug)
        else:
            _work_on_ray(context, left, ledger, interrupts, place)
    if interrupts.seen:
        caller.sink.close(INTERRUPT_TIMEOUT_S)  # what it does not get out is in the ledger
    if entered:
        drop_checkpoints(context.paths, ledger.resumable())
    return not entered or any(ledger.rows[r.run_id]["status"] not in ENDED for r in left.todo)


def next_launch(paths: StudyPaths) -> int:
    """The number of a launch that is to be new."""
    return max(paths.launch_numbers(), default=0) + 1


def _progress(plan: Plan, left: Remaining, options: Options, caller: Caller) -> Progress:
    names = {run.run_id: run.run_name for run in left.todo}
    # A view that is drawn anew all the time leaves a debugger no prompt.
    live = not options.local
    return Progress(names, (plan.study.metric, "val_loss"), caller.console, live)


def _context(
    plan: Plan, left: Remaining, ledger: Ledger, progress: Progress, caller: Caller
) -> JobContext:
    return JobContext(
        plan,
        StudyPaths(plan.study.directory),
        Broadcast([ledger, progress, *caller.listeners]),
        progress.say,
        caller.sink,
        frozenset(ledger.started_names()) - left.restart,
        ledger.settled,
        ledger.restarts,
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
    with unheard_by_children():  # it ends when the driver does, with all it got
        context.port()  # the sink imports W&B while Ray starts
    with ray_speaks_to(context.paths.ray_log):
        with uncollected():
            from ablate.launch.cluster import cluster

        with cluster(context.plan, num_runs, options.address, interrupts, context.say) as place:
            yield place


def _work_locally(
    context: JobContext, left: Remaining, ledger: Ledger, interrupts: Interrupts, debug: bool
) -> None:
    from ablate.local import run_local
    from ablate.tracking import AblateWandbCallback

    tracking = AblateWandbCallback(str(context.paths.root))
    tracking.setup()
    packs = packs_of(context.plan, left.todo, ledger.rows, 1, left.crashed)
    try:
        run_local(
            context.plan, packs, context.paths, next_launch(context.paths),
            newest_checkpoints(context.paths, ledger.restarts()),
            Broadcast([tracking, context.broadcast]), interrupts.check, debug,
        )  # fmt: skip
    finally:
        tracking.close()


def _work_on_ray(
    context: JobContext,
    left: Remaining,
    ledger: Ledger,
    interrupts: Interrupts,
    place: "Place",
) -> None:
    """Launches until every run has ended; more than once only where Tune lost some on the way."""
    with uncollected():
        from ablate.launch.experiment import Launch
        from ablate.launch.state import restorable_launch
        from ablate.tracking import AblateWandbCallback

    plan, paths = context.plan, context.paths
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
            Launch(plan, paths, number, trackers, interrupts, place).restore()
        else:
            launch = Launch(plan, paths, next_launch(paths), trackers, interrupts, place)
            packs = packs_of(plan, todo, ledger.rows, place.at_once, left.crashed)
            launch.start(packs, newest_checkpoints(paths, ledger.restarts()))
        undone = [run for run in todo if ledger.rows[run.run_id]["status"] not in ENDED]
        if number is None and len(undone) == len(todo) and not interrupts.seen:
            logs = paths.root / "logs"
            raise AblateError(f"Tune ended without ending any of {len(undone)} runs: {logs}")
        todo, may_restore = undone, False
