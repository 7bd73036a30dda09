"""What is read of a running script: its results, wherever it puts them."""

import glob
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablate.commands.event_files import EventFile, is_event_file
from ablate.commands.file_records import FileRecords, JsonLines, LoggedCalls, Table
from ablate.commands.printed import Patterns, last_lines
from ablate.commands.records import Batch, Points
from ablate.commands.spec import FileRead
from ablate.text import some

SHOWN_LINES = 5
"""Last lines of what a script printed that a message shows."""
LOOK_S = 0.5
"""Between looks for further files."""
_IN_SHARED_FOLDER = (
    "trainable.read.file lies in the script's folder, which other runs share: let the script write "
    "to {run_dir}"
)
_OF_SEVERAL = (
    "{name} was told with several values at one step, and several processes train: the last one "
    "counts, whose ever it is; let the first process alone tell it, or let torchrun mark what each "
    "of them prints (--tee 3)"
)
_SUFFIXES = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".tsv": "csv",
}  # fmt: skip


@dataclass
class Start:
    """The start of an attempt.

    Attributes:
        sizes: Of the files that were there, by path: what lies beyond is the attempt's.
        resumed: Whether it went on from a checkpoint.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    resumed: bool = False


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a run's results are.

    Attributes:
        output: The file with what the script prints.
        logged: The file that `ablate.log` appends to.
        run_dir: The run's directory.
        folder: The script's folder.
        file: `read.file`, its placeholders filled.
    """

    output: Path
    logged: Path
    run_dir: Path
    folder: Path
    file: str = ""


class Reading:
    """Reads the results of one run, across its attempts.

    Args:
        read: What the command says of them.
        places: Where they are.
        starts: The attempts so far, which the caller keeps.
    """

    def __init__(
        self, read: FileRead | Mapping[str, str] | None, places: Places, starts: list[Start]
    ) -> None:
        self.points = Points()
        self._read = read
        self._places = places
        self._starts = starts
        self._logged = LoggedCalls(places.logged)
        self._patterns = (
            None if read is None or isinstance(read, FileRead) else Patterns(places.output, read)
        )
        self._files: dict[str, FileRecords] = {}
        self._waiting: dict[str, dict[str, Any]] = {}
        self._found: list[Path] = []
        self._found_at = -LOOK_S
        self._forget_rewritten()

    def begin(self) -> dict[str, int]:
        """Another attempt begins; returns the sizes of all files that are read, as they are now."""
        for reader in self._all_readers():
            reader.begin_attempt()
        self._found_at = -LOOK_S
        paths = [self._places.output, self._places.logged, *self._found_files()]
        return {str(path): path.stat().st_size for path in paths if path.is_file()}

    def new(self, is_over: bool = False, is_final: bool = False) -> list[Batch]:
        """The points that are new.

        Args:
            is_over: Whether the attempt has ended.
            is_final: Whether it has ended well: what it has written last is whole.
        """
        self._found_at = -LOOK_S if is_over else self._found_at
        for reader in self._readers():
            while True:
                start = self._attempt_at(reader)
                before, upto = reader.tail.offset, self._next_start(reader)
                for record in reader.new(upto, is_final and upto is None):
                    if reader.begins_again():
                        self._is_another_file(reader)
                        start = len(self._starts)
                        self.points.rewind()
                    if start:
                        resumed = self._starts[start - 1].resumed
                        self.points.add(record, start, resumed)
                if upto is None or reader.tail.offset == before:
                    break
                reader.begin_attempt()
        return self.points.take(is_over)

    @property
    def world_size(self) -> int | None:
        """How many processes train, where `ablate.log` has seen it."""
        return self._logged.world_size

    def state(self) -> dict[str, Any]:
        """What it needs to go on."""
        readers = {str(reader.tail.path): reader.state() for reader in self._all_readers()}
        return {"points": self.points.state(), "files": readers}

    def load(self, state: Mapping[str, Any]) -> None:
        """Goes on from a state."""
        self.points.load(state["points"])
        self._waiting = dict(state["files"])
        for reader in self._all_readers():
            self._load(reader)

    def lacking(self, metric: str | None = None) -> tuple[str, str] | None:
        """Which key has found nothing, and what is there instead; None if nothing is missing.

        Args:
            metric: The study's: other patterns may find nothing. None: all have to.
        """
        if self._patterns is not None:
            if self.points.num and metric is not None and self._patterns.found.get(metric):
                return None
            found = self.unmatched()
            return found and (found[0], f"{found[1]}; {self._printed()}")
        if isinstance(self._read, FileRead):
            return self._empty_file(self._read)
        if self.points.num:
            return None
        return "read", f"is not given, and the script never called ablate.log; {self._printed()}"

    def _readers(self) -> Iterator[FileRecords]:
        yield self._logged
        if self._patterns is not None:
            yield self._patterns
        for path in self._found_files():
            if reader := self._reader_of(path):
                yield reader

    def _all_readers(self) -> list[FileRecords]:
        patterns = [] if self._patterns is None else [self._patterns]
        return [self._logged, *patterns, *self._files.values()]

    def warnings(self, is_of_several: bool) -> list[str]:
        """What is odd about where results come from.

        Args:
            is_of_several: Whether several processes may have told them.
        """
        told: list[str] = []
        if any(not path.is_relative_to(self._places.run_dir) for path in self._found):
            told.append(_IN_SHARED_FOLDER)
        if is_of_several and self.points.twice:
            told.append(_OF_SEVERAL.format(name=self.points.twice))
        return told

    def _found_files(self) -> list[Path]:
        """The files that `read.file` names; looked for now and then."""
        if self._places.file and time.monotonic() - self._found_at >= LOOK_S:
            self._found_at, self._found = time.monotonic(), self._search()
        return self._found

    def _search(self) -> list[Path]:
        """In the run's directory, else in the script's folder."""
        for folder in (self._places.run_dir, self._places.folder):
            found = sorted(map(Path, glob.iglob(str(folder / self._places.file), recursive=True)))
            files = [file for path in found for file in _files_of(path)]
            if files:
                return files
        return []

    def _reader_of(self, path: Path) -> FileRecords | None:
        """The reader of a file; None as long as it is empty, if nothing else says what it is."""
        assert isinstance(self._read, FileRead)
        if str(path) not in self._files:
            kind = self._read.format or _format_of(path)
            if kind is None:
                return None
            cls = {"jsonl": JsonLines, "csv": Table, "tensorboard": EventFile}[kind]
            self._files[str(path)] = cls(path, self._read.step)
            self._load(self._files[str(path)])
        return self._files[str(path)]

    def _load(self, reader: FileRecords) -> None:
        state = self._waiting.pop(str(reader.tail.path), None)
        if state is not None:
            reader.load(state)

    def _attempt_at(self, reader: FileRecords) -> int:
        """The attempt that wrote what comes next in a file; 0 for what was there before."""
        path, offset = str(reader.tail.path), reader.tail.offset
        return sum(start.sizes.get(path, 0) <= offset for start in self._starts)

    def _next_start(self, reader: FileRecords) -> int | None:
        """The size of a file when the next attempt began."""
        sizes = [start.sizes.get(str(reader.tail.path), 0) for start in self._starts]
        return min((size for size in sizes if size > reader.tail.offset), default=None)

    def _forget_rewritten(self) -> None:
        """Forgets where attempts began in files that are shorter now."""
        for path in {path for start in self._starts for path in start.sizes}:
            size = Path(path).stat().st_size if Path(path).is_file() else 0
            if any(start.sizes.get(path, 0) > size for start in self._starts):
                for start in self._starts:
                    start.sizes.pop(path, None)

    def _is_another_file(self, reader: FileRecords) -> None:
        for start in self._starts:
            start.sizes.pop(str(reader.tail.path), None)

    def unmatched(self) -> tuple[str, str] | None:
        """The key of the first pattern that has found nothing, and that it has."""
        patterns = self._patterns
        names = [] if patterns is None else [n for n, num in patterns.found.items() if not num]
        if patterns is None or not names:
            return None
        first, *others = names
        told = f"= {patterns.text_of(first)!r} matched nothing that the script printed"
        also = f", nor did {some(others)}" if others else ""
        return f"read.{first}", f"{told}{also}"

    def _empty_file(self, read: FileRead) -> tuple[str, str] | None:
        files = self._found_files()
        if not files:
            there = sorted(
                str(path.relative_to(self._places.run_dir))
                for path in self._places.run_dir.rglob("*")
                if path.is_file() and ".ablate" not in path.parts
            )
            return "read.file", (
                f"the script wrote no {read.file}, neither in its run's directory "
                f"({some(there) or 'which is empty'}) nor in its folder"
            )
        names = dict.fromkeys(name for reader in self._files.values() for name in reader.names)
        told = f"it has {some(list(names), 10)}" if names else "it is empty, or of another format"
        if not self.points.num:
            return "read.file", f"{files[0].name} holds no numbers: {told}"
        if read.step is not None and not self.points.has_steps:
            return "read.step", f"{files[0].name} has no whole numbers {read.step}: {told}"
        return None

    def _printed(self) -> str:
        lines = last_lines(self._places.output, 0)[-SHOWN_LINES:]
        return "the last it printed: " + " | ".join(lines) if lines else "it printed nothing"


def _files_of(path: Path) -> list[Path]:
    """A file; of a folder its event files."""
    if not path.is_dir():
        return [path]
    return sorted((p for p in path.rglob("*tfevents*") if p.is_file()), key=lambda p: p.name)


def _format_of(path: Path) -> str | None:
    """By its name, else by how it begins; None for an empty one."""
    if "tfevents" in path.name:
        return "tensorboard"
    if path.suffix.lower() in _SUFFIXES:
        return _SUFFIXES[path.suffix.lower()]
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        return None
    if is_event_file(head):
        return "tensorboard"
    return "jsonl" if head.lstrip()[:1] in (b"{", b"[") else "csv"
