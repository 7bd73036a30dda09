"""A study directory's notes on W&B: where its runs first went, and what has arrived there.

W&B's own files are not evidence of what a server has. Only two facts are read from them: that a
folder was uploaded (W&B leaves `run-ID.wandb.synced` beside the log), and that one was made online.
"""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ablate.study_dir import StudyPaths, write_atomically
from ablate.tracking.wandb.settings import Destination, group_url, project_url

_OFFLINE = "offline-"
_FOLDER = re.compile(r"(?:offline-)?run-\d{8}_\d{6}-([^-]+)")
"""Folders of one run made within a second end in `-1`, `-2`; our ids contain no hyphen."""

Deed = Literal["online", "written", "whole", "tagged"]
"""Started on a server; written into an offline folder; confirmed by the server; told to have
failed, of a run that its script tracks."""


@dataclass(frozen=True)
class Home:
    """Where a study directory's runs have been since its first online start."""

    server: str
    entity: str
    project: str

    def fits(self, asked: Destination) -> bool:
        """Whether a command's destination is this place.

        The server is compared online only: a machine without a network knows none.
        """
        server = asked.server if asked.mode == "online" else self.server
        entity = asked.entity or self.entity
        return (server, entity, asked.project) == (self.server, self.entity, self.project)

    @property
    def url(self) -> str:
        """The project's page."""
        return project_url(self.server, self.entity, self.project)

    def group_url(self, group: str) -> str:
        """The page of a study's runs."""
        return group_url(self.server, self.entity, self.project, group)

    def __str__(self) -> str:
        return f"{self.entity}/{self.project} at {self.server}"


class WandbRecord:
    """The notes in a study directory, written by the sink and read by the driver."""

    def __init__(self, paths: StudyPaths) -> None:
        self._paths = paths
        self._deeds: dict[tuple[str, Deed], str] = {}
        for note in _notes(paths.wandb_notes):
            self._deeds[note["id"], note["did"]] = note.get("what", "")

    @property
    def home(self) -> Home | None:
        """Where the runs are; None before the first online start."""
        try:
            home = json.loads(self._paths.wandb_home.read_text(encoding="utf-8"))
            return Home(home["server"], home["entity"], home["project"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def settle(self, home: Home) -> None:
        """Records where the runs are, unless that is recorded already."""
        if self.home is None:
            write_atomically(self._paths.wandb_home, json.dumps(home.__dict__))

    def move(self, home: Home) -> None:
        """Records a new place for the runs, where nothing is yet."""
        self._paths.wandb_notes.unlink(missing_ok=True)
        self._deeds.clear()
        write_atomically(self._paths.wandb_home, json.dumps(home.__dict__))

    def note(self, wandb_id: str, did: Deed, what: str = "") -> None:
        """Appends a note, unless it is the last one of its kind."""
        if self._deeds.get((wandb_id, did)) == what:
            return
        self._deeds[wandb_id, did] = what
        line = json.dumps({"id": wandb_id, "did": did, "what": what})
        with self._paths.wandb_notes.open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")  # a dead sink may have left a torn line

    def noted(self, wandb_id: str, did: Deed) -> str | None:
        """The last note of a kind about a run, or None."""
        return self._deeds.get((wandb_id, did))

    def has(self, wandb_id: str, what: str, mode: str) -> bool:
        """Whether W&B has a run with this content; in `offline` mode a written folder counts."""
        if self.noted(wandb_id, "whole") == what:
            return True
        is_written = self.noted(wandb_id, "written") == what
        return mode == "offline" and is_written and self.noted(wandb_id, "online") is None

    def is_on_a_server(self, wandb_id: str) -> bool:
        """Whether W&B has, or may have, the run: a second upload would append to it."""
        folders = self._folders.get(wandb_id, [])
        offline = [folder for folder in folders if folder.name.startswith(_OFFLINE)]
        was_removed = self.noted(wandb_id, "written") is not None and not offline
        return (
            self.noted(wandb_id, "online") is not None
            or was_removed  # probably uploaded and cleaned up
            or len(offline) < len(folders)
            or any(_is_synced(folder) for folder in offline)
        )

    def unsynced(self, wandb_id: str) -> list[Path]:
        """A run's offline folders that were not uploaded."""
        folders = self._folders.get(wandb_id, [])
        return [f for f in folders if f.name.startswith(_OFFLINE) and not _is_synced(f)]

    def of_script(self, wandb_id: str) -> list[Path]:
        """The logs of offline folders that a run's script has made, and that were not uploaded."""
        folders = sorted(self._paths.wandb_runs.glob(f"{_OFFLINE}run-*-{wandb_id}*"))
        return [log for f in folders if not _is_synced(f) for log in f.glob("run-*.wandb")]

    def drop_unsynced(self, wandb_id: str) -> None:
        """Removes a run's offline folders that were not uploaded: the ledger has their content."""
        for folder in self.unsynced(wandb_id):
            shutil.rmtree(folder)
            self._folders[wandb_id].remove(folder)

    def made(self, wandb_id: str, folder: Path) -> None:
        """Notes a folder that W&B has made for a run."""
        self._folders.setdefault(wandb_id, []).append(folder)

    def has_unsynced(self) -> bool:
        """Whether there is anything that `wandb sync` would upload."""
        return any(self.unsynced(wandb_id) for wandb_id in self._folders)

    @cached_property
    def _folders(self) -> dict[str, list[Path]]:
        """W&B's folders by run; listed once, as there may be thousands."""
        folders: dict[str, list[Path]] = {}
        for folder in sorted(self._paths.wandb_runs.glob("*run-*")):
            match = _FOLDER.match(folder.name)
            if match:
                folders.setdefault(match[1], []).append(folder)
        return folders


def _is_synced(folder: Path) -> bool:
    logs = list(folder.glob("run-*.wandb"))
    return bool(logs) and all(log.with_name(f"{log.name}.synced").exists() for log in logs)


def _notes(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            note = json.loads(line)
            if isinstance(note, dict) and {"id", "did"} <= note.keys():
                yield note
        except ValueError:
            continue  # torn when its sink died
