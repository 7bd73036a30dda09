"""The checkpoints for resuming, across all launches of a study."""

import shutil
from collections.abc import Container, Mapping
from pathlib import Path

from ablate.history import History
from ablate.hosting import NO_POINTS, is_whole, read_manifest
from ablate.paths import StudyPaths


def newest_checkpoints(
    paths: StudyPaths, restarted_in: Mapping[str, int] | None = None
) -> dict[str, Path]:
    """For each run that has one, the whole checkpoint directory that is furthest in training.

    Args:
        paths: The study directory.
        restarted_in: The launch in which a run began anew: what it saved before no longer counts,
            though runs that shared a pack with it may still need it.
    """
    found: dict[str, tuple[tuple[int, float], Path]] = {}
    for folder in _checkpoint_folders(paths):
        if not is_whole(folder):
            continue
        manifest = read_manifest(folder)
        launch = int(folder.relative_to(paths.launches).parts[0])
        for run_id in manifest["runs"]:
            if launch < (restarted_in or {}).get(run_id, 0):
                continue
            # Iterations of different packs are of different lengths: steps are not.
            steps, seconds = manifest.get("steps", {}), manifest.get("seconds", {})
            progress = (steps.get(run_id, 0), seconds.get(run_id, 0.0))
            if run_id not in found or progress > found[run_id][0]:
                found[run_id] = (progress, folder)
    return {run_id: folder for run_id, (_, folder) in found.items()}


def ahead_of_curves(found: Mapping[str, Path], history: History) -> list[str]:
    """Runs whose checkpoint knows of more points than their curve has.

    A power cut may leave a checkpoint, which is made sure of, without the points before it: a run
    that went on from there would never measure them again.

    Args:
        found: The checkpoint directory of each run.
        history: The curves.
    """
    ahead: list[str] = []
    for run_id, folder in found.items():
        num, last_step = read_manifest(folder).get("points", {}).get(run_id, NO_POINTS)
        if num and history.num_points(run_id, last_step) < num:
            ahead.append(run_id)
    return ahead


def drop_checkpoints(paths: StudyPaths, kept: Container[str]) -> None:
    """Removes the checkpoints of all runs but those kept: resuming is over for them."""
    for folder in _checkpoint_folders(paths):
        try:
            runs = read_manifest(folder)["runs"]
        except (OSError, ValueError):
            runs = []
        if not any(run_id in kept for run_id in runs):
            shutil.rmtree(folder, ignore_errors=True)


def _checkpoint_folders(paths: StudyPaths) -> list[Path]:
    launches = [paths.launch(number) for number in paths.launch_numbers()]
    return sorted(found for launch in launches for found in launch.glob("*/checkpoint_*"))
