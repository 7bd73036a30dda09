"""What Ray and Tune say goes to a file: it is not about the study, and fills a terminal."""

import contextlib
import os
from collections.abc import Generator
from pathlib import Path


@contextlib.contextmanager
def standard_error_to(path: Path) -> Generator[None]:
    """Sends standard error to a file meanwhile: Ray's C++ writes there past Python's streams."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        terminal = os.dup(2)
    except OSError:  # closed
        yield
        return
    with path.open("ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
