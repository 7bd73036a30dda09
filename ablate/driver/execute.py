"""Executes the remaining runs on a backend."""

import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from rich.console import Console

from ablate.driver.first_replicate import FirstReplicate
from ablate.driver.table_so_far import TableSoFar
from ablate.events import Broadcast, Listener
from ablate.launch.base import Options, backend_of
from ablate.launch.checkpoints import drop_checkpoints
from ablate.launch.session import JobContext, job_context
from ablate.ledger.code_watch import CodeWatch
from ablate.ledger.ledger import Ledger
from ablate.plan.glance import TimeLeft
from ablate.plan.plan import Plan
from ablate.plan.reconcile import Remaining
from ablate.process.interrupts import Interrupts
from ablate.storage import fault_of
from ablate.study_dir import StudyPaths
from ablate.tracking.base import TrackedStudy, Trackers
from ablate.tracking.terminal import Progress
from ablate.tracking.wandb.messages import RunMessages
from ablate.tracking.wandb.port import INTERRUPT_PATIENCE_S, SharedSink
from ablate.tracking.wandb.script_runs import script_environment
from ablate.tracking.wandb.tracker import WandbTracker
from ablate.trainable.code_files import CodeFile
from ablate.trainable.loaded_code import import_path


@dataclass(frozen=True)
class Caller:
    """What the caller of a study's run provides."""

    console: Console
    sink: SharedSink
    trackers: Trackers
    listeners: Sequence[Listener]
    interrupts: Interrupts


def execute_runs(
    plan: Plan,
    remaining: Remaining,
    ledger: Ledger,
    options: Options,
    caller: Caller,
    enter: Callable[[], None],
) -> bool:
    """Executes the remaining runs.

    Args:
        plan: The plan.
        remaining: Its runs to do.
        ledger: Their record.
        options: How to do them.
        caller: Who watches.
        enter: Enters them into the ledger, and resets what no longer counts; called once they can
            start, so that a command that fails earlier has changed nothing.

    Returns:
        Whether it was interrupted.

    Raises:
        StorageError: If the study's storage failed after the runs could start.
    """
    entered = False
    with (
        _progress(plan, remaining, ledger, options, caller) as progress,
        job_context(_context(plan, ledger, progress, options, caller)) as context,
        contextlib.suppress(KeyboardInterrupt),
        backend_of(options).open(context, len(remaining.todo), options) as run,
    ):
        enter()
        entered = True
        drop_checkpoints(context.paths, ledger.resumable() - remaining.restart)
        with _blaming_storage(context):
            run(remaining, ledger)
    if context.broadcast.failure is not None:
        raise context.broadcast.failure
    if entered:
        drop_checkpoints(context.paths, ledger.resumable())
    interrupted = not entered or any(
        not ledger.rows.status(run.run_id).has_ended for run in remaining.todo
    )
    if interrupted:
        caller.sink.close(INTERRUPT_PATIENCE_S)
    return interrupted


@contextlib.contextmanager
def _blaming_storage(context: JobContext) -> Generator[None]:
    """Attributes errors to the study's storage if that failed; libraries raise their own."""
    try:
        yield
    except Exception as error:
        fault = context.broadcast.failure or fault_of(error, context.paths)
        if fault is None:
            raise
        raise fault from error


def _progress(
    plan: Plan, remaining: Remaining, ledger: Ledger, options: Options, caller: Caller
) -> Progress:
    metric = plan.study.metric
    return Progress(
        {run.run_id: run.run_name for run in remaining.todo},
        (metric, "val_loss"),
        caller.console,
        # A live view that keeps redrawing would hide a debugger's prompt.
        live=not options.local,
        before=Counter(ledger.rows.status(run.run_id) for run in remaining.kept),
        # The record hears of an end before its views do.
        result=lambda run_id: ledger.rows.of(run_id).result(metric, plan.value),
        left_s=TimeLeft(plan, remaining.todo, ledger.rows, remaining.crashed).seconds,
    )


def _context(
    plan: Plan, ledger: Ledger, progress: Progress, options: Options, caller: Caller
) -> JobContext:
    paths = StudyPaths(plan.study.directory)
    # The sink imports W&B while Ray starts. Smoke runs are not tracked.
    port = None if plan.is_smoke else caller.sink.port(progress.say)
    trackers: list[Listener] = []
    if port:
        trackers.append(WandbTracker(RunMessages(plan, paths, ledger), port))
    if not plan.is_smoke:
        tracked = TrackedStudy(
            study=plan.study, directory=paths.root, ledger=ledger, value=plan.value
        )
        trackers += caller.trackers.open(tracked, progress.say)
    path, begun_with = import_path(), dict[CodeFile, str]()
    for entry in plan.entries:
        begun_with |= entry.own_code().hashes(path)
    code = CodeWatch(ledger, begun_with, progress.say)
    first: list[Listener] = [code] if plan.is_smoke else [code, FirstReplicate(plan, ledger)]
    tables = [TableSoFar(plan, ledger, caller.console)] if options.verbose else []
    listeners = [*first, progress, *tables, *trackers, *caller.listeners]
    return JobContext(
        plan=plan,
        paths=paths,
        broadcast=Broadcast(ledger, listeners, caller.interrupts.stop, progress.say),
        say=progress.say,
        settled=ledger.settled,
        interrupts=caller.interrupts,
        environment=functools.partial(script_environment, plan, ledger, paths, caller.sink.to),
    )
