"""Backends, which execute runs: their protocol, and how one is chosen."""

import importlib
import importlib.metadata
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from ablate.errors import InputError, Problem
from ablate.launch.session import JobContext
from ablate.ledger.ledger import Ledger
from ablate.plan.reconcile import Remaining
from ablate.spec.models import Study

ENTRY_POINTS = "ablate.backends"
"""The group of entry points by which packages name backends: `name = module:object`."""
_OWN = {
    "local": "ablate.launch.local_backend:LocalBackend",
    "ray": "ablate.launch.ray.backend:RayBackend",
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to run a study, as given on the command line."""

    local: bool = False
    only: str | None = None
    debug: bool = False
    retry_failed: bool = False
    fresh: bool = False
    reuse: bool = False
    """Take runs that another study of the storage has finished."""
    same_study: bool = False
    """Go on in the directory of results that answer another question."""
    accept_changed_data: bool = False
    address: str | None = None
    trust_owner: bool = False
    """Unpickle checkpoints that another user owns, see `ablate.launch.trust`."""
    wait_for_lock_s: float = 0.0
    is_smoke: bool = False
    """End every run after two steps, see `ablate.driver.smoke`."""
    verbose: bool = False
    """Show the table so far whenever a replicate has ended."""
    backend: str | None = None
    """The backend's name; by default Ray, or this process if `local`."""


Runner = Callable[[Remaining, Ledger], None]
"""Executes the remaining runs, and sends their events to the job's `broadcast`; returns once every
run has ended, or the job's `interrupts` have asked to stop."""


class Backend(Protocol):
    """Executes runs somewhere. Created without arguments, once per command."""

    def check(self, options: Options) -> None:
        """Refuses impossible options, before anything changes.

        Raises:
            AblateError: If the options name a place that does not exist.
        """
        ...

    def places(self, study: Study, options: Options) -> int:
        """How many trials would run at once, as the launch counts them; 0 if none fits.

        Raises:
            AblateError: If the place does not exist.
            InputError: If no trial of the study fits there.
        """
        ...

    def open(
        self, context: JobContext, num_runs: int, options: Options
    ) -> AbstractContextManager[Runner]:
        """Makes the place ready for runs, for as long as the block lasts.

        Args:
            context: The job: its plan, its directory, who hears of runs, what may stop it.
            num_runs: How many runs there are to do.
            options: How to do them.
        """
        ...


def backend_of(options: Options) -> Backend:
    """The backend that options ask for.

    Raises:
        InputError: If there is none of that name.
    """
    name = options.backend or ("local" if options.local else "ray")
    if name in _OWN:
        module, _, attribute = _OWN[name].partition(":")
        return getattr(importlib.import_module(module), attribute)()
    installed = importlib.metadata.entry_points(group=ENTRY_POINTS)
    for entry in installed.select(name=name):
        return entry.load()()
    names = (*_OWN, *sorted(installed.names - _OWN.keys()))
    raise InputError("command line", [Problem("--backend", "is not a backend", name, names)])
