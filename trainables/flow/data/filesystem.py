"""The files of a run's data, in a folder here or at a URI; the first to need pyarrow."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import fs

from trainables.flow.data.errors import DataError
from trainables.flow.data.reaching import check_reachable

UNREADABLE = (pa.ArrowException, OSError, ValueError, ImportError)
"""What pyarrow raises where a file system or a file is not what it is taken for."""
HIDDEN = (".", "_")
"""Names that begin so hold no data, in any folder: `_temporary`, `._part-0.parquet`,
`.ipynb_checkpoints`. A path that the user writes is another matter."""


@dataclass(frozen=True)
class DataFile:
    """One file, here or elsewhere."""

    path: str
    """On its file system."""
    size: int | None
    mtime_ns: int | None
    system: fs.FileSystem | None = None
    """None for this machine's own: only Python opens names that are not UTF-8."""

    def open(self) -> BinaryIO | Any:
        """The file, to be read.

        Raises:
            OSError: Where there is nothing to be read: no file, a link to nothing, a pipe.
        """
        if self.system is not None:
            return self.system.open_input_file(self.path)
        if os.path.exists(self.path) and not os.path.isfile(self.path):
            raise OSError("no ordinary file")
        return open(self.path, "rb")


@dataclass(frozen=True)
class Found:
    """What there is at a path."""

    is_folder: bool
    files: list[DataFile]
    """The file, or all of the folder at any depth, by path; those that are hidden left out."""
    num_hidden: int
    """Names left out, folders among them."""


def found(path: str) -> Found:
    """The file at a path or URI (`file://`, `s3://`, ...), or the files of the folder there.

    Raises:
        DataError: Where nothing is there, or it cannot be reached.
    """
    system, place = _file_system(path)
    try:
        if isinstance(system, fs.LocalFileSystem):
            return _found_here(place)
        return _found_on(system, place)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file or folder") from error
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot be reached ({first_line(error)})") from error


def first_line(error: BaseException) -> str:
    """What an error says, without the pages that some libraries add."""
    return next(iter(str(error).splitlines()), type(error).__name__)[:300]


def _file_system(path: str) -> tuple[fs.FileSystem, str]:
    if "://" not in path:
        return fs.LocalFileSystem(), str(Path(path).absolute())
    if not path.startswith("file://"):
        check_reachable(path)
    try:
        return fs.FileSystem.from_uri(path)
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot be reached ({first_line(error)})") from error


def _found_on(system: fs.FileSystem, place: str) -> Found:
    info = system.get_file_info(place)
    if info.type == fs.FileType.NotFound:
        raise FileNotFoundError(place)
    if info.type != fs.FileType.Directory:
        return Found(False, [_elsewhere(system, info)], 0)
    inside = system.get_file_info(fs.FileSelector(info.path, recursive=True))
    files = [item for item in inside if item.is_file]
    shown = [item for item in files if not _is_hidden(PurePosixPath(item.path), info.path)]
    by_path = sorted(shown, key=lambda item: item.path)
    return Found(
        True, [_elsewhere(system, item) for item in by_path], len(files) - len(shown)
    )  # fmt: skip


def _elsewhere(system: fs.FileSystem, info: fs.FileInfo) -> DataFile:
    return DataFile(info.path, info.size, info.mtime_ns, system)


def _is_hidden(path: PurePosixPath, root: str) -> bool:
    return any(part.startswith(HIDDEN) for part in path.relative_to(root).parts)


def _found_here(place: str) -> Found:
    os.stat(place)  # or nothing is there
    if not os.path.isdir(place):
        return Found(False, [_here(place)], 0)
    hidden: list[str] = []
    files = sorted(_walked(place, hidden))
    # One file under two names is one part: a link to it would double its rows.
    once = {os.path.realpath(file): file for file in reversed(files)}
    return Found(True, [_here(file) for file in sorted(once.values())], len(hidden))


def _walked(root: str, hidden: list[str]) -> Iterator[str]:
    """Files below a folder, each folder once, however links go round."""
    seen = {os.path.realpath(root)}
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=_raise):
        hidden += [name for name in (*subfolders, *names) if name.startswith(HIDDEN)]
        places = {
            name: os.path.realpath(os.path.join(folder, name))
            for name in sorted(subfolders)
            if not name.startswith(HIDDEN)
        }
        subfolders[:] = [name for name, real in places.items() if real not in seen]
        seen.update(places.values())
        yield from (os.path.join(folder, name) for name in names if not name.startswith(HIDDEN))


def _raise(error: OSError) -> None:
    raise error


def _here(path: str) -> DataFile:
    try:
        known = os.stat(path)
    except OSError:  # a link to nothing: told when it is opened
        return DataFile(path, None, None)
    return DataFile(path, known.st_size, known.st_mtime_ns)
