"""A training script as a child process, as the worker sees it."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ablate.commands import keeper

TOKEN = "ABLATE_ATTEMPT"
"""The variable by which every process of an attempt is known, whoever its parent is."""
_LATE_S = 30.0
"""Beyond its grace time, for the end of an earlier attempt."""


@dataclass(frozen=True)
class Exit:
    """How a child ended.

    Attributes:
        code: Its exit code; of a signal its number, negative.
        error: Why it could not be started.
        was_asked: Whether its machine's job was just being ended, by somebody else: whatever the
            code, it may not have been through.
    """

    code: int
    error: str = ""
    was_asked: bool = False


class StillRunningError(RuntimeError):
    """An earlier attempt at the same run has not ended."""


class Place:
    """The right to start a run's script: one at a time, on whatever machine the attempts are.

    Args:
        file: Locked for as long as anything of an attempt lives.
        patience_s: How long an earlier attempt may take to end.
    """

    def __init__(self, file: Path, patience_s: float) -> None:
        self.descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        deadline = time.monotonic() + patience_s + _LATE_S
        while not self._locked():
            if time.monotonic() > deadline:
                os.close(self.descriptor)
                raise StillRunningError("an earlier attempt at this run has not ended")
            time.sleep(0.05)

    def close(self) -> None:
        """Leaves it to the keeper alone."""
        os.close(self.descriptor)

    def _locked(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # a file system without locks
        return True


class Child:
    """A started script.

    Args:
        argv: What to start.
        folder: Where.
        environment: All of its variables.
        output: The file that takes what it prints.
        grace_s: From SIGTERM to SIGKILL.
        place: The right to start it, see `Place`.
        niceness: What to try to set; None leaves it.
    """

    def __init__(
        self,
        argv: Sequence[str],
        folder: str,
        environment: Mapping[str, str],
        output: Path,
        grace_s: float,
        place: Place,
        niceness: int | None = None,
    ) -> None:
        self._token = environment.get(TOKEN, "")
        self._exit: Exit | None = None
        self._told = b""
        asked = {
            "argv": list(argv), "folder": folder, "output": str(output), "grace_s": grace_s,
            "niceness": niceness,
        }  # fmt: skip
        try:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__, str(output)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env=dict(environment), start_new_session=True, pass_fds=(place.descriptor,),
            )  # fmt: skip
        finally:
            place.close()  # the keeper has it; or nobody, where it could not be started
        told = json.dumps(asked).encode()
        self._say(b"%d\n%b" % (len(told), told))
        self._keeper.wait()
        assert self._keeper.stdout is not None
        self._answers = self._keeper.stdout.fileno()
        os.set_blocking(self._answers, False)

    def poll(self) -> Exit | None:
        """How it ended, once nothing of it is left."""
        while self._exit is None:
            try:
                told = os.read(self._answers, 65536)
            except BlockingIOError:
                break
            self._told += told
            *lines, self._told = self._told.split(b"\n")
            for line in lines:
                self._hear(json.loads(line))
            if not told and self._exit is None:
                _kill_all(self._token)
                self._exit = Exit(-signal.SIGKILL)
        return self._exit

    def _hear(self, told: Mapping[str, object]) -> None:
        if "error" in told:
            self._exit = Exit(127, str(told["error"]))
        elif "code" in told:
            self._exit = Exit(int(str(told["code"])), was_asked=told.get("was_asked") is True)

    def stop(self) -> None:
        """Ends it in good order: SIGTERM, its grace time, SIGKILL; returns when it is gone."""
        self._say(b"stop\n")
        self.wait()

    def kill(self) -> None:
        """Ends it at once."""
        self._say(b"kill\n")
        self.wait()

    def wait(self, until: Callable[[], bool] = lambda: False) -> None:
        """Until it has ended, or something holds."""
        while self.poll() is None and not until():
            time.sleep(0.02)

    def close(self) -> None:
        """Lets go of it: a keeper that is still there ends it."""
        for stream in (self._keeper.stdin, self._keeper.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _say(self, what: bytes) -> None:
        assert self._keeper.stdin is not None
        with contextlib.suppress(OSError):  # it has ended meanwhile
            self._keeper.stdin.write(what)
            self._keeper.stdin.flush()


def _kill_all(token: str) -> None:
    """Kills what an attempt has left, where its keeper was killed itself."""
    mark = f"{TOKEN}={token}".encode()
    for entry in Path("/proc").glob("[0-9]*") if token else ():
        with contextlib.suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
