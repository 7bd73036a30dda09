"""Processes that a test starts, and that end with it at the latest."""

import contextlib
import subprocess

import psutil

_STARTED = []


def start(command, **options):
    """As `subprocess.Popen`; the test's end kills what is left, with all below it."""
    _STARTED.append(subprocess.Popen(command, **options))
    return _STARTED[-1]


def end_what_is_left():
    """Kills what tests have started and not ended: else it holds a cluster's CPUs, say."""
    while _STARTED:
        process = _STARTED.pop()
        if process.poll() is None:
            for one in [*psutil.Process(process.pid).children(recursive=True), process]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
        with process:  # closes its pipes
            pass
