"""The boundary of a command: streams, signals, and errors without a traceback."""

import contextlib
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from rich.console import Console

from ablate.errors import CLUSTER_GONE, INTERRUPTED, AblateError, file_of, reason_of
from ablate.process.account import settle_in
from ablate.process.interrupts import Interrupts, interrupts
from ablate.process.screen import Text, standard_output
from ablate.process.streams import open_standard_streams
from ablate.text import tolerate_all_text


def guarded(command: Callable[[Console], int]) -> int:
    """Runs a command; the user's mistakes are printed without a traceback.

    Returns:
        The command's exit code, or that of what ended it.
    """
    tolerate_all_text()
    open_standard_streams()
    with interrupts() as watched:
        watched.end_at_once = lambda: _end_at_once(watched)
        exit_code = _exit_code(command)
        if watched.cluster_lost:
            _leave_at_once(exit_code)
        return exit_code


def _exit_code(command: Callable[[Console], int]) -> int:
    try:
        settle_in()
        return command(standard_output())
    except AblateError as error:
        return _told(str(error), error.exit_code)
    except OSError as error:
        named = ": ".join(filter(None, [file_of(error), reason_of(error)]))
        return _told(named, AblateError.exit_code)
    except KeyboardInterrupt:
        Console(stderr=True).print(Text("interrupted; the same command starts again"))
        return INTERRUPTED


def ending_text(watched: Interrupts) -> str:
    """What happened, and the command that resumes the study."""
    happened = f"the cluster at {watched.gone} is gone" if watched.gone else "interrupted"
    if watched.resume_hint is None:
        return happened
    way = "the state is saved. Resume with" if watched.has_begun else "start again with"
    return f"{happened}; {way}:\n  {watched.resume_hint()}"


def _told(message: str, exit_code: int) -> int:
    Console(stderr=True).print(Text(f"error: {message}"), soft_wrap=True)
    return exit_code


def _leave_at_once(exit_code: int) -> NoReturn:
    """Ends the process without exit handlers: Ray's would hang."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # a closed pipe
            stream.flush()
    os._exit(exit_code)


def _end_at_once(watched: Interrupts) -> NoReturn:
    """Ends the process at once, whatever it is doing, after a last message."""
    with contextlib.suppress(OSError):
        os.write(1, f"\n{ending_text(watched)}\n".encode())
    os._exit(CLUSTER_GONE if watched.gone else INTERRUPTED)
