"""Every file name of a study directory, and writes that a reader never sees half done."""

import contextlib
import hashlib
import os
import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path


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
    def lock(self) -> Path:
        """Held by the driver while it works here."""
        return self.root / ".lock"

    @property
    def seed_decisions(self) -> Path:
        """What rules for seeds decided, in order."""
        return self.root / "seeds.json"

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

    def launch_numbers(self) -> list[int]:
        """Launches so far, in order."""
        if not self.launches.is_dir():
            return []
        return sorted(int(p.name) for p in self.launches.iterdir() if p.name.isdigit())

    def best(self, run_name: str) -> Path:
        """A run's best weights."""
        return self.root / "checkpoints" / run_name / "best.pt"

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
        """Changes of rows since `runs.parquet` was last written by a driver that ended well."""
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
        return self.root / "logs" / f"{run_name}.log"

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
    def wandb_whole(self) -> Path:
        """Ended runs that W&B has whole: id and launch, a line each."""
        return self.root / ".wandb-whole"

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


def file_name(text: str) -> str:
    """Text as a part of a file name: what file systems and shells take as it is."""
    name = re.sub(r"[^A-Za-z0-9._=+-]+", "_", text).strip("._") or "_"
    if len(name) <= MAX_PART:
        return name
    return f"{name[: MAX_PART - 9]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def user_cache() -> Path:
    """Where things are kept that can be made again, for all studies of this user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "ablate")


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a file by replacing it: a reader sees the old one or the new one, whoever writes."""
    data = content.encode() if isinstance(content, str) else content
    with replacing(path) as partial, partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def replacing(path: Path) -> Generator[Path]:
    """A path of this process's own to write to, whose file then takes the place of the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    yield partial
    os.replace(partial, path)
