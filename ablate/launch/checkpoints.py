"""The checkpoints for resuming, across all launches of a study."""

import shutil
from collections.abc import Container, Mapping
from pathlib import Path

from ablate.errors import InputError, Problem
from ablate.launch.manifest import NO_POINTS, is_whole, read_manifest
from ablate.launch.trust import may_unpickle
from ablate.ledger.history import History
from ablate.study_dir import StudyPaths
from ablate.text import some


def newest_checkpoints(
    paths: StudyPaths, restarted_in: Mapping[str, int] | None = None
) -> dict[str, Path]:
    """For each run that has one, the whole checkpoint directory that is furthest in training.

    Args:
        paths: The study directory.
        restarted_in: The launch in which each run started over: its earlier checkpoints no longer
            count, though runs that shared a pack with it may still need them.
    """
    newest: dict[str, tuple[tuple[int, float], Path]] = {}
    for folder in checkpoint_folders(paths):
        if not is_whole(folder):
            continue
        manifest = read_manifest(folder)
        launch = int(folder.relative_to(paths.launches).parts[0])
        for run_id in manifest["runs"]:
            if launch < (restarted_in or {}).get(run_id, 0):
                continue
            # Iterations of different packs differ in length, steps do not.
            steps, seconds = manifest.get("steps", {}), manifest.get("seconds", {})
            progress = (steps.get(run_id, 0), seconds.get(run_id, 0.0))
            if run_id not in newest or progress > newest[run_id][0]:
                newest[run_id] = (progress, folder)
    return {run_id: folder for run_id, (_, folder) in newest.items()}


def ahead_of_curves(checkpoints: Mapping[str, Path], history: History) -> list[str]:
    """Runs whose checkpoint counts more points than their curve has.

    A power cut may leave a checkpoint, which is synced to disk, without the points before it: a run
    that resumed from it would never measure them again.

    Args:
        checkpoints: The checkpoint directory of each run.
        history: The curves.
    """
    ahead: list[str] = []
    for run_id, folder in checkpoints.items():
        num, last_step = read_manifest(folder).get("points", {}).get(run_id, NO_POINTS)
        if num and history.num_points(run_id, last_step) < num:
            ahead.append(run_id)
    return ahead


def drop_checkpoints(paths: StudyPaths, keep: Container[str]) -> None:
    """Removes the checkpoints of all runs except those to keep: the others never resume."""
    for folder in checkpoint_folders(paths):
        try:
            runs = read_manifest(folder)["runs"]
        except (OSError, ValueError):
            runs = []
        if not any(run_id in keep for run_id in runs):
            shutil.rmtree(folder, ignore_errors=True)


def check_trust(paths: StudyPaths, names: Mapping[str, str], restarts: Mapping[str, int]) -> None:
    """Refuses to resume from checkpoints that another user has pickled.

    Args:
        paths: The study directory.
        names: Names of the runs that will resume from checkpoints, by run id.
        restarts: The launch in which each run last started over.

    Raises:
        InputError: If there are such checkpoints.
    """
    if all(map(may_unpickle, checkpoint_folders(paths))):
        return  # finding the newest whole checkpoint means reading them all
    start_from = newest_checkpoints(paths, restarts)
    foreign = [
        names[run_id]
        for run_id, folder in start_from.items()
        if run_id in names and not may_unpickle(folder)
    ]
    if foreign:
        names_text = some(foreign)
        message = (
            f"unfinished runs ({names_text}) would resume from pickles that another user owns, and "
            "a pickle can run any code"
        )
        fix = "--trust-owner unpickles them, --fresh starts over"
        raise InputError(str(paths.root), [Problem("checkpoints", message, fix=fix)])


def checkpoint_folders(paths: StudyPaths) -> list[Path]:
    """Every checkpoint directory, whole or not."""
    launches = [paths.launch(number) for number in paths.launch_numbers()]
    return sorted(folder for launch in launches for folder in launch.glob("*/checkpoint_*"))
