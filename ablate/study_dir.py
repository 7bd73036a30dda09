"""Every file name of a study directory, and writes that a reader never sees half done."""

import contextlib
import hashlib
import itertools
import json
import os
import re
import stat
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ablate.errors import InputError, Problem
from ablate.text import storable


@dataclass(frozen=True)
class StudyPaths:
    """The paths of everything in a study directory."""

    root: Path

    def put_aside(self, at: datetime) -> Path:
        """Where a fresh start moves this directory."""
        return self.root.with_name(f"{self.root.name}.{at:%Y%m%d-%H%M%S}")

    def has_put_aside(self, folder: Path) -> bool:
        """Whether a directory is this one as it was before a fresh start."""
        return (
            re.fullmatch(rf"{re.escape(self.root.name)}\.\d{{8}}-\d{{6}}(-\d+)?", folder.name)
            is not None
        )

    @property
    def study_yaml(self) -> Path:
        """The study as last run, resolved."""
        return self.root / "study.yaml"

    @property
    def uid(self) -> Path:
        """The directory's identity, new after a fresh start."""
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
        """Decisions of the seed rule, in order."""
        return self.root / "seeds.json"

    @property
    def analysis(self) -> Path:
        """The analysis as it was fixed, and its changes since."""
        return self.root / "analysis.json"

    @property
    def study_metrics(self) -> Path:
        """The metrics that the study adds to those of its trainable."""
        return self.root / "metrics.json"

    @property
    def launches(self) -> Path:
        """Ray Tune experiment directories, by number."""
        return self.root / "launches"

    def launch(self, number: int) -> Path:
        """One launch."""
        return self.launches / str(number)

    def launch_record(self, number: int) -> Path:
        """The record of what a launch set out to do."""
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
        """The number of a new launch."""
        return max(self.launch_numbers(), default=0) + 1

    def run(self, run_name: str) -> Path:
        """What the script of a run writes: it outlives retries and launches."""
        return self.root / "runs" / _checked(run_name)

    def best(self, run_name: str) -> Path:
        """A run's best weights."""
        return self.root / "checkpoints" / _checked(run_name) / "best.pt"

    def samples(self, run_name: str) -> Path:
        """What a run generated, see `ablate.samples.kept`."""
        return self.root / "samples" / f"{_checked(run_name)}.parquet"

    def sampled_data(self, name: str) -> Path:
        """Data rows beside samples; no run's name begins like it."""
        return self.root / "samples" / f".data-{_checked(name)}.parquet"

    @property
    def ledger(self) -> Path:
        """The study's record."""
        return self.root / "ledger"

    @property
    def runs_parquet(self) -> Path:
        """One row per run."""
        return self.ledger / "runs.parquet"

    @property
    def journal(self) -> Path:
        """The rows and their changes, of which `runs.parquet` is a view."""
        return self.journal_of("")

    def journal_of(self, name: str) -> Path:
        """The journal of changes that a command writes beside the main one, whose name is empty."""
        return self.ledger / (f"journal-{_checked(name)}.jsonl" if name else "journal.jsonl")

    def journals(self) -> dict[str, Path]:
        """All journals by name, in the order in which they are read: the main one first."""
        names = (path.stem.partition("-")[2] for path in self.ledger.glob("journal-*.jsonl"))
        return {"": self.journal} | {
            name: self.journal_of(name) for name in sorted(names) if _NAME.fullmatch(name)
        }

    @property
    def history(self) -> Path:
        """Curves, one file per run."""
        return self.ledger / "history"

    @property
    def report(self) -> Path:
        """Tables and figures."""
        return self.root / "report"

    @property
    def report_page(self) -> Path:
        """The report for a browser."""
        return self.report / "index.html"

    @property
    def study_page(self) -> Path:
        """The study as `ablate watch` shows it, in one file."""
        return self.report / "study.html"

    @property
    def earlier_reports(self) -> Path:
        """Reports on questions that the study no longer asks, by date and metric."""
        return self.report / "earlier"

    @property
    def snapshots(self) -> Path:
        """The code of commands as it was at launch, once per content."""
        return self.root / "snapshots"

    @property
    def resolved_configs(self) -> Path:
        """What `config_command` said of the configs of cells, as the study was last run."""
        return self.root / "configs.json"

    @property
    def smoke(self) -> Path:
        """A separate small study directory for smoke tests."""
        return self.root / "smoke"

    def log(self, run_name: str) -> Path:
        """What a run printed, and its tracebacks."""
        return self.root / "logs" / f"{_checked(run_name)}.log"

    @property
    def ray_log(self) -> Path:
        """The output of Ray and Tune."""
        return self.root / "logs" / "ray.log"

    @property
    def wandb(self) -> Path:
        """The directory passed to `wandb`: offline runs are in `wandb/` below it."""
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
        """What W&B has of each run, one per line."""
        return self.root / ".wandb-notes.jsonl"

    @property
    def sink_lock(self) -> Path:
        """Held by the W&B sink until it has written everything."""
        return self.root / ".sink.lock"

    @property
    def sink_log(self) -> Path:
        """The output of the W&B sink."""
        return self.root / "logs" / "wandb-sink.log"

    @property
    def tensorboard(self) -> Path:
        """Event files, a folder per run: `tensorboard --logdir` shows them."""
        return self.root / "tensorboard"

    def tensorboard_run(self, run_name: str) -> Path:
        """The event files of a run."""
        return self.tensorboard / _checked(run_name)

    @property
    def tensorboard_report(self) -> Path:
        """The event files about the whole study; no run's name is one word without its seed."""
        return self.tensorboard / "report"


MAX_PART = 80
"""Characters of one part of a file name, which may have several."""


MAX_NAME = 120
"""Longest run name: file systems allow 255 bytes, and suffixes need some."""
_NAME = re.compile(rf"[A-Za-z0-9_=+-][A-Za-z0-9._=+-]{{0,{MAX_NAME + 20}}}")
"""The names that Ablate gives to runs and trials (`icfm-s42+3`), see `file_name`."""


def check_names(names: Iterable[Any], source: Path | str) -> None:
    """Refuses run names that cannot be part of a path, or would lead out of the directory.

    Args:
        names: As found in a study directory, which may be another user's, or tampered with.
        source: What errors call the directory.

    Raises:
        InputError: With all such names.
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
        InputError: If Ablate does not give such names: somebody else has written it.
    """
    check_names([name], "the study directory")
    return name


def file_name(text: str) -> str:
    """Text as a part of a file name that file systems and shells take as it is."""
    name = re.sub(r"[^A-Za-z0-9._=+-]+", "_", text).strip("._") or "_"
    if len(name) <= MAX_PART:
        return name
    return f"{name[: MAX_PART - 9]}-{hashlib.sha256(storable(text).encode()).hexdigest()[:8]}"


def user_cache() -> Path:
    """The folder for things that can be recreated, shared by all studies of this user.

    For a user without a home it is below `os.devnull`, where nothing can be written.
    """
    home = os.path.expanduser("~")  # unlike `Path.home` it never raises
    home = os.devnull if home == "~" else home
    return Path(os.environ.get("XDG_CACHE_HOME") or Path(home, ".cache"), "ablate")


def is_regular(path: Path) -> bool:
    """Whether a path is a file itself: a pipe would be waited for, a link may lead anywhere.

    Raises:
        OSError: If there is nothing.
        ValueError: If no path is such.
    """
    return stat.S_ISREG(path.lstat().st_mode)


def kept_mapping(path: Path) -> dict[str, Any]:
    """The mapping that a JSON file of a study directory holds; empty where it cannot be read."""
    try:
        kept = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a file by replacing it: a reader sees either the old or the new one."""
    data = content.encode() if isinstance(content, str) else content
    with naming(path), replacing(path) as partial, partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def replacing(path: Path) -> Generator[Path]:
    """A path, private to this process, to write to; its file then replaces the other.

    The folder must exist: one that was removed must not come back empty.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()  # make room on a full disk
        raise


@contextlib.contextmanager
def naming(path: Path) -> Generator[None]:
    """Adds the file's name to an OSError within that lacks it, as errors of `write` do."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def free(place: Path) -> Path:
    """A path at which there is nothing: this one, or with a number."""
    numbered = (place.with_name(f"{place.name}-{number}") for number in itertools.count(2))
    return next(path for path in itertools.chain([place], numbered) if not path.exists())


def as_seen_from_here(path: Path) -> Path:
    """A path relative to the working directory if it is below, else as it is."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
