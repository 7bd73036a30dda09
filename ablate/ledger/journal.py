"""The ledger's journal: a line of JSON for each change of a row, and whole rows first.

Changes are numbered, so that a table which says up to which change it goes can be mended by a
journal that is damaged, and the other way round.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ablate.study_dir import naming, write_atomically
from ablate.text import storable

NUMBER = "_n"
RESET = "_reset"
"""In a patch: the run begins again, what was known of it is void."""
_ROWS = "num_rows"
"""In the first line: how many whole rows follow."""
_START = b'{"run_id":'
_TIMES = ("started_at", "ended_at")

Patch = dict[str, Any]


@dataclass(frozen=True)
class JournalContent:
    """What a journal holds.

    Attributes:
        patches: In order; each says its `run_id`, and under `NUMBER` which change it is.
        is_whole: Whether it begins with all rows there were: it needs no table.
        damaged_before: For each unreadable line, the number of the next readable change; None
            where there is none. A torn end, which a dead driver leaves, is no damage.
    """

    patches: Sequence[Patch] = ()
    is_whole: bool = False
    damaged_before: Sequence[int | None] = ()


class Journal:
    """A journal that is being written.

    Args:
        path: Its file.
        rows: All rows as they are; they take the place of what the file held.
        number: The last change that they include.
    """

    def __init__(self, path: Path, rows: Iterable[Mapping[str, Any]], number: int) -> None:
        self.number = number
        self._path = path
        write_whole(path, rows, number)
        # Unbuffered: what could not be written does not wait to fail once more.
        self._file = path.open("ab", buffering=0)

    def append(self, patch: Mapping[str, Any]) -> None:
        """Keeps a change.

        Raises:
            OSError: Where it cannot; the file is named.
        """
        self.number += 1
        line = memoryview(_line(patch, self.number))
        with naming(self._path):
            while line:
                line = line[self._file.write(line) :]

    def close(self) -> None:
        """Ends the writing."""
        self._file.close()


def write_whole(path: Path, rows: Iterable[Mapping[str, Any]], number: int) -> None:
    """Writes a journal of nothing but whole rows, in the place of the old one."""
    lines: list[bytes] = []
    for row in rows:
        known = {name: value for name, value in row.items() if value is not None}
        lines.append(_line(known, number))
    header = json.dumps({_ROWS: len(lines)}).encode() + b"\n"
    write_atomically(path, header + b"".join(lines))


def read_journal(path: Path) -> JournalContent:
    """What a journal holds, as far as it can be read.

    Raises:
        OSError: Where the file is there and cannot be opened.
    """
    if not path.is_file():
        return JournalContent()
    *lines, tail = path.read_bytes().split(b"\n")
    num_rows = _num_rows(lines[0]) if lines else None
    has_header = num_rows is not None
    patches: list[Patch] = []
    damaged: list[int] = []
    for line in [*lines[has_header:], *([tail] if tail else [])]:
        patch, is_torn = _patch(line)
        if is_torn and line is not tail:
            damaged.append(len(patches))
        if patch is not None:
            patches.append(patch)
    numbers = [patch.get(NUMBER) for patch in patches]
    after = [numbers[at] if at < len(numbers) else None for at in damaged]
    if len(patches) < (num_rows or 0):
        after.append(None)  # whole rows are written in one go: their end was cut off since
    return JournalContent(patches, has_header, after)


def _num_rows(line: bytes) -> int | None:
    """How many whole rows follow, None where the line is no header."""
    try:
        header = json.loads(line)
    except ValueError:
        return None
    number = header.get(_ROWS) if isinstance(header, dict) else None
    return number if isinstance(number, int) else None


def _line(patch: Mapping[str, Any], number: int) -> bytes:
    ordered = {"run_id": patch["run_id"], **patch, NUMBER: number}
    return json.dumps(ordered, default=_to_json).encode() + b"\n"


def _patch(line: bytes) -> tuple[Patch | None, bool]:
    """What a line says, and whether any of it is torn.

    Where a driver died within a line, or the disk was full, the next one may follow in it.
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
