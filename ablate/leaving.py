"""The end of a command's process."""

import atexit
import contextlib
import os
import sys
import threading
from typing import NoReturn


def leave(exit_code: int) -> NoReturn:
    """Ends this process, everything said and written, and nothing taken apart.

    Python would look through all that Ray, Tune and Altair have loaded once more and let go of
    it piece by piece; 0.7 s before the prompt, for memory that goes back anyway.
    """
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()  # private, but what Python itself calls there
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # a closed pipe
            stream.flush()
    os._exit(exit_code)
