"""Where the files of a run's data are found, here or at a URI; the first to need pyarrow."""

from pathlib import Path

from pyarrow import fs

from trainables.flow.rows import DataError


def file_system(path: str) -> tuple[fs.FileSystem, str]:
    """The file system of a path or URI (`file://`, `s3://`, ...), and the path on it.

    Raises:
        DataError: Where there is no such kind of file system here.
    """
    try:
        if "://" in path:
            return fs.FileSystem.from_uri(path)
        return fs.LocalFileSystem(), str(Path(path).absolute())
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be reached ({error})") from error


def found(path: str) -> tuple[fs.FileSystem, fs.FileInfo]:
    """What is at a path or URI.

    Raises:
        DataError: Where it cannot be reached.
    """
    system, place = file_system(path)
    try:
        return system, system.get_file_info(place)
    except OSError as error:
        raise DataError(f"{path}: cannot be reached ({error})") from error


def listed(path: str) -> tuple[fs.FileSystem, list[fs.FileInfo]]:
    """The file at a path or URI, or everything below the folder there.

    Raises:
        DataError: Where it cannot be reached.
    """
    system, info = found(path)
    if info.type != fs.FileType.Directory:
        return system, [info]
    try:
        return system, system.get_file_info(fs.FileSelector(info.path, recursive=True))
    except OSError as error:
        raise DataError(f"{path}: cannot be listed ({error})") from error
