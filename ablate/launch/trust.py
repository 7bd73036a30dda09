"""Whose files are unpickled: a pickle runs whatever its writer wants.

The owner of a file is the evidence: nobody but root can give a file to somebody else.
"""

import os
from pathlib import Path

PICKLES = ("*.pkl", "*.pickle")


def is_own(path: Path) -> bool:
    """Whether this user, or root, owns a file or directory."""
    try:
        return os.stat(path).st_uid in (os.geteuid(), 0)
    except FileNotFoundError:
        return True


def is_own_tree(folder: Path) -> bool:
    """Whether this user, or root, owns a directory and all that is in it."""
    return is_own(folder) and all(map(is_own, folder.rglob("*")))


def pickles_of(checkpoint: Path) -> list[Path]:
    """The files of a checkpoint that only unpickling can read."""
    return sorted(path for pattern in PICKLES for path in checkpoint.rglob(pattern))


def may_unpickle(checkpoint: Path) -> bool:
    """Whether this user, or root, has written all pickles of a checkpoint, whoever has the folder.

    Args:
        checkpoint: Its directory.
    """
    return all(map(is_own, pickles_of(checkpoint)))
