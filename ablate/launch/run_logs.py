"""Copies what a trial prints to the logs of its runs."""

import contextlib
import os
import sys
import traceback
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

from ablate.study_dir import naming
from ablate.text import encodable, message_of


@contextlib.contextmanager
def printed_to(logs: Sequence[Path], encoding: str) -> Generator[None]:
    """Copies both standard streams to files, for as long as the block lasts.

    Args:
        logs: The files, which are appended to.
        encoding: That of the driver's files: what is raised within is made to fit.
    """
    with contextlib.ExitStack() as stack:
        files: list[TextIO] = []
        for log in logs:
            log.parent.mkdir(exist_ok=True)
            files.append(stack.enter_context(log.open("a", 1, "utf-8", "backslashreplace")))
        stack.enter_context(contextlib.redirect_stdout(_Tee(sys.stdout, files)))
        stack.enter_context(contextlib.redirect_stderr(_Tee(sys.stderr, files)))
        failed: Exception | None = None
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised again below
            failed = _tellable(error, encoding)
        except SystemExit as error:
            if _is_of_ray(error):
                raise
            failed = _tellable(_left(error), encoding)
        if failed is not None:
            raise failed


class _Tee:
    """Writes to a stream and to files."""

    def __init__(self, stream: TextIO | None, files: list[TextIO]) -> None:
        self._stream = stream
        self._files = files

    def write(self, text: str) -> int:
        for file in self._files:
            if not file.closed:  # a logger may keep the stream longer than the capture lasts
                with naming(Path(file.name)):
                    file.write(text)
        if self._stream is not None:  # standard output may be closed
            self._stream.write(encodable(text, self._stream.encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if self._stream is not None:
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _is_of_ray(error: SystemExit) -> bool:
    """Whether Ray ends its worker so: where a signal asks for it."""
    raised_in = traceback.extract_tb(error.__traceback__)[-1].filename
    return f"{os.sep}ray{os.sep}_private{os.sep}" in raised_in


def _left(error: SystemExit) -> Exception:
    """A run's own `sys.exit` as an exception: it would end the process, and other runs with it."""
    told = RuntimeError(f"sys.exit({'' if error.code is None else repr(error.code)}) was called")
    return told.with_traceback(error.__traceback__)


def _tellable(error: BaseException, encoding: str) -> Any:
    """An exception that Ray and Tune can write to their files: the same one, if they can.

    Args:
        error: What was raised. File names that are not UTF-8 contain lone surrogates.
        encoding: That of the driver's files.
    """
    trace = "".join(traceback.format_exception(error))
    if encodable(trace, encoding) == trace:
        return error
    kind = type(type(error).__name__, (RuntimeError,), {"__module__": type(error).__module__})
    replacement = kind(encodable(message_of(error), encoding))
    for note in getattr(error, "__notes__", ()):
        replacement.add_note(encodable(note, encoding))
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    replacement.__cause__ = earlier and _tellable(
        earlier, encoding
    )  # hides what is handled meanwhile
    return replacement.with_traceback(error.__traceback__)
