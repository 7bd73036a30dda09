"""Why a script ended, and whether another attempt can help."""

import re
import signal
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ablate.commands.child import Exit
from ablate.commands.printed import of_rank
from ablate.events import Failure
from ablate.losses import Loss

STALLED = "Stalled"
"""The kind of failure of a run that neither printed nor measured anything for too long."""
TIME_LIMIT = "TimeLimit"
NOTHING_READ = "NothingRead"
"""Its script ended well, and `read` has found nothing."""
SHOWN_LINES = 200
_TRACEBACK = "Traceback (most recent call last):"
_UNCAUGHT = re.compile(r"\[rank\d+\]:\s*Traceback \(most recent")
_LAUNCHERS = frozenset({"ChildFailedError", "SignalException", "CalledProcessError"})
"""Exceptions of those who start a script's processes: the cause is one of these."""
_SHELL = 128
"""A shell's exit code of a program that a signal ended is this and the signal's number."""
_ROOT_CAUSE = "Root Cause (first observed failure):"
"""Before what torchrun says of the process that failed first."""
_BY_SIGNAL = re.compile(r"exitcode *: *-(\d+)|SignalException: Process \d+ got signal: (\d+)")
_OF_MACHINES = re.compile(
    r"\bNCCL\b|\bnccl\w*Error|uncorrectable ECC|\bECC error|\bXid\b"
    r"|Connection (?:reset|refused|aborted|timed out|closed)|\bConnection\w*Error\b"
    r"|BrokenPipeError|Broken pipe|RemoteDisconnected|Socket Timeout|TCPStore|Temporary failure in"
    r"|Transport endpoint|Stale file handle|Input/output error|Device or resource busy"
    r"|Network is unreachable|No route to host|DistBackendError|DistNetworkError|Gloo connect",
    re.IGNORECASE,
)
_OF_CUDA = re.compile(r"CUDA (?:driver )?error|cudaError|CUBLAS_STATUS|CUDNN_STATUS|CUDNN_BACKEND")
_OF_ITSELF = re.compile(
    r"out of memory|device-side assert|invalid device ordinal|no kernel image|not compiled with"
    r"|invalid device function|invalid configuration argument|NOT_SUPPORTED",
    re.IGNORECASE,
)
"""Errors of CUDA that come again."""
_CRASHES = frozenset({signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS})
"""Also how a process ends that tears down its threads and connections after an exception."""
_OF_CRASHES = re.compile(
    r"terminate called|\s|Fatal Python error|\[[WEF]\d|Aborted|Segmentation fault|Bus error"
    r"|free\(\)|double free|malloc|corrupted|\(core dumped\)"
)
"""What C++ and the C library print of one."""
_MET_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1,
                          signal.SIGUSR2, signal.SIGXCPU})  # fmt: skip
"""Sent by who wants a process gone: a batch system that needs its node, say."""


class Cause(StrEnum):
    """What ended a script."""

    ITSELF = "itself"
    SIGNAL = "signal"
    MACHINE = "machine"
    PREEMPTION = "preemption"
    LIMIT = "limit"
    """It was ended by us: nothing can help."""


@dataclass(frozen=True)
class Ending:
    """A bad end.

    Attributes:
        kind: An exception's name, or a word of ours.
        message: What it says.
        trace: The last of what was printed.
        cause: What ended it.
    """

    kind: str
    message: str
    trace: str = ""
    cause: Cause = Cause.ITSELF

    @property
    def failure(self) -> Failure:
        """As the ledger has it."""
        is_lost = self.cause in (Cause.MACHINE, Cause.PREEMPTION)
        lost_to = Loss.INFRASTRUCTURE if is_lost else Loss.of_kind(self.kind)
        return Failure(self.kind, self.message, self.trace, lost_to)

    def dump(self) -> dict[str, Any]:
        """The fields of a `Failure`."""
        return asdict(self.failure)


class ScriptFailedError(Exception):
    """A script failed, and another attempt may help.

    Its subclasses bear the names of what failed, so that the ledger tells them.
    """

    @classmethod
    def of(cls, ending: Ending) -> "ScriptFailedError":
        """An ending as an exception of its own kind."""
        bases = (cls, ConnectionError) if ending.failure.lost_to is Loss.INFRASTRUCTURE else (cls,)
        name = re.sub(r"\W", "_", ending.kind) or "ScriptFailed"
        error = type(name, bases, {"__module__": cls.__module__})(ending.message)
        error.add_note(f"the last that the script printed:\n{ending.trace}")
        return error

    def __reduce__(self) -> Any:
        # Its class is made here: whoever unpickles it makes it again.
        return _again, (type(self).__name__, str(self), isinstance(self, ConnectionError),
                        list(getattr(self, "__notes__", ())))  # fmt: skip


def _again(kind: str, message: str, lost: bool, notes: Sequence[str]) -> ScriptFailedError:
    bases = (ScriptFailedError, ConnectionError) if lost else (ScriptFailedError,)
    error = type(kind, bases, {"__module__": __name__})(message)
    for note in notes:
        error.add_note(note)
    return error


def ending_of(ended: Exit, printed: Sequence[str]) -> Ending:
    """Why a script ended badly.

    Args:
        ended: How.
        printed: The last lines that it printed.
    """
    lines = [text for _, text in map(of_rank, printed)]
    trace = "\n".join(lines[-SHOWN_LINES:])
    if ended.error:
        return Ending("CommandNotFound", ended.error, trace)
    number = signal.SIGTERM if ended.was_asked else _signal_in(ended.code, trace)
    if number is not None and not _crashed_on_its_way_out(number, printed):
        # A number that this system does not know is one all the same.
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        cause = Cause.PREEMPTION if number in _MET_SIGNALS else Cause.SIGNAL
        killed = "; the kernel does so where memory is short" if number == signal.SIGKILL else ""
        return Ending(name, f"the script was ended by {name}{killed}", trace, cause)
    block = root_traceback(printed)
    if block:
        failure = Failure.of_trace("\n".join(block))
        kind, message = failure.kind, failure.message
        told = "\n".join(_below_frames(block))
    else:
        last = lines[-1] if lines else "it printed nothing"
        kind, message, told = "ExitCode", f"exit code {ended.code}: {last}", "\n".join(lines[-20:])
    return Ending(kind, message, trace, _cause_in(told))


def root_traceback(printed: Sequence[str]) -> list[str]:
    """The traceback that ended a script: of several processes, that of the one that failed first.

    Args:
        printed: Lines, which may begin with the process that printed them.
    """
    blocks: list[tuple[int | None, list[str]]] = []
    unfinished: dict[int | None, list[str]] = {}
    for rank, text in map(of_rank, printed):
        if text.strip() == _TRACEBACK:
            unfinished[rank] = [text.strip()]
            blocks.append((rank, unfinished[rank]))
        elif rank in unfinished:
            unfinished[rank].append(text)
            if text.strip() and not text.startswith(" "):
                del unfinished[rank]
    own = [(rank, block) for rank, block in blocks if _kind_of(block) not in _LAUNCHERS]
    own = [one for one in own if one[0] is not None] or own
    if not own:
        return blocks[-1][1] if blocks else []
    last = {rank: at for at, (rank, _) in enumerate(own)}  # earlier ones were caught
    return own[min(last.values())][1]


def _crashed_on_its_way_out(number: int, printed: Sequence[str]) -> bool:
    """Whether an exception had ended a process, which a signal then met amid its teardown.

    Torch marks what nobody caught with the rank. Without a mark nothing but the crash may follow.
    """
    block = root_traceback(printed)
    if number not in _CRASHES or not block or _cause_in_block(block) is not Cause.ITSELF:
        return False
    if any(map(_UNCAUGHT.search, printed)):
        return True
    lines = [text for _, text in map(of_rank, printed)]
    after = lines[len(lines) - lines[::-1].index(block[-1]) :]
    return all(not line or _OF_CRASHES.match(line) for line in after)


def _kind_of(block: Sequence[str]) -> str:
    return Failure.of_trace("\n".join(block)).kind


def _below_frames(block: Sequence[str]) -> list[str]:
    return [line for line in block[1:] if not line.startswith("  ")]


def _signal_in(code: int, trace: str) -> int | None:
    if code < 0:
        return -code
    if _SHELL < code <= _SHELL + 64:
        return code - _SHELL
    found = _BY_SIGNAL.search(trace.rpartition(_ROOT_CAUSE)[2])
    return int(found[1] or found[2]) if found else None


def _cause_in_block(block: Sequence[str]) -> Cause:
    return _cause_in("\n".join(_below_frames(block)))


def _cause_in(told: str) -> Cause:
    if _OF_ITSELF.search(told):
        return Cause.ITSELF
    is_machine = _OF_MACHINES.search(told) or _OF_CUDA.search(told)
    return Cause.MACHINE if is_machine else Cause.ITSELF
