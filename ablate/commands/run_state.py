"""What is known of a run's attempts, in its directory: it outlives workers and launches."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ablate.commands.reading import Start
from ablate.study_dir import write_atomically

OWN = ".ablate"
"""The folder in a run's directory that is Ablate's."""


@dataclass(kw_only=True)
class RunState:
    """The attempts at one run.

    Attributes:
        folder: Ablate's, in the run's directory.
        starts: Where in its files each attempt began.
        seconds: How long the script has run, over all attempts.
        trained_s: The same, since it last began from the beginning.
        failures: Bad ends, each with its launch, kind, message and step.
        unusable: Checkpoints that the script could not resume from, each with when it was written.
        preemptions: Ends from outside in a row, without progress between them.
        folders: Where attempts were started, the last one first: snapshots of several launches.
        copied: How much of what the script printed the run's log has.
    """

    folder: Path
    starts: list[Start] = field(default_factory=list)
    seconds: float = 0.0
    trained_s: float = 0.0
    failures: list[dict[str, Any]] = field(default_factory=list)
    unusable: list[Any] = field(default_factory=list)
    preemptions: int = 0
    folders: list[str] = field(default_factory=list)
    copied: int = 0

    @classmethod
    def of(cls, run_dir: Path) -> "RunState":
        """As it was left in a run's directory, or that of a run that begins."""
        folder = run_dir / OWN
        folder.mkdir(parents=True, exist_ok=True)
        state = cls(folder=folder)
        try:
            kept = json.loads(state._file.read_text("utf-8"))
        except (OSError, ValueError):
            return state  # it is written whole, or there is none
        starts = [Start(**start) for start in kept.pop("starts")]
        return cls(folder=folder, starts=starts, **kept)

    def write(self) -> None:
        """Keeps it."""
        write_atomically(self._file, json.dumps(self._plain()))

    def has_failed_so(self, failure: Mapping[str, Any]) -> bool:
        """Whether the last attempt of the same launch failed in the same way, at the same step.

        Numbers in messages are addresses, ports and process ids.
        """
        return bool(self.failures) and _alike(self.failures[-1]) == _alike(failure)

    def begin(self, start: Start, folder: str) -> None:
        """An attempt is started in a folder."""
        self.starts.append(start)
        self.folders = list(dict.fromkeys([folder, *self.folders]))
        self.trained_s = self.trained_s if start.resumed else 0.0
        self.write()

    def spend(self, seconds: float) -> None:
        """The script has run for so much longer."""
        self.seconds += seconds
        self.trained_s += seconds

    @property
    def output(self) -> Path:
        """What the script prints."""
        return self.folder / "output.log"

    @property
    def logged(self) -> Path:
        """What `ablate.log` appends to."""
        return self.folder / "logged.jsonl"

    @property
    def place(self) -> Path:
        """Locked while an attempt lives."""
        return self.folder / "place"

    @property
    def _file(self) -> Path:
        return self.folder / "state.json"

    def _plain(self) -> dict[str, Any]:
        plain = asdict(self)
        del plain["folder"]
        return plain


def _alike(failure: Mapping[str, Any]) -> dict[str, Any]:
    return {**failure, "message": re.sub(r"0x[0-9a-f]+|\d+", "#", failure["message"])}


def write_state(folder: Path, run_id: str, state: Mapping[str, Any]) -> None:
    """Writes how far a run has been read into a checkpoint's directory."""
    write_atomically(folder / f"{run_id}.json", json.dumps(state))


def read_state(folder: Path, run_id: str) -> dict[str, Any] | None:
    """How far a run had been read; None if a checkpoint's directory does not say it."""
    try:
        return json.loads((folder / f"{run_id}.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
