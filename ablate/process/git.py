"""Asks git about a folder."""

import subprocess
from pathlib import Path

TIMEOUT_S = 60.0
"""For an answer: a large tree on a network's file system takes its time."""


def git(folder: Path, *arguments: str, timeout_s: float = TIMEOUT_S) -> bytes | None:
    """What git says; None where there is no git, or it knows nothing of the folder.

    Args:
        folder: Where it is asked.
        arguments: The question.
        timeout_s: How long it may take.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, timeout=timeout_s
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
