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
from ablate.launch.command_trials import command_trials
from ablate.launch.host import hosted
from ablate.launch.local_time_limit import DoesNotEnd, LocalTimeLimit, interruptible
from ablate.launch.manifest import newest_whole
from ablate.launch.retries import is_final
from ablate.launch.trial_events import TrialEvents
from ablate.launch.trials import trial_config, trial_name
from ablate.plan.packing import RunPack
from ablate.plan.plan import Plan, Run
from ablate.process.interrupts import Interrupts
from ablate.spec.models import Resources
from ablate.storage import fault_of
from ablate.study_dir import StudyPaths
from ablate.text import printable_lines
from ablate.trainable.contract import REPORT_KEY

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
    interrupts: Interrupts,
    debug: bool = False,
    trust_owner: bool = False,
    environment: Callable[[Run], Mapping[str, str]] | None = None,
) -> None:
    """Trains packs of runs one after another, with the same classes and configs as under Tune.

    Args:
        plan: The plan.
        packs: The runs to train, by trial.
        paths: The study directory.
        launch: The launch's number.
        start_from: Checkpoint directories of earlier launches, by run id.
        broadcast: Hears what happens.
        interrupts: Says after each result whether the job is to stop.
        debug: Stop in the debugger when a run fails, instead of retrying it.
        trust_owner: Unpickle other users' checkpoints, see `ablate.launch.trust`.
        environment: Variables of the scripts of commands, by run.
    """
    events = _Current(broadcast, interrupts)
    limit = LocalTimeLimit(events.hangs)
    commands = command_trials(plan, paths, environment)
    classes = {entry.name: hosted(entry.load_class(), limit) for entry in plan.entries}
    with _gpus_of(plan.study.resources), limit.armed():
        for pack in packs:
            config = trial_config(plan, pack, paths, launch, start_from, trust_owner, commands)
            config[REPORT_KEY]["is_local"] = True
            if debug:  # nobody hurries at a breakpoint
                config[REPORT_KEY]["time_limit_s"] = None
            trial = LocalTrial(trial_name(pack), config)
            folder = paths.trial(launch, trial.trial_id)
            trainable = classes[pack[0].cell.entry.name]
            attempt = functools.partial(
                train_once, trainable, config, folder, broadcast, interrupts.check
            )
            events.begin(trial)
            _run_with_retries(attempt, events, trial, paths, plan.study.retries, debug)


class _Current:
    """The trial that is being trained, and who hears of it.

    Args:
        broadcast: Hears it.
        interrupts: Ends the job.
    """

    def __init__(self, broadcast: Broadcast, interrupts: Interrupts) -> None:
        self.broadcast = broadcast
        self._interrupts = interrupts

    def begin(self, trial: LocalTrial) -> None:
        """The next trial."""
        self.trial, self.events = trial, TrialEvents()

    def tell(self, events: Iterable[Event]) -> None:
        """Tells what happened."""
        _tell(self.broadcast, events)

    def fails(self, failure: Failure) -> None:
        """The trial has failed for good."""
        self.tell(self.events.ended(self.trial, True, failure))

    def stops(self, error: DoesNotEnd) -> None:
        """The trial still holds a thread of this process, which ends in good order."""
        self.fails(error.failure)
        self._interrupts.stop()

    def hangs(self, error: DoesNotEnd) -> None:
        """The trial holds the main thread, which must not be waited for."""
        self.fails(error.failure)
        self._interrupts.end_from_aside()


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
    current: _Current,
    trial: LocalTrial,
    paths: StudyPaths,
    retries: int,
    debug: bool,
) -> None:
    events = current.events
    current.tell(events.started(trial))
    for attempt in range(retries + 1):
        try:
            train(events, attempt > 0)
        except DoesNotEnd as error:
            current.stops(error)
            return
        except Exception as error:  # noqa: BLE001 - the run's boundary
            fault = fault_of(error, paths)
            if fault is not None:
                current.tell(events.halted(trial, fault))
                return
            failure = Failure.of(error)
            if debug:
                print(printable_lines(failure.trace), file=sys.stderr)
                pdb.post_mortem(error.__traceback__)
            if debug or attempt == retries or is_final(error):
                current.fails(failure)
                return
            current.tell(events.retried(trial, failure))
        else:
            current.tell(events.ended(trial, False))
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
    trial: Any = None
    latest = newest_whole(folder / "checkpoint_none") if restore else None
    try:
        with interruptible(lambda: trial and trial.ablate_trial.clock):
            trial = trainable(config=copy.deepcopy(config), storage=None)  # as Tune does
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
        if trial is not None:
            trial.stop()
            if stack := getattr(trial, "still_in", ""):
                raise DoesNotEnd.in_(trial.ablate_trial.clock, stack)


def _save(trial: Any, folder: Path, previous: Path | None) -> Path:
    """Saves the latest state, then removes the previous one."""
    path = folder / f"checkpoint_{trial.iteration:06d}"
    path.mkdir(parents=True, exist_ok=True)
    trial.save_checkpoint(str(path))
    if previous is not None and previous != path:
        shutil.rmtree(previous, ignore_errors=True)
    return path
