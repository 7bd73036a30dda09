"""The Ray backend: on a running cluster, or a Ray of the study's own."""

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.errors import AblateError
from ablate.launch.base import Options, Runner
from ablate.launch.checkpoints import newest_checkpoints
from ablate.launch.ray.address import LOCAL, check_address
from ablate.launch.ray.environment import kept_environment
from ablate.launch.ray.ray_log import ray_speaks_to
from ablate.launch.session import JobContext
from ablate.ledger.ledger import Ledger
from ablate.plan.packing import packs_of
from ablate.plan.plan import Run
from ablate.plan.reconcile import Remaining
from ablate.process.gc_pause import gc_paused
from ablate.process.machine import this_machine, trials_at_once
from ablate.spec.models import Study
from ablate.trainable.registry import TrainableEntry

if TYPE_CHECKING:
    from ablate.launch.ray.cluster import Place
    from ablate.launch.ray.experiment import Launch


class RayBackend:
    """Executes runs as trials of Ray Tune, on a running cluster or a Ray of the study's own."""

    def check(self, options: Options) -> None:
        """Checks that a cluster answers at the requested address."""
        check_address(options.address)

    def places(self, study: Study, options: Options) -> int:
        """As many trials as the cluster's nodes, or this machine, have room for; starts nothing."""
        address = check_address(options.address)
        if address in (None, LOCAL):
            return capped(study, trials_at_once(study.resources, [this_machine()]))
        with kept_environment():
            from ablate.launch.ray.cluster import slots_at

            return capped(study, slots_at(study, address))

    @contextlib.contextmanager
    def open(self, context: JobContext, num_runs: int, options: Options) -> Generator[Runner]:
        """Connects, or starts a Ray of the study's own."""
        with ray_speaks_to(context.paths.ray_log), kept_environment() as all_is_set:
            with gc_paused():
                from ablate.launch.ray.cluster import cluster
            with cluster(
                context.plan, num_runs, options.address, context.interrupts, context.say
            ) as place:
                all_is_set()
                yield _RayRunner(context, options, place)


def capped(study: Study, slots: int) -> int:
    """Trials that run at once where there is room for so many."""
    return slots if study.max_concurrent is None else min(slots, study.max_concurrent)


@dataclass(frozen=True)
class _RayRunner:
    context: JobContext
    options: Options
    place: "Place"

    def __call__(self, remaining: Remaining, ledger: Ledger) -> None:
        """Launches until every run has ended; more than once only if Tune lost some."""
        todo, interrupts = list(remaining.todo), self.context.interrupts
        # Tune's state is useless for runs that failed, restart, or got lost.
        may_restore = not (remaining.restart or remaining.crashed)
        if self.place.is_shared:  # a Ray of the study's own is on this machine
            from ablate.launch.ray.worker_imports import check_imports

            check_imports(self.context.plan, todo)
        while todo and not interrupts.seen:
            is_new = not (may_restore and self._restored(todo, ledger))
            if is_new:
                self._start(todo, remaining, ledger)
            if self.context.broadcast.failure is not None:
                return
            undone = [run for run in todo if not ledger.rows.status(run.run_id).has_ended]
            if is_new and len(undone) == len(todo) and not interrupts.seen:
                logs = self.context.paths.root / "logs"
                raise AblateError(f"Tune ended without ending any of {len(undone)} runs: {logs}")
            todo, may_restore = undone, False

    def _restored(self, todo: list[Run], ledger: Ledger) -> bool:
        """Resumes the launch that carries the runs, if there is one; returns whether it did."""
        with gc_paused():
            from ablate.launch.ray.launch_record import restorable_launch

        context = self.context
        number, why_not = restorable_launch(context.paths, context.plan.study, todo, ledger.rows)
        if why_not:
            context.say(f"note: {why_not}; resuming from the runs' own checkpoints")
        if number is None:
            return False
        restore(self._launch(number, todo[0].cell.entry), context)
        return True

    def _start(self, todo: list[Run], remaining: Remaining, ledger: Ledger) -> None:
        """Launches the runs of one trainable after those of the other: Tune takes one."""
        paths, plan = self.context.paths, self.context.plan
        at_once = capped(plan.study, self.place.at_once)
        starts = newest_checkpoints(paths, ledger.restarts())
        for entry in plan.entries:
            own = [run for run in todo if run.cell.entry.name == entry.name]
            if not own or self.context.interrupts.seen:
                continue
            packs = packs_of(plan, own, ledger.rows, at_once, remaining.crashed)
            self._launch(paths.next_launch, entry).start(packs, starts)

    def _launch(self, number: int, entry: TrainableEntry) -> "Launch":
        with gc_paused():
            from ablate.launch.ray.experiment import Launch
            from ablate.launch.ray.wandb_callback import AblateWandbCallback

        context = self.context
        trackers = [AblateWandbCallback(str(context.paths.root))]
        return Launch(
            plan=context.plan,
            entry=entry,
            paths=context.paths,
            number=number,
            trackers=trackers,
            interrupts=context.interrupts,
            place=self.place,
            trust_owner=self.options.trust_owner,
            environment=context.environment,
        )


def restore(launch: "Launch", context: JobContext) -> None:
    """Resumes a launch; if Tune cannot read its own state, the caller starts a new one."""
    try:
        launch.restore()
    except Exception as error:
        if context.broadcast.failure is not None or context.broadcast.has_told:
            raise
        context.say(
            f"note: the Tune state of launch {launch.number} cannot be read "
            f"({type(error).__name__}); resuming from the runs' own checkpoints"
        )
