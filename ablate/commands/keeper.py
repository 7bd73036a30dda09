"""Keeps a training script: starts it, and leaves nothing of it behind. A script of its own.

Between a worker and the script stands this process. It adopts the script's orphans (torchrun's
workers have sessions of their own), so that it can end all of them, and it lives as long as one of
them does: also where the worker was killed. It imports the standard library alone, to be there at
once.

    keeper.py <where the script prints to, for who looks at the processes>

Standard input is the worker: first what to start, as a line with its length and as JSON (one
argument has no room for all of a long command); then `stop` asks in good order, `kill` does not,
and its end means that the worker is gone. Standard output tells the worker: `{"pid": 12}`, then
`{"code": 0, "was_asked": false}`: whether somebody else had asked the whole job to end.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from typing import Any, NoReturn

STRAY_S = 5.0
"""For what a script leaves behind to end by itself."""
LAST_S = 5.0
"""From SIGTERM to SIGKILL once nobody waits any more."""
_POLL_S = 0.1
_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
_ASKED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Keeper:
    """One script, all below it, and the end of both.

    Args:
        asked: `argv`, `folder`, `environment`, `output`, `grace_s`, `niceness`.
    """

    def __init__(self, asked: dict[str, Any]) -> None:
        self._grace_s = float(asked["grace_s"])
        self._ends_at: float | None = None
        self._code: int | None = None
        self._worker_lives = self._is_asked = False
        self._met_at: float | None = None
        self._main = _start(asked)
        signal.signal(signal.SIGTERM, self._meet)
        self._worker_lives = True
        _tell({"pid": self._main})

    def run(self) -> int:
        """Waits until nothing is left; returns the script's exit code."""
        while True:
            self._reap()
            if self._code is not None and not self._left():
                return self._code
            self._end_what_is_due()
            wakes = [sys.stdin] if self._worker_lives else []
            if select.select(wakes, [], [], _POLL_S)[0]:
                self._hear(os.read(0, 4096))

    @property
    def was_asked(self) -> bool:
        """Whether a SIGTERM came shortly before the end: a script may save, and exit with 0."""
        return self._met_at is not None and time.monotonic() - self._met_at < self._grace_s

    def _meet(self, *_: object) -> None:
        self._met_at = time.monotonic()

    def _hear(self, said: bytes) -> None:
        """What the worker asks for; nothing is its end."""
        now = time.monotonic()
        if not said:
            self._worker_lives = False
            self._ends_at = min(self._ends_at or now, now + LAST_S)
        elif b"kill" in said:
            self._ends_at = now
        elif not self._is_asked:
            self._is_asked = True
            self._ends_at = now + self._grace_s
            self._signal(signal.SIGTERM)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                if pid == self._main:
                    self._code = os.waitstatus_to_exitcode(status)
                    stray_until = time.monotonic() + STRAY_S
                    self._ends_at = min(self._ends_at or stray_until, stray_until)

    def _end_what_is_due(self) -> None:
        if self._ends_at is not None and time.monotonic() >= self._ends_at:
            self._signal(signal.SIGKILL)

    def _left(self) -> set[int]:
        """What lives of it: where there is no /proc, nobody but the script itself is known."""
        if os.path.isdir("/proc/self"):
            return _below(os.getpid())
        return {self._main} if self._code is None else set()

    def _signal(self, number: int) -> None:
        for pid in self._left():
            with contextlib.suppress(OSError):
                os.kill(pid, number)
        if not os.path.isdir("/proc/self"):
            with contextlib.suppress(OSError):
                os.killpg(self._main, number)


def _start(asked: dict[str, Any]) -> int:
    """Starts the script in a session of its own; returns its process id."""
    output = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    keeper = os.getpid()

    def in_the_child() -> None:
        if asked.get("niceness") is not None:
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, 0, int(asked["niceness"]))
        _control(_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:
            os._exit(1)

    for number in _ASKED:  # handlers do not outlive an exec, ignored signals would
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    process = subprocess.Popen(
        asked["argv"], cwd=asked["folder"], env=asked["environment"], stdin=subprocess.DEVNULL,
        stdout=output, stderr=output, start_new_session=True, preexec_fn=in_the_child,
    )  # fmt: skip
    os.close(output)
    pid = process.pid
    process.returncode = 0  # it is waited for here, not by `subprocess`
    return pid


def _below(root: int) -> set[int]:
    """All descendants of a process that are no zombies."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (state := _state(int(name))) and state[0] not in "ZX":
            parents[int(name)] = state[1]
    found, edge = set[int](), {root}
    while edge := {pid for pid, parent in parents.items() if parent in edge} - found:
        found |= edge
    return found


def _state(pid: int) -> tuple[str, int] | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            stat = file.read()
    except OSError:
        return None
    state, parent, *_ = stat[stat.rindex(")") + 2 :].split()
    return state, int(parent)


def _control(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):  # elsewhere than on Linux
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _tell(what: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(what).encode() + b"\n")


def _asked() -> dict[str, Any]:
    """What to start, and no byte more: what follows is read as it comes."""
    head, body = b"", b""
    while not head.endswith(b"\n"):
        head += _read(1)
    while len(body) < int(head):
        body += _read(int(head) - len(body))
    return json.loads(body)


def _read(most: int) -> bytes:
    return os.read(0, most) or os._exit(1)  # the worker is gone


def main() -> NoReturn:
    """Lets go of the process that started it, and keeps the script."""
    asked = _asked()
    asked.setdefault("environment", dict(os.environ))
    if os.fork():
        os._exit(0)  # workers of Ray kill their children as they end
    _control(_SET_CHILD_SUBREAPER, 1)
    try:
        keeper = Keeper(asked)
        code = keeper.run()
    except OSError as error:
        _tell({"error": f"{error.strerror}: {error.filename}"})
    except ValueError as error:  # a NUL in an argument
        _tell({"error": f"the command cannot be started: {error}"})
    else:
        _tell({"code": code, "was_asked": keeper.was_asked})
    os._exit(0)


if __name__ == "__main__":
    main()
