"""Binds `ray.tune.report` and its kin to a function that Ablate hosts, with or without a Ray.

They look for a session at a private place of Ray's, and are silent where there is none. Ours stands
there as long as the function lives, so that the function reaches us however it imported them
(`tune.report`, or `from ray.tune import report`). `ABLATE_PLAIN_TUNE=1` leaves that place alone:
then only the public attributes are replaced (`tune.report`), and names imported before are as
silent as Ray has them. Where a version of Ray has no such place, it is the same.
"""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ray import train, tune

PLAIN = "ABLATE_PLAIN_TUNE"
_HOLDER, _PLACE = "ray.train._internal.session", "_session"


@dataclass(kw_only=True)
class TuneSession:
    """What Tune's functions ask of a session, with the names that they ask for.

    Attributes:
        report: Takes metrics and a checkpoint.
        loaded_checkpoint: What `tune.get_checkpoint()` returns.
    """

    report: Callable[..., None]
    trial_id: str
    trial_name: str
    trial_dir: str
    trial_resources: tune.PlacementGroupFactory
    experiment_name: str
    loaded_checkpoint: train.Checkpoint | None = None
    run_id: str = ""
    # No worker of Ray Train's: that is how it tells.
    world_rank = local_rank = node_rank = world_size = local_world_size = None
    metadata: Any = None
    storage: Any = None
    accelerator: Any = None

    def get_dataset_shard(self, dataset_name: str | None = None) -> None:
        """None: a trial of a study has no data set of Ray's."""


class Binding:
    """Where `tune.report` leads at present, in this process."""

    def __init__(self) -> None:
        self._replaced: list[tuple[Any, str, Any]] = []

    def bind(self, session: TuneSession) -> None:
        """Leads all calls to a session, until `release`."""
        self.release()
        holder = None if os.environ.get(PLAIN) else _holder()
        if holder is not None:
            self._replace(holder, _PLACE, session)
            self._replace(train, "report", tune.report)
            self._replace(train, "get_checkpoint", tune.get_checkpoint)
            self._replace(train, "get_context", tune.get_context)
            return
        context = _Context(session)
        for module in (tune, train):
            self._replace(module, "report", _reporter(session))
            self._replace(module, "get_checkpoint", lambda: session.loaded_checkpoint)
            self._replace(module, "get_context", lambda: context)

    def release(self) -> None:
        """Leaves everything as it was before."""
        while self._replaced:
            owner, name, before = self._replaced.pop()
            setattr(owner, name, before)

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        self._replaced.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)


BINDING = Binding()
"""One per process, as the place is."""


@dataclass(frozen=True)
class _Context:
    """`tune.get_context()` where Ray's own finds no session."""

    session: TuneSession

    def get_trial_id(self) -> str:
        return self.session.trial_id

    def get_trial_name(self) -> str:
        return self.session.trial_name

    def get_trial_dir(self) -> str:
        return self.session.trial_dir

    def get_trial_resources(self) -> tune.PlacementGroupFactory:
        return self.session.trial_resources

    def get_experiment_name(self) -> str:
        return self.session.experiment_name


def _reporter(session: TuneSession) -> Callable[..., None]:
    def report(metrics: Any, *, checkpoint: Any = None) -> None:
        session.report(metrics, checkpoint=checkpoint)

    return report


def _holder() -> Any:
    """The module that has the session; None where this version of Ray has none."""
    try:
        module = importlib.import_module(_HOLDER)
    except ImportError:
        return None
    return module if hasattr(module, _PLACE) and hasattr(module, "get_session") else None
