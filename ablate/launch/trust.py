"""Decides whose files may be unpickled: a pickle can run any code.

A file's owner is the evidence: only root can give a file to another user.
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
    """Whether this user, or root, owns a directory and everything in it."""
    return is_own(folder) and all(map(is_own, folder.rglob("*")))


def pickles_of(checkpoint: Path) -> list[Path]:
    """The pickle files of a checkpoint."""
    return sorted(path for pattern in PICKLES for path in checkpoint.rglob(pattern))


def may_unpickle(checkpoint: Path) -> bool:
    """Whether this user, or root, owns all pickles of a checkpoint, whoever owns the folder.

    Args:
        checkpoint: Its directory.
    """
    return all(map(is_own, pickles_of(checkpoint)))
