"""What a trial of a command is given beside its runs: where it is started, and with what."""

import importlib.metadata
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ablate.commands.code import named_files
from ablate.commands.snapshot import Snapshot, take_snapshot, tree_of
from ablate.commands.template import plain_words, shell_script
from ablate.plan.command_lines import varied_keys
from ablate.plan.plan import Plan, Run
from ablate.study_dir import StudyPaths
from ablate.trainable.code_files import dump_hashes, hash_of
from ablate.trainable.registry import TrainableEntry


@dataclass(frozen=True)
class LaunchCode:
    """The code of a command as a launch runs it.

    Attributes:
        folder: Where the command is started: in a snapshot, or in place.
        environment: Variables by which Python finds modules there.
        files: Hashes of the code's files, as in a row of the ledger.
    """

    folder: Path
    environment: Mapping[str, str]
    files: str
    command: dict[str, Any]
    """The command, as plain values: files of the tree that it names in full are the snapshot's."""


@dataclass(frozen=True)
class CommandTrials:
    """What the trials of commands have in common in a launch.

    Attributes:
        codes: The commands' code, by the trainables' names.
        environment: Further variables of a run's script, such as those of its own W&B.
    """

    codes: Mapping[str, LaunchCode]
    environment: Callable[[Run], Mapping[str, str]]

    def given(self, plan: Plan, run: Run, launch: int) -> dict[str, Any]:
        """What a trial needs to know beside its run and its command.

        Args:
            plan: The plan.
            run: The trial's run.
            launch: The launch's number.
        """
        study, code = plan.study, self.codes[run.cell.entry.name]
        return {
            "folder": str(code.folder),
            "varied": list(varied_keys(plan)),
            "num_gpus": study.resources.gpu,
            "num_cpus": study.resources.cpu,
            "time_limit_s": study.time_limit_s,
            "environment": {**code.environment, **self.environment(run)},
            "launch": launch,
            "metric": study.metric,
        }


def command_trials(
    plan: Plan,
    paths: StudyPaths,
    environment: Callable[[Run], Mapping[str, str]] | None = None,
    entries: Iterable[TrainableEntry] | None = None,
) -> CommandTrials:
    """Takes a snapshot for each command of a launch.

    Args:
        plan: The plan.
        paths: Where snapshots are kept.
        environment: Further variables of a run's script; by default none.
        entries: What the launch starts; by default all that the plan has.
    """
    storage = plan.study.path(plan.study.storage)
    snapshots: dict[str, Snapshot] = {}
    codes: dict[str, LaunchCode] = {}
    for entry in plan.entries if entries is None else entries:
        if entry.command is None:
            continue
        if entry.folder not in snapshots:
            tree = tree_of(Path(entry.folder), storage)
            in_place = Snapshot(Path(entry.folder), Path(entry.folder))
            snapshots[entry.folder] = take_snapshot(tree, paths.snapshots) if tree else in_place
        codes[entry.name] = _launch_code(entry, snapshots[entry.folder])
    return CommandTrials(codes, environment or (lambda run: {}))


def _launch_code(entry: TrainableEntry, snapshot: Snapshot) -> LaunchCode:
    own = entry.own_code()
    hashes = {own.name(own.root, os.path.relpath(path, own.root), ()):
              hash_of(snapshot.at(path)) for path in own.files}  # fmt: skip
    return LaunchCode(
        snapshot.at(own.root), _environment(snapshot), dump_hashes(hashes), _moved(entry, snapshot)
    )


def _moved(entry: TrainableEntry, snapshot: Snapshot) -> dict[str, Any]:
    assert entry.command is not None
    words = plain_words(entry.command.command)
    script = shell_script([(word,) for word in words])
    for path in named_files(entry.command, Path(entry.folder)):
        copy = str(snapshot.at(path)).replace("{", "{{").replace("}", "}}")
        if copy != str(path):
            # Word by word: the study's directory may have blanks in its name.
            words = [word.replace(str(path), shlex.quote(copy) if at == script else copy)
                     for at, word in enumerate(words)]  # fmt: skip
    return {**entry.command.dump(), "command": words}


def _environment(snapshot: Snapshot) -> dict[str, str]:
    """Lets Python find in the snapshot what it would find in the tree: an editable install, say."""
    if snapshot.copy == snapshot.root:
        return {}
    told = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    found = [Path(path) for path in sys.path if path and Path(path) != Path.cwd()]
    own = [path for path in (*found, *_editable()) if _is_within(path, snapshot.root)]
    moved = [str(snapshot.at(path)) for path in (*map(Path, told), *own)]
    return {"PYTHONPATH": os.pathsep.join(dict.fromkeys(moved))} if moved else {}


def _is_within(path: Path, root: Path) -> bool:
    """Whether a folder of Python's path is code of the tree, and no environment in it."""
    return path.is_relative_to(root) and "site-packages" not in path.parts and path.is_dir()


def _editable() -> Iterator[Path]:
    """Where the sources of editable installs may be (PEP 610)."""
    for installed in importlib.metadata.distributions():
        try:
            origin = json.loads(installed.read_text("direct_url.json") or "{}")
        except (ValueError, OSError):
            continue
        if not origin.get("dir_info", {}).get("editable"):
            continue
        folder = Path(unquote(urlsplit(origin.get("url", "")).path))
        yield from (place for place in (folder / "src", folder) if place.is_dir())
