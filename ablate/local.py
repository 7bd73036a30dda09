"""plan -> trials in this process, one after the other, no cluster: for debugging and fast tests."""

import copy
import functools
import pdb
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.events import Broadcast, Event, Failure
from ablate.hosting import hosted, newest_whole
from ablate.packs import Pack
from ablate.paths import StudyPaths
from ablate.plan import Plan
from ablate.trial_events import TrialEvents
from ablate.trials import trial_config, trial_name


@dataclass(frozen=True)
class LocalTrial:
    """What `TrialEvents` reads of a trial."""

    trial_id: str
    config: dict[str, Any]
    error_file: None = None


def run_local(
    plan: Plan,
    packs: Sequence[Pack],
    paths: StudyPaths,
    launch: int,
    start_from: Mapping[str, Path],
    broadcast: Broadcast,
    check: Callable[[], None],
    debug: bool = False,
) -> None:
    """Trains packs of runs one after the other, with the same classes and configs as under Tune.

    Args:
        plan: The plan.
        packs: The runs to train, by trial.
        paths: The study directory.
        launch: The launch's number.
        start_from: Checkpoint directories of earlier launches, by run id.
        broadcast: Hears what happens.
        check: Called after each result; raises where the job is to stop.
        debug: Stop in the debugger where a run fails, instead of retrying it.
    """
    trainable = hosted(plan.entry.load_class())
    for pack in packs:
        config = trial_config(plan, pack, paths, launch, start_from)
        trial = LocalTrial(trial_name(pack), config)
        folder = paths.launch(launch) / trial.trial_id
        attempt = functools.partial(_train, trainable, config, folder, broadcast, check)
        _run_with_retries(attempt, trial, broadcast, plan.study.retries, debug)


def _run_with_retries(
    train: Callable[[TrialEvents, bool], None],
    trial: LocalTrial,
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
            failure = Failure.of(error)
            if debug:
                print(failure.trace, file=sys.stderr)
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


def _train(
    trainable: type[Any],
    config: dict[str, Any],
    folder: Path,
    broadcast: Broadcast,
    check: Callable[[], None],
    events: TrialEvents,
    restore: bool,
) -> None:
    """One attempt at a trial, from its newest checkpoint where there is one."""
    trial = trainable(copy.deepcopy(config))
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
    """Saves the latest state; the one before it goes once the new one is whole."""
    path = folder / f"checkpoint_{trial.iteration:06d}"
    path.mkdir(parents=True, exist_ok=True)
    trial.save_checkpoint(str(path))
    if previous is not None and previous != path:
        shutil.rmtree(previous, ignore_errors=True)
    return path
