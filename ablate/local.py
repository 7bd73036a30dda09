"""plan -> trials in this process, one after the other, no cluster: for debugging and fast tests."""

import copy
import pdb
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ablate.events import (
    PRIVATE_KEY,
    Broadcast,
    Failure,
    RunEnded,
    RunRetried,
    RunStarted,
    events_of_report,
)
from ablate.hosting import hosted, newest_whole
from ablate.paths import StudyPaths
from ablate.plan import Plan, Run
from ablate.trials import trial_config


def run_local(
    plan: Plan,
    runs: Sequence[Run],
    paths: StudyPaths,
    launch: int,
    start_from: Mapping[str, Path],
    broadcast: Broadcast,
    debug: bool = False,
) -> None:
    """Trains runs one after the other with the same classes and configs as under Tune.

    Args:
        plan: The plan.
        runs: The runs to train.
        paths: The study directory.
        launch: The launch's number.
        start_from: Checkpoint directories of earlier launches, by run id.
        broadcast: Hears what happens.
        debug: Stop in the debugger where a run fails, instead of retrying it.
    """
    trainable = hosted(plan.entry.load_class())
    for run in runs:
        config = trial_config(plan, run, paths, launch, start_from)
        folder = paths.launch(launch) / run.run_name
        broadcast.on_event(RunStarted(run.run_id, run.run_name, launch))
        _run_with_retries(trainable, config, run, folder, broadcast, plan.study.retries, debug)


def _run_with_retries(
    trainable: type[Any],
    config: dict[str, Any],
    run: Run,
    folder: Path,
    broadcast: Broadcast,
    retries: int,
    debug: bool,
) -> None:
    for attempt in range(retries + 1):
        try:
            _train(trainable, config, folder, broadcast, restore=attempt > 0)
        except Exception as error:  # noqa: BLE001 - the run's boundary
            failure = Failure.of(error)
            if debug:
                print(failure.trace, file=sys.stderr)
                pdb.post_mortem(error.__traceback__)
            if debug or attempt == retries:
                broadcast.on_event(RunEnded(run.run_id, "failed", "crashed", failure=failure))
                return
            broadcast.on_event(RunRetried(run.run_id, failure))
        else:
            return


def _train(
    trainable: type[Any], config: dict[str, Any], folder: Path, broadcast: Broadcast, restore: bool
) -> None:
    """One attempt at a run, from its newest checkpoint where there is one."""
    trial = trainable(copy.deepcopy(config))
    latest = newest_whole(folder / "checkpoint_none") if restore else None
    try:
        if latest is not None:
            trial.restore(str(latest))
        done = False
        while not done:
            result = trial.train()
            for report in result[PRIVATE_KEY]:
                for event in events_of_report(report):
                    broadcast.on_event(event)
            broadcast.tick()
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
