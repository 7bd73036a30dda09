"""What Ray and Tune say goes to a file: it is not about the study, and fills a terminal."""

import contextlib
import os
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import TextIO

from ablate.process.streams import View


@contextlib.contextmanager
def ray_speaks_to(path: Path) -> Generator[None]:
    """Sends to a file what Ray says meanwhile.

    Standard error goes there as a whole, since Ray's C++ writes past Python's streams; of standard
    output what Ray's own threads print.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", 1, "utf-8", "backslashreplace") as file, _standard_error_to(file):
        split = _WithoutRay(sys.stdout, file)
        with contextlib.redirect_stdout(split):
            yield


class _WithoutRay(View):
    """Standard output, without what Ray's threads print there."""

    def __init__(self, stream: TextIO, file: TextIO) -> None:
        super().__init__(stream)
        self._file = View(file)

    def write(self, text: str) -> int:
        if threading.current_thread().name.startswith("ray_"):
            return self._file.write(text)
        return super().write(text)


@contextlib.contextmanager
def _standard_error_to(file: TextIO) -> Generator[None]:
    try:
        terminal = os.dup(2)
    except OSError:  # closed
        yield
        return
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
