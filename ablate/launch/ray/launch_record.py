"""Decides whether an interrupted launch can be restored, by Tune's files and our ledger.

Tune writes its state file in place, and would silently start over from a truncated one.
"""

import json
import pickletools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ablate.identity import content_id
from ablate.launch.trust import is_own, is_own_tree
from ablate.ledger.provenance import code_hash, versions_of
from ablate.plan.plan import Run
from ablate.run_row import RunRows
from ablate.spec.models import Study
from ablate.study_dir import StudyPaths, write_atomically
from ablate.trainable.contract import REPORT_KEY


@dataclass(frozen=True)
class LaunchRecord:
    """What a launch set out to do."""

    runs: dict[str, str]
    """A hash of each run's config: Tune keeps the config, and the id does not cover all of it."""
    settings: dict[str, Any]
    versions: str = "an earlier version"
    """Of Ablate and Ray, which made Tune's state: only they are sure to read its pickles."""

    @classmethod
    def of(cls, study: Study, runs: Sequence[Run]) -> "LaunchRecord":
        """The record of a new launch, with the settings that a restore cannot change."""
        settings = {
            "resources": study.resources.model_dump(),
            "retries": study.retries,
            "pack": study.pack,
            "trainable": runs[0].cell.entry.name if runs else "",
            "checkpoint_every_s": study.checkpoint_every_s,
            "metric": study.metric,
            "stop": study.stop,
            "time_limit_s": study.time_limit_s,
            "max_concurrent": study.max_concurrent,
            "directory": str(study.directory),  # it is in Tune's configs
        }
        commands = {run.cell.entry.name: run.cell.entry for run in runs if run.cell.entry.command}
        if commands:  # a restore would go on with the code that they were launched with
            settings["code"] = {name: code_hash(entry) for name, entry in commands.items()}
        configs = {run.run_id: content_id(run.config) for run in runs}
        return cls(configs, settings, versions_of(("ablate", "ray")))

    @classmethod
    def read(cls, path: Path) -> "LaunchRecord | None":
        """A record that was kept; None for one of the first kind, which has no hashes of configs.

        Raises:
            ValueError: Where it is torn, or no record.
        """
        content = json.loads(path.read_text("utf-8"))
        if not isinstance(content, dict) or not isinstance(content.get("settings"), dict):
            raise ValueError(f"{path}: no record of a launch")
        runs, versions = content.get("runs"), content.get("versions", cls.versions)
        if isinstance(runs, list):
            return None
        if not isinstance(runs, dict) or not isinstance(versions, str):
            raise ValueError(f"{path}: no record of a launch")
        return cls(runs, content["settings"], versions)

    def write(self, path: Path) -> None:
        """Writes the record beside the launch."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(asdict(self)))


def restorable_launch(
    paths: StudyPaths, study: Study, todo: Sequence[Run], rows: RunRows
) -> tuple[int | None, str]:
    """The number of the launch that can be restored, or None and why not.

    A launch can be restored if its Tune state is whole, and its unfinished runs and its settings
    are exactly those that are wanted now.

    Args:
        paths: The study directory.
        study: The study, with today's settings.
        todo: The runs to do.
        rows: The ledger's rows.
    """
    numbers = paths.launch_numbers()
    if not numbers:
        return None, ""
    number = numbers[-1]
    folder = paths.launch(number)
    if not paths.launch_record(number).exists():
        return None, ""  # a local launch
    try:
        record = LaunchRecord.read(paths.launch_record(number))
    except ValueError:
        return None, f"the record of launch {number} is torn"
    if record is None:
        return None, ""
    unfinished = {
        run_id: config
        for run_id, config in record.runs.items()
        if not rows.status(run_id).has_ended
    }
    wanted = LaunchRecord.of(study, todo)
    if not unfinished or unfinished != wanted.runs or record.settings != wanted.settings:
        return None, ""
    if record.versions != wanted.versions:
        return None, f"launch {number} was made with {record.versions}, this is {wanted.versions}"
    finished = _finished_by_tune(folder)
    if finished is None:
        return None, f"the Tune state of launch {number} is torn or missing"
    if any(not rows.status(i).has_ended for i in finished if i in rows):
        return None, f"the Tune state of launch {number} and the ledger disagree"
    if {i for i in record.runs if i not in unfinished} - finished:
        return None, ""  # runs that ended after Tune's last snapshot would be run again
    if not (is_own(paths.root) and is_own_tree(folder)):
        return None, f"launch {number} belongs to another user, and its Tune state is a pickle"
    return number, ""


def _finished_by_tune(folder: Path) -> set[str] | None:
    """Runs whose trials have ended in Tune's newest state; None if that is not whole."""
    states = sorted(folder.glob("experiment_state-*.json"))
    searchers = sorted(folder.glob("search_gen_state-*"))
    pickles = [folder / "tuner.pkl", *searchers[-1:]]
    if not states or not searchers or not all(map(_looks_pickled, pickles)):
        return None
    finished: set[str] = set()
    try:
        for trial, _ in json.loads(states[-1].read_text("utf-8"))["trial_data"]:
            trial = json.loads(trial) if isinstance(trial, str) else trial
            runs = trial["config"][REPORT_KEY]["runs"]
            if trial["status"] in ("TERMINATED", "ERROR"):
                finished |= {run["run_id"] for run in runs}
        for searcher in sorted(folder.glob("searcher-state-*"))[-1:]:
            json.loads(searcher.read_text())  # as `PlanSearcher` keeps it
    except (ValueError, KeyError, TypeError, OSError):
        return None
    return finished


def _looks_pickled(path: Path) -> bool:
    """Whether a file parses as a pickle from end to end, without loading it."""
    try:
        with path.open("rb") as file:
            for _ in pickletools.genops(file):
                pass
            return not file.read(1)
    except (OSError, ValueError):
        return False
