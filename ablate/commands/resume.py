"""Finds the checkpoint that a script resumes from, among those that it wrote."""

import glob
import itertools
import json
import re
import struct
import zipfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NAMED = tuple(
    re.compile(rf"(?<![a-z]){word}s?[=_\-]?(\d+)", re.IGNORECASE)
    for word in (r"(?:global_?)?step", r"iter(?:ation)?", r"epoch", r"ep")
)
_NUMBER = re.compile(r"\d+")
_UNFINISHED = (".tmp", ".temp", ".part", ".partial", ".lock", "~")


@dataclass(frozen=True)
class Saved:
    """A checkpoint of a script.

    Attributes:
        path: The file, or the folder.
        step: The step in its name, where there is one.
        mtime_ns: When it was written last.
    """

    path: str
    step: int | None
    mtime_ns: int

    @property
    def version(self) -> list[Any]:
        """What is another one once a script has written the file again: `last.pt`."""
        return [self.path, self.mtime_ns]


def newest(pattern: str, unusable: Collection[Any] = ()) -> Saved | None:
    """The newest whole checkpoint: by the steps in names if all have one, else by time.

    Args:
        pattern: A pattern of paths, absolute.
        unusable: Versions that no script could resume from.
    """
    found = [saved for saved in _found(pattern) if saved.version not in unusable]
    if all(saved.step is not None for saved in found):
        found.sort(key=lambda saved: (saved.step, saved.mtime_ns), reverse=True)
    else:
        found.sort(key=lambda saved: saved.mtime_ns, reverse=True)
    return next((saved for saved in found if _is_whole(Path(saved.path))), None)


def versions(patterns: Iterable[str]) -> list[list[Any]]:
    """All that is there, as versions."""
    return [saved.version for pattern in patterns for saved in _found(pattern)]


def _found(pattern: str) -> list[Saved]:
    root = _root_of(pattern)
    paths = [Path(path) for path in glob.iglob(pattern, recursive=True)]
    return [saved for path in paths if (saved := _saved(path, root))]


def step_in(path: Path, root: Path) -> int | None:
    """The step in a checkpoint's name, or its folder's: `step=100`; else the name's last number.

    Args:
        path: The checkpoint.
        root: Where the search began: the names of folders that it is in are the run's.
    """
    name = path.name if path.is_dir() else path.stem
    folders = [path.parent.name] if root in path.parent.parents else []
    for text in (name, *folders):
        for pattern in _NAMED:
            if match := pattern.search(text):
                return int(match[1])
    numbers = _NUMBER.findall(name)
    return int(numbers[-1]) if numbers else None


def _root_of(pattern: str) -> Path:
    """The folder of a pattern up to where it varies."""
    parts = Path(pattern).parts
    fixed = [*itertools.takewhile(lambda part: not glob.has_magic(part), parts[:-1])]
    return Path(*fixed)


def _saved(path: Path, root: Path) -> Saved | None:
    if path.name.lower().endswith(_UNFINISHED) or ".ablate" in path.parts:
        return None
    try:
        written = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        times = [file.stat().st_mtime_ns for file in written]
        is_empty = not any(file.stat().st_size for file in written)
    except OSError:
        return None
    return None if is_empty else Saved(str(path), step_in(path, root), max(times))


def _is_whole(path: Path) -> bool:
    """Whether a file is no torn one, as far as its format tells: torch's are zip archives."""
    if path.is_dir():
        return all(_is_whole(file) for file in path.rglob("*") if file.is_file())
    try:
        with path.open("rb") as file:
            head = file.read(8)
            if head[:4] == b"PK\3\4":
                return zipfile.is_zipfile(file)
            if path.suffix == ".safetensors":
                return _has_all_tensors(path, head)
    except OSError:
        return False
    return True


def _has_all_tensors(path: Path, head: bytes) -> bool:
    if len(head) < 8:
        return False
    length = struct.unpack("<Q", head)[0]
    size = path.stat().st_size
    if length > size:
        return False
    with path.open("rb") as file:
        file.seek(8)
        try:
            header = json.loads(file.read(length))
        except ValueError:
            return False
    ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    return size >= 8 + length + max(ends, default=0)
