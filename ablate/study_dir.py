"""Every file name of a study directory, and writes that a reader never sees half done."""

import contextlib
import hashlib
import os
import re
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.errors import InputError, Problem
from ablate.text import storable


@dataclass(frozen=True)
class StudyPaths:
    """Where things are in a study directory."""

    root: Path

    @property
    def study_yaml(self) -> Path:
        """The study as last run, resolved."""
        return self.root / "study.yaml"

    @property
    def uid(self) -> Path:
        """The directory's own identity, new after a fresh start."""
        return self.root / ".uid"

    @property
    def format(self) -> Path:
        """The version of the directory's format."""
        return self.root / ".format"

    @property
    def lock(self) -> Path:
        """Held by the driver while it works here."""
        return self.root / ".lock"

    @property
    def seed_decisions(self) -> Path:
        """What rules for seeds decided, in order."""
        return self.root / "seeds.json"

    @property
    def analysis(self) -> Path:
        """The analysis as it was fixed, and its changes since."""
        return self.root / "analysis.json"

    @property
    def launches(self) -> Path:
        """Ray Tune experiment directories, by number."""
        return self.root / "launches"

    def launch(self, number: int) -> Path:
        """One launch."""
        return self.launches / str(number)

    def launch_record(self, number: int) -> Path:
        """What a launch set out to do."""
        return self.launch(number) / "launch.json"

    def trial(self, number: int, name: str) -> Path:
        """What a trial of a launch writes."""
        return self.launch(number) / _checked(name)

    def launch_numbers(self) -> list[int]:
        """Launches so far, in order."""
        if not self.launches.is_dir():
            return []
        return sorted(int(p.name) for p in self.launches.iterdir() if p.name.isdecimal())

    @property
    def next_launch(self) -> int:
        """The number of a launch that is to be new."""
        return max(self.launch_numbers(), default=0) + 1

    def best(self, run_name: str) -> Path:
        """A run's best weights."""
        return self.root / "checkpoints" / _checked(run_name) / "best.pt"

    @property
    def ledger(self) -> Path:
        """The study's record."""
        return self.root / "ledger"

    @property
    def runs_parquet(self) -> Path:
        """One row a run."""
        return self.ledger / "runs.parquet"

    @property
    def journal(self) -> Path:
        """The rows and their changes, of which `runs.parquet` is a view."""
        return self.ledger / "journal.jsonl"

    @property
    def history(self) -> Path:
        """Curves, a file a run."""
        return self.ledger / "history"

    @property
    def report(self) -> Path:
        """Tables and figures."""
        return self.root / "report"

    @property
    def smoke(self) -> Path:
        """A small study directory of its own, for trying every cell."""
        return self.root / "smoke"

    def log(self, run_name: str) -> Path:
        """What a run printed, and its tracebacks."""
        return self.root / "logs" / f"{_checked(run_name)}.log"

    @property
    def ray_log(self) -> Path:
        """What Ray and Tune had to say."""
        return self.root / "logs" / "ray.log"

    @property
    def wandb(self) -> Path:
        """The directory that `wandb` gets as its own: offline runs are in `wandb/` below it."""
        return self.root

    @property
    def wandb_runs(self) -> Path:
        """Offline runs."""
        return self.root / "wandb"

    @property
    def wandb_home(self) -> Path:
        """Server, entity and project of the first online start."""
        return self.root / ".wandb.json"

    @property
    def wandb_notes(self) -> Path:
        """What W&B has of which run, a line each."""
        return self.root / ".wandb-notes.jsonl"

    @property
    def sink_lock(self) -> Path:
        """Held by the W&B sink until it has written everything."""
        return self.root / ".sink.lock"

    @property
    def sink_log(self) -> Path:
        """What the W&B sink had to say."""
        return self.root / "logs" / "wandb-sink.log"


MAX_PART = 80
"""Characters of a part of a file name, several of which make one."""


MAX_NAME = 120
"""Longest run name: file systems allow 255 bytes, suffixes need some."""
_NAME = re.compile(rf"[A-Za-z0-9_=+-][A-Za-z0-9._=+-]{{0,{MAX_NAME + 20}}}")
"""What Ablate itself calls runs and trials (`icfm-s42+3`), see `file_name`."""


def check_names(names: Iterable[Any], source: Path | str) -> None:
    """Refuses names of runs that cannot become part of a path, or would lead somewhere else.

    Args:
        names: As a study directory has them, which may be somebody else's, or tampered with.
        source: What errors call that.

    Raises:
        InputError: With all of them.
    """
    wrong = [n for n in names if not (isinstance(n, str) and _NAME.fullmatch(n))]
    if wrong:
        message, fix = (
            "cannot be a run's name: it is not a file name",
            "restore the ledger from a backup",
        )
        raise InputError(str(source), [Problem("run_name", message, n, fix=fix) for n in wrong])


def _checked(name: str) -> str:
    """A name that becomes part of a path.

    Raises:
        InputError: Where it is none that Ablate gives: somebody else has written it.
    """
    check_names([name], "the study directory")
    return name


def file_name(text: str) -> str:
    """Text as a part of a file name: what file systems and shells take as it is."""
    name = re.sub(r"[^A-Za-z0-9._=+-]+", "_", text).strip("._") or "_"
    if len(name) <= MAX_PART:
        return name
    return f"{name[: MAX_PART - 9]}-{hashlib.sha256(storable(text).encode()).hexdigest()[:8]}"


def user_cache() -> Path:
    """Where things are kept that can be made again, for all studies of this user.

    Below `os.devnull`, where nothing can be kept, for a user whom the system does not know.
    """
    home = os.path.expanduser("~")  # unlike `Path.home` it never raises
    home = os.devnull if home == "~" else home
    return Path(os.environ.get("XDG_CACHE_HOME") or Path(home, ".cache"), "ablate")


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a file by replacing it: a reader sees the old one or the new one, whoever writes."""
    data = content.encode() if isinstance(content, str) else content
    with naming(path), replacing(path) as partial, partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def replacing(path: Path) -> Generator[Path]:
    """A path of this process's own to write to, whose file then takes the place of the other.

    The folder has to be there: one that has gone must not come back empty.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()  # a full disk has no room for halves
        raise


@contextlib.contextmanager
def naming(path: Path) -> Generator[None]:
    """Lets an OSError within say which file it is of: one of `write` does not."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def as_seen_from_here(path: Path) -> Path:
    """A path relative to the working directory, where that is shorter."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
