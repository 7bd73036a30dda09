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


def may_unpickle(checkpoint: Path, study_dir: Path, launch: Path) -> bool:
    """Whether a checkpoint has no pickles, or all of them are this user's own.

    Args:
        checkpoint: Its directory.
        study_dir: Where somebody else owns it, what earlier launches left is theirs too.
        launch: The launch that goes on: what it has written itself, it may read.
    """
    pickles = pickles_of(checkpoint)
    ours = checkpoint.is_relative_to(launch) or is_own(study_dir)
    return not pickles or (ours and all(map(is_own, [checkpoint, *pickles])))
