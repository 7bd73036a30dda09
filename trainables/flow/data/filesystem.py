"""Lists and opens the files of a run's data, local or at a URI; the first to need pyarrow."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import fs

from trainables.flow.data.errors import DataError
from trainables.flow.data.reachability import check_reachable

UNREADABLE = (pa.ArrowException, OSError, ValueError, ImportError)
"""What pyarrow raises if a file system or a file is not what it seems."""
HIDDEN = (".", "_")
"""Names with these prefixes hold no data, in any folder: `_temporary`, `._part-0.parquet`,
`.ipynb_checkpoints`. Paths that the user names are exempt."""


@dataclass(frozen=True)
class DataFile:
    """One file, local or remote."""

    path: str
    """On its file system."""
    size: int | None
    mtime_ns: int | None
    system: fs.FileSystem | None = None
    """None for local files: only Python opens names that are not UTF-8."""

    def open(self) -> BinaryIO | Any:
        """Opens the file for reading.

        Raises:
            OSError: If there is nothing to read: no file, a dangling link, a pipe.
        """
        if self.system is not None:
            return self.system.open_input_file(self.path)
        if os.path.exists(self.path) and not os.path.isfile(self.path):
            raise OSError("no ordinary file")
        return open(self.path, "rb")


@dataclass(frozen=True)
class Listing:
    """What is at a path."""

    is_folder: bool
    files: list[DataFile]
    """The file, or all files of the folder at any depth, sorted by path, without hidden ones."""
    num_hidden: int
    """Hidden names left out, folders included."""


def list_files(path: str) -> Listing:
    """The file at a path or URI (`file://`, `s3://`, ...), or the files of the folder there.

    Raises:
        DataError: If nothing is there, or it cannot be reached.
    """
    system, place = _file_system(path)
    try:
        if isinstance(system, fs.LocalFileSystem):
            return _list_here(place)
        return _list_on(system, place)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file or folder") from error
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot be reached ({first_line(error)})") from error


def first_line(error: BaseException) -> str:
    """The first line of an error's message: some libraries add pages."""
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


def _list_on(system: fs.FileSystem, place: str) -> Listing:
    info = system.get_file_info(place)
    if info.type == fs.FileType.NotFound:
        raise FileNotFoundError(place)
    if info.type != fs.FileType.Directory:
        return Listing(False, [_elsewhere(system, info)], 0)
    inside = system.get_file_info(fs.FileSelector(info.path, recursive=True))
    files = [item for item in inside if item.is_file]
    visible = [item for item in files if not _is_hidden(PurePosixPath(item.path), info.path)]
    by_path = sorted(visible, key=lambda item: item.path)
    return Listing(
        True, [_elsewhere(system, item) for item in by_path], len(files) - len(visible)
    )  # fmt: skip


def _elsewhere(system: fs.FileSystem, info: fs.FileInfo) -> DataFile:
    return DataFile(info.path, info.size, info.mtime_ns, system)


def _is_hidden(path: PurePosixPath, root: str) -> bool:
    return any(part.startswith(HIDDEN) for part in path.relative_to(root).parts)


def _list_here(place: str) -> Listing:
    os.stat(place)  # raises if nothing is there
    if not os.path.isdir(place):
        return Listing(False, [_here(place)], 0)
    hidden: list[str] = []
    files = sorted(_walked(place, hidden))
    # A file under two names counts once: a link to it would double its rows.
    once = {os.path.realpath(file): file for file in reversed(files)}
    return Listing(True, [_here(file) for file in sorted(once.values())], len(hidden))


def _walked(root: str, hidden: list[str]) -> Iterator[str]:
    """Files below a folder, each folder once, even where links form a cycle."""
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
        stat = os.stat(path)
    except OSError:  # a dangling link: reported when it is opened
        return DataFile(path, None, None)
    return DataFile(path, stat.st_size, stat.st_mtime_ns)
