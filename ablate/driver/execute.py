"""Executes pending runs on a backend, once it is sure that they can start."""

import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from rich.console import Console

from ablate.driver.first_replicate import FirstReplicate
from ablate.events import Broadcast, Listener
from ablate.launch.base import Options, backend_of
from ablate.launch.checkpoints import drop_checkpoints
from ablate.launch.session import JobContext, job_context
from ablate.ledger.code_watch import CodeWatch
from ablate.ledger.ledger import Ledger
from ablate.plan.plan import Plan
from ablate.plan.reconcile import Remaining
from ablate.process.interrupts import Interrupts
from ablate.storage import fault_of
from ablate.study_dir import StudyPaths
from ablate.tracking.base import TrackedStudy, Trackers
from ablate.tracking.terminal import Progress
from ablate.tracking.wandb.messages import RunMessages
from ablate.tracking.wandb.port import INTERRUPT_PATIENCE_S, SharedSink
from ablate.tracking.wandb.tracker import WandbTracker
from ablate.trainable.code_files import OwnCode
from ablate.trainable.loaded_code import import_path


@dataclass(frozen=True)
class Caller:
    """What whoever runs a study brings along."""

    console: Console
    sink: SharedSink
    trackers: Trackers
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
        backend_of(options).open(context, len(left.todo), options) as run,
    ):
        enter()
        entered = True
        drop_checkpoints(context.paths, ledger.resumable() - left.restart)
        with _blaming_storage(context):
            run(left, ledger)
    if context.broadcast.failure is not None:
        raise context.broadcast.failure
    if entered:
        drop_checkpoints(context.paths, ledger.resumable())
    interrupted = not entered or any(
        not ledger.rows.status(run.run_id).has_ended for run in left.todo
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
    trackers: list[Listener] = []
    if port:
        trackers.append(WandbTracker(RunMessages(plan, paths, ledger), port))
    if not plan.short:
        tracked = TrackedStudy(study=plan.study, directory=paths.root, ledger=ledger)
        trackers += caller.trackers.open(tracked, progress.say)
    begun_with = OwnCode.of(plan.entry.target).hashes(import_path())
    code = CodeWatch(ledger, begun_with, progress.say)
    first: list[Listener] = [code] if plan.short else [code, FirstReplicate(plan, ledger)]
    return JobContext(
        plan,
        paths,
        Broadcast(ledger, [*first, progress, *trackers, *caller.listeners], stop, progress.say),
        progress.say,
        ledger.settled,
        caller.interrupts,
    )
