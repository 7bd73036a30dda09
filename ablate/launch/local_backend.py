"""The backend that executes runs in this process."""

import contextlib
from collections.abc import Generator

from ablate.launch.base import Options, Runner
from ablate.launch.checkpoints import newest_checkpoints
from ablate.launch.local import run_local
from ablate.launch.session import JobContext
from ablate.ledger.ledger import Ledger
from ablate.plan.packing import packs_of
from ablate.plan.reconcile import Remaining
from ablate.spec.models import Study


class LocalBackend:
    """This process, one trial after another."""

    def check(self, options: Options) -> None:
        """Accepts everything: this process is always available."""

    def places(self, study: Study, options: Options) -> int:
        """One."""
        return 1

    @contextlib.contextmanager
    def open(self, context: JobContext, num_runs: int, options: Options) -> Generator[Runner]:
        """Yields at once: nothing needs preparation."""

        def run(remaining: Remaining, ledger: Ledger) -> None:
            """Runs what is left, one trial after another."""
            paths = context.paths
            packs = packs_of(context.plan, remaining.todo, ledger.rows, 1, remaining.crashed)
            run_local(
                context.plan, packs, paths, paths.next_launch,
                newest_checkpoints(paths, ledger.restarts()),
                context.broadcast, context.interrupts, options.debug, options.trust_owner,
                context.environment,
            )  # fmt: skip

        yield run
