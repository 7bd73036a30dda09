"""Runs trials in this process, one after another, for debugging and fast tests."""

import contextlib
import copy
import functools
import os
import pdb
import shutil
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.events import Broadcast, Event, Failure
from ablate.launch.host import hosted
from ablate.launch.manifest import newest_whole
from ablate.launch.trial_events import TrialEvents
from ablate.launch.trials import trial_config, trial_name
from ablate.plan.packing import RunPack
from ablate.plan.plan import Plan
from ablate.spec.models import Resources
from ablate.storage import fault_of
from ablate.study_dir import StudyPaths
from ablate.text import printable_lines

_VISIBLE_GPUS = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
"""Variables that say which GPUs a process sees, NVIDIA's and AMD's."""


@dataclass(frozen=True)
class LocalTrial:
    """What `TrialEvents` needs of a trial."""

    trial_id: str
    config: dict[str, Any]
    error_file: None = None


def run_local(
    plan: Plan,
    packs: Sequence[RunPack],
    paths: StudyPaths,
    launch: int,
    start_from: Mapping[str, Path],
    broadcast: Broadcast,
    check: Callable[[], None],
    debug: bool = False,
    trust_owner: bool = False,
) -> None:
    """Trains packs of runs one after another, with the same classes and configs as under Tune.

    Args:
        plan: The plan.
        packs: The runs to train, by trial.
        paths: The study directory.
        launch: The launch's number.
        start_from: Checkpoint directories of earlier launches, by run id.
        broadcast: Hears what happens.
        check: Called after each result; raises if the job is to stop.
        debug: Stop in the debugger when a run fails, instead of retrying it.
        trust_owner: Unpickle other users' checkpoints, see `ablate.launch.trust`.
    """
    trainable = hosted(plan.entry.load_class())
    with _gpus_of(plan.study.resources):
        for pack in packs:
            config = trial_config(plan, pack, paths, launch, start_from, trust_owner)
            trial = LocalTrial(trial_name(pack), config)
            folder = paths.trial(launch, trial.trial_id)
            attempt = functools.partial(train_once, trainable, config, folder, broadcast, check)
            _run_with_retries(attempt, trial, paths, broadcast, plan.study.retries, debug)


@contextlib.contextmanager
def _gpus_of(resources: Resources) -> Generator[None]:
    """Hides the GPUs from trials that take none, as Ray does."""
    if resources.gpu:
        yield
        return
    before = {name: os.environ.get(name) for name in _VISIBLE_GPUS}
    os.environ.update(dict.fromkeys(_VISIBLE_GPUS, ""))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)  # a run may have done so itself
            os.environ.update({} if value is None else {name: value})


def _run_with_retries(
    train: Callable[[TrialEvents, bool], None],
    trial: LocalTrial,
    paths: StudyPaths,
    broadcast: Broadcast,
    retries: int,
    debug: bool,
) -> None:
    events = TrialEvents()
    _tell(broadcast, events.started(trial))
    for attempt in range(retries + 1):
        try:
            train(events, attempt > 0)
        except Exception as error:  # noqa: BLE001 - the run's boundary
            fault = fault_of(error, paths)
            if fault is not None:
                _tell(broadcast, events.halted(trial, fault))
                return
            failure = Failure.of(error)
            if debug:
                print(printable_lines(failure.trace), file=sys.stderr)
                pdb.post_mortem(error.__traceback__)
            if debug or attempt == retries:
                _tell(broadcast, events.ended(trial, True, failure))
                return
            _tell(broadcast, events.retried(trial, failure))
        else:
            _tell(broadcast, events.ended(trial, False))
            return


def _tell(broadcast: Broadcast, events: Iterable[Event]) -> None:
    for event in events:
        broadcast.on_event(event)


def train_once(
    trainable: type[Any],
    config: dict[str, Any],
    folder: Path,
    broadcast: Broadcast,
    check: Callable[[], None],
    events: TrialEvents,
    restore: bool,
) -> None:
    """One attempt at a trial; a retry resumes from the newest checkpoint, if there is one."""
    trial = trainable(config=copy.deepcopy(config), storage=None)  # as Tune does
    latest = newest_whole(folder / "checkpoint_none") if restore else None
    try:
        if latest is not None:
            trial.restore(str(latest))
        done = False
        while not done:
            result = trial.train()
            _tell(broadcast, events.reported(result))
            broadcast.tick()
            check()
            done = result["done"]
            if result.get("should_checkpoint"):
                latest = _save(trial, folder, latest)
    finally:
        trial.stop()


def _save(trial: Any, folder: Path, previous: Path | None) -> Path:
    """Saves the latest state, then removes the previous one."""
    path = folder / f"checkpoint_{trial.iteration:06d}"
    path.mkdir(parents=True, exist_ok=True)
    trial.save_checkpoint(str(path))
    if previous is not None and previous != path:
        shutil.rmtree(previous, ignore_errors=True)
    return path
