"""Sends Ray's and Tune's output to a file: it is not about the study, and floods the terminal."""

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
    """Sends Ray's output to a file meanwhile.

    That is all of standard error, of the process, since Ray's C++ bypasses Python's streams, and of
    Python, whose stream is another one in a notebook; and what Ray's own threads print to standard
    output.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", 1, "utf-8", "backslashreplace") as file, _standard_error_to(file):
        out, error = _WithoutRay(sys.stdout, file), _WhileOpen(sys.stderr, file)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            yield


class _WhileOpen(View):
    """A file; once that is closed the stream in whose place it was, for handlers that keep it."""

    def __init__(self, stream: TextIO, file: TextIO) -> None:
        super().__init__(stream)
        self._file = file

    def write(self, text: str) -> int:
        return super().write(text) if self._file.closed else View(self._file).write(text)


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
