"""The rows of a study for those who only look: what was appended since is read, and no more."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.ledger.journal import MAIN, NUMBER, read_patch
from ablate.ledger.rows import apply_patch, read_record
from ablate.run_row import RunRows
from ablate.study_dir import StudyPaths
from ablate.study_format import check_format


@dataclass
class FileMark:
    """How far a file that grows was read, and which file it was: others may replace it."""

    inode: int
    size: int
    offset: int = 0
    """After the last whole line."""

    @classmethod
    def of(cls, path: Path) -> "FileMark | None":
        """A file as it is now, of which nothing was read; None where there is none."""
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return cls(found.st_ino, found.st_size)

    def has_grown_to(self, now: "FileMark") -> bool:
        """Whether it is the same file with something appended."""
        return now.inode == self.inode and now.size > self.size

    def read_on(self, path: Path) -> bytes:
        """The whole lines that were appended."""
        with path.open("rb") as file:
            file.seek(self.offset)
            lines = file.read()
        self.size = self.offset + len(lines)
        lines = lines[: lines.rfind(b"\n") + 1]
        self.offset += len(lines)
        return lines


class FollowedRecord:
    """The rows of a study, read again as far as they change. Nothing is written or locked.

    Args:
        paths: The study directory.
        without: Columns that are left out, to save memory.
    """

    def __init__(self, paths: StudyPaths, without: Collection[str] = ()) -> None:
        self.rows = RunRows()
        self.notes: Sequence[str] = ()
        """On damage."""
        self._paths = paths
        self._without = frozenset(without)
        self._marks: dict[Path, FileMark] | None = None
        self._numbers: dict[str, int] = {}

    def refresh(self) -> set[str] | None:
        """Reads what is new.

        Returns:
            The ids of runs that have changed; None where all were read anew.

        Raises:
            AblateError: If a newer Ablate has written the directory.
            OSError: If it cannot be read.
        """
        journals = self._paths.journals()
        files = [path for path in journals.values() if path.is_file()] or [self._paths.runs_parquet]
        marks = {path: mark for path in files if (mark := FileMark.of(path))}
        if self._marks is None or marks.keys() != self._marks.keys():
            return self._read_all(marks)
        names = {path: name for name, path in journals.items()}
        changed = set[str]()
        for path, mark in marks.items():
            known = self._marks[path]
            if (mark.inode, mark.size) == (known.inode, known.size):
                continue
            is_longer = known.has_grown_to(mark) and path in names
            patches = self._appended(known.read_on(path), names[path]) if is_longer else None
            if patches is None:
                return self._read_all(marks)
            for patch in patches:
                apply_patch(self.rows, self._slim(patch))
                changed.add(patch["run_id"])
        return changed

    def _appended(self, lines: bytes, journal: str) -> list[dict[str, Any]] | None:
        """New changes; None where they do not follow on those that are known."""
        patches: list[dict[str, Any]] = []
        for line in lines.splitlines():
            patch, is_torn = read_patch(line)
            if patch is None or is_torn or patch.get(NUMBER) is None:
                return None
            number = self._numbers.get(journal, 0)
            if patch[NUMBER] > number + 1:
                return None
            if patch[NUMBER] == number + 1:  # others were there when all was read
                patches.append(patch)
                self._numbers[journal] = patch[NUMBER]
        return patches

    def _read_all(self, marks: dict[Path, FileMark]) -> None:
        check_format(self._paths)
        for path, mark in marks.items():
            if path != self._paths.runs_parquet:
                mark.read_on(path)  # before the rows: what comes between is read twice, not never
        self.rows, self._numbers, self.notes = read_record(self._paths)
        for row in self.rows.values():
            for name in self._without & row.keys():
                del row[name]
        self._numbers.setdefault(MAIN, 0)
        self._marks = marks

    def _slim(self, patch: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in patch.items() if name not in self._without}
