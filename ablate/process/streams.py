"""The terminal as a view: where it goes away, what is said is lost and nothing else.

A closed pipe, a dead connection, a full disk behind `> log`: the study goes on, and its exit code
is its own.
"""

import contextlib
import io
import os
import sys
from typing import Any, TextIO


class View(io.TextIOBase):
    """A stream whose writes never fail.

    Args:
        stream: What it writes to for as long as somebody is there.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes what can be written."""
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            self.write(text.encode(self.encoding, "backslashreplace").decode(self.encoding))
        except (OSError, ValueError):  # gone, or closed by somebody
            pass
        return len(text)

    def flush(self) -> None:
        """Flushes, where there is somebody to flush to."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def writable(self) -> bool:
        """Always, also where nothing arrives."""
        return True

    def isatty(self) -> bool:
        """Whether a terminal is there."""
        with contextlib.suppress(OSError, ValueError):
            return self._stream.isatty()
        return False

    def fileno(self) -> int:
        """The stream's own."""
        return self._stream.fileno()

    def __getattr__(self, name: str) -> Any:
        """What else the stream has: its name, say, or `reconfigure`."""
        if name == "_stream":  # of a view that is not made yet
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
        """The stream's own: what is written there may fail."""
        return self._stream.buffer  # pyright: ignore[reportReturnType]


def open_standard_streams() -> None:
    """Makes the standard streams of a command's process views, also where they are closed.

    Descriptors 0 to 2 that are closed would be given to the next files and sockets that anybody
    opens, and what is printed, here or by a child, would go into them.
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
