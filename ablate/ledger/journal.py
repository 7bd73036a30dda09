"""The ledger's journals: a line of JSON for each change of a row.

The main journal begins with whole rows; those of other commands hold changes only. Each numbers its
changes, and the table notes the last change of each that it includes. So a damaged table can be
repaired from the journals, and the other way round.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ablate.study_dir import naming, write_atomically
from ablate.text import storable

NUMBER = "_n"
RESET = "_reset"
"""In a patch: the run restarts, and its earlier results are void."""
MAIN = ""
"""The name of the journal that has whole rows."""
_ROWS = "num_rows"
"""In the first line: how many whole rows follow."""
_INCLUDED = "included"
"""In the first line: by journal, the last change that the whole rows include."""
_START = b'{"run_id":'
_TIMES = ("started_at", "ended_at", "reused_at")

Patch = dict[str, Any]


@dataclass(frozen=True)
class JournalContent:
    """The content of a journal.

    Attributes:
        patches: In order; each has its `run_id`, and its number under `NUMBER`.
        is_whole: Whether it begins with all rows, and so needs no table.
        included: By name of another journal, its last change that the whole rows include.
        damaged_before: For each unreadable line, the number of the next readable change; None
            where there is none. A torn end, which a dead driver leaves, is no damage.
    """

    patches: Sequence[Patch] = ()
    is_whole: bool = False
    included: Mapping[str, int] = field(default_factory=dict[str, int])
    damaged_before: Sequence[int | None] = ()

    @property
    def last(self) -> int:
        """The number of the last readable change."""
        return max((patch.get(NUMBER, 0) for patch in self.patches), default=0)

    def after(self, number: int | None) -> list[Patch]:
        """The changes after a number; for None all, including those without a number."""
        if number is None:
            return list(self.patches)
        return [patch for patch in self.patches if patch.get(NUMBER, 0) > number]


class Journal:
    """Appends to a journal.

    Args:
        path: Its file, which must end with a whole line.
        number: The number of the last change so far.
    """

    def __init__(self, path: Path, number: int) -> None:
        self.number = number
        self._path = path
        # Unbuffered: what could not be written does not wait to fail once more.
        self._file = path.open("ab", buffering=0)

    def append(self, patch: Mapping[str, Any]) -> None:
        """Appends a change.

        Raises:
            OSError: If that fails; it names the file.
        """
        self.number += 1
        line = memoryview(_line(patch, self.number))
        with naming(self._path):
            while line:
                line = line[self._file.write(line) :]

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def write_whole(path: Path, rows: Iterable[Mapping[str, Any]], numbers: Mapping[str, int]) -> None:
    """Replaces the main journal by one of whole rows.

    Args:
        path: The main journal.
        rows: All rows.
        numbers: By name of a journal, the last change that they include.
    """
    lines: list[bytes] = []
    for row in rows:
        columns = {name: value for name, value in row.items() if value is not None}
        lines.append(_line(columns, numbers.get(MAIN, 0)))
    included = {name: number for name, number in numbers.items() if name != MAIN}
    header: dict[str, Any] = {_ROWS: len(lines), **({_INCLUDED: included} if included else {})}
    write_atomically(path, json.dumps(header).encode() + b"\n" + b"".join(lines))


def mend_changes(path: Path) -> None:
    """Removes torn lines from a journal of changes; a damaged one is kept under another name."""
    content = read_journal(path)
    if content.damaged_before:
        set_aside(path)
    lines = [_line(patch, patch.get(NUMBER, 0)) for patch in content.patches]
    write_atomically(path, b"".join(lines))


def set_aside(path: Path) -> None:
    """Renames a damaged file, to keep it."""
    path.replace(path.with_suffix(".damaged"))


def read_journal(path: Path) -> JournalContent:
    """The readable content of a journal.

    Raises:
        OSError: If the file exists and cannot be opened.
    """
    if not path.is_file():
        return JournalContent()
    *lines, tail = path.read_bytes().split(b"\n")
    header = _header(lines[0]) if lines else None
    has_header = header is not None
    patches: list[Patch] = []
    damaged: list[int] = []
    for line in [*lines[has_header:], *([tail] if tail else [])]:
        patch, is_torn = read_patch(line)
        if is_torn and line is not tail:
            damaged.append(len(patches))
        if patch is not None:
            patches.append(patch)
    numbers = [patch.get(NUMBER) for patch in patches]
    after = [numbers[at] if at < len(numbers) else None for at in damaged]
    if header is not None and len(patches) < header[_ROWS]:
        after.append(None)  # whole rows are written in one go: their end was cut off since
    included = header.get(_INCLUDED, {}) if header is not None else {}
    return JournalContent(patches, has_header, included, after)


def _header(line: bytes) -> dict[str, Any] | None:
    """The header of a journal with whole rows, or None."""
    try:
        header = json.loads(line)
    except ValueError:
        return None
    if not isinstance(header, dict) or not isinstance(header.get(_ROWS), int):
        return None
    included = header.get(_INCLUDED, {})
    is_whole = isinstance(included, dict) and all(isinstance(n, int) for n in included.values())
    return header if is_whole else None


def _line(patch: Mapping[str, Any], number: int) -> bytes:
    ordered = {"run_id": patch["run_id"], **patch, NUMBER: number}
    return json.dumps(ordered, default=_to_json).encode() + b"\n"


def read_patch(line: bytes) -> tuple[Patch | None, bool]:
    """The patch of a line, and whether the line is torn.

    If a driver died within a line, or the disk was full, the next patch may follow in it.
    """
    patch = _parsed(line)
    if patch is not None:
        return patch, False
    start = line.rfind(_START)
    return (_parsed(line[start:]) if start > 0 else None), True


def _parsed(line: bytes) -> Patch | None:
    try:
        patch = json.loads(line)
        if not isinstance(patch, dict) or not isinstance(patch.get("run_id"), str):
            return None
        times = {name: datetime.fromisoformat(patch[name]) for name in _TIMES if patch.get(name)}
    except (ValueError, TypeError):
        return None
    if not isinstance(patch.get(NUMBER, 0), int):
        return None
    # An earlier version kept what Parquet cannot: a study that has it goes on.
    return {**storable(patch), **times}


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if hasattr(value, "item") else str(value)  # a number of numpy's
