"""Decides whether an error is due to the study directory's file system, and not to a run."""

import errno
import os
from pathlib import Path

from ablate.errors import StorageError, causes_of, file_of, reason_of
from ablate.study_dir import StudyPaths

FAULTS = frozenset(
    {
        errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM,
        errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.EHOSTDOWN,
        errno.ETIMEDOUT,
    }
)  # fmt: skip
"""Errors of a file system that cannot take a file, whoever writes it."""
TRIED_BYTES = 2**20
"""Written to test whether there is room."""


def fault_of(error: BaseException, paths: StudyPaths) -> StorageError | None:
    """The storage failure behind an error in a run or in what drives it.

    Libraries wrap or drop the operating system's errors: if none names a file of the study
    directory, the directory is tested.

    Args:
        error: Anything that was raised.
        paths: The study directory.

    Returns:
        The failure; None if the storage is fine.
    """
    for cause in causes_of(error):
        if isinstance(cause, StorageError):
            return cause
        if isinstance(cause, OSError) and cause.errno in FAULTS and _is_within(cause, paths.root):
            return StorageError.of(cause, paths.root)
    try:
        check_storage(paths)
        _write_something(paths)
    except StorageError as fault:
        return fault
    except OSError as fault:
        return StorageError(str(paths.root), reason_of(fault))
    return None


def check_storage(paths: StudyPaths) -> None:
    """Checks that the study directory is still there, and still the study's.

    Raises:
        StorageError: If it was removed, or its file system is no longer mounted.
    """
    if not paths.uid.exists():
        raise StorageError(str(paths.root), "the study directory is no longer there")


def _write_something(paths: StudyPaths) -> None:
    tried = paths.root / f".tried.{os.uname().nodename}.{os.getpid()}"
    try:
        with tried.open("wb") as file:
            file.write(bytes(TRIED_BYTES))
            file.flush()
            os.fsync(file.fileno())
    finally:
        tried.unlink(missing_ok=True)


def _is_within(error: OSError, root: Path) -> bool:
    name = file_of(error)
    return bool(name) and Path(name).is_relative_to(root)
