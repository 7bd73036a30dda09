"""Standard streams that never fail: if the terminal goes away, only its output is lost.

After a closed pipe, a dead connection or a full disk behind `> log`, the study goes on, and its
exit code is unaffected.
"""

import contextlib
import io
import os
import sys
from typing import Any, TextIO


class View(io.TextIOBase):
    """A stream whose writes never fail.

    Args:
        stream: Where it writes for as long as that works.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes as much as possible."""
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            self.write(text.encode(self.encoding, "backslashreplace").decode(self.encoding))
        except (OSError, ValueError):  # gone, or closed
            pass
        return len(text)

    def flush(self) -> None:
        """Flushes, if possible."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def writable(self) -> bool:
        """Always true, even if nothing arrives."""
        return True

    def isatty(self) -> bool:
        """Whether it is a terminal that is still there."""
        with contextlib.suppress(OSError, ValueError):
            return self._stream.isatty()
        return False

    def fileno(self) -> int:
        """The stream's own."""
        return self._stream.fileno()

    def __getattr__(self, name: str) -> Any:
        """Other attributes of the stream: its name, say, or `reconfigure`."""
        if name == "_stream":  # in a view that is not initialised yet
            raise AttributeError(name)
        return getattr(self._stream, name)

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The stream's own."""
        return self._stream.encoding or "utf-8"

    @property
    def errors(self) -> str | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The stream's own."""
        return self._stream.errors

    @property
    def buffer(self) -> io.BufferedIOBase:
        """The stream's own; writes to it may fail."""
        return self._stream.buffer  # pyright: ignore[reportReturnType]


def open_standard_streams() -> None:
    """Replaces the standard streams of a command's process by views, even if they are closed.

    Closed descriptors 0 to 2 would be reused for the next files and sockets that are opened, and
    output, from here or a child process, would go into them.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            _open_nowhere(number)
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison] - closed at the start
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if not isinstance(stream, View):
            if stream is None:
                stream = open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, View(stream))


def _open_nowhere(number: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    os.set_inheritable(number, True)
