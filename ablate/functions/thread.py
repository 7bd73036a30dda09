"""A function that trains, in a thread that waits wherever it reports until that was taken."""

import contextlib
import ctypes
import inspect
import queue
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LOOK_S = 1.0
"""Between looks at whether the wait for a result is to go on."""
_SOON_S = 0.5
"""For a function to end that waits at a report."""


@dataclass(frozen=True)
class Reported:
    """What a function reported: a result, and the checkpoint that belongs to it.

    Attributes:
        metrics: As reported.
        checkpoint: Of whatever type the caller of `report` passed.
        is_last: Whether the function has returned it, and so ended.
    """

    metrics: Mapping[str, Any]
    checkpoint: Any = None
    is_last: bool = False


@dataclass(frozen=True)
class Ended:
    """The function has ended, and has told all its results before."""


class Stopped(BaseException):
    """Ends a function whose run is over; no `except Exception` of its own catches it."""


class FunctionThread:
    """Runs a function in a thread of its own, from one report to the next.

    Args:
        call: The function, with its arguments.
        name: The function's, for messages.
        is_resumed: Whether it goes on from a checkpoint, and so may have nothing left to do.
    """

    def __init__(self, call: Callable[[], Any], name: str, is_resumed: bool = False) -> None:
        self._call = call
        self._name = name
        self._is_resumed = is_resumed
        self._found: queue.Queue[Reported | Ended | BaseException] = queue.Queue(1)
        self._go_on = threading.Semaphore(0)
        self._is_over = False
        self._num_reports = 0
        self._strangers: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        self._thread = threading.Thread(target=self._run, name=f"ablate: {name}", daemon=True)

    def next(self, check: Callable[[], None] = lambda: None) -> Reported | Ended:
        """Lets the function go on until its next report, or its end.

        Args:
            check: Called now and then meanwhile; may raise.

        Raises:
            BaseException: What the function raised, with its own traceback.
        """
        if self._thread.ident is None:
            # Those of runs before, which they left behind: what they report is nobody's.
            self._strangers.update(threading.enumerate())
            self._thread.start()
        else:
            self._go_on.release()
        while True:
            with contextlib.suppress(queue.Empty):
                found = self._found.get(timeout=LOOK_S)
                break
            check()
        if isinstance(found, BaseException):
            raise found
        return found

    def report(self, metrics: Any, checkpoint: Any = None) -> None:
        """What the function calls with a result; returns once it was taken and saved.

        Raises:
            TypeError: If it is no dict of metrics.
            Stopped: If the run is over.
        """
        if self._is_over or threading.current_thread() in self._strangers:
            raise Stopped("what is reported after its run is nobody's")
        self._tell(Reported(self._checked(metrics, "reported"), checkpoint))

    def end(self, wait_s: float) -> bool:
        """Ends the function, wherever it is; returns whether it has ended.

        Args:
            wait_s: How long to wait for it. It may be in code that does not come back.
        """
        if self._thread.ident is None:
            return True
        self._is_over = True
        self._go_on.release()
        self._thread.join(min(_SOON_S, wait_s))
        if self._thread.is_alive():
            _raise_in(self._thread, Stopped)
            self._thread.join(wait_s)
        return not self._thread.is_alive()

    def where(self) -> str:
        """Where the function is now, as the stack of its thread."""
        return stack_of(self._thread)

    def _run(self) -> None:
        try:
            end = self._trained()
        except Stopped as error:  # not over: it waited for a thread that is none of its own
            end = self._told(error)
        except SystemExit as error:
            end = Ended() if error.code in (None, 0) else self._told(error)
        except Exception as error:  # noqa: BLE001 - raised again where results are taken
            end = error
        except BaseException as error:  # noqa: BLE001 - as above; a KeyboardInterrupt of its own
            end = self._told(error)
        if not self._is_over:
            self._found.put(end)

    def _told(self, error: BaseException) -> Exception:
        """What is no `Exception`, and so would end more than the run, as one."""
        told = RuntimeError(f"{self._name} raised {type(error).__name__}({error})")
        return told.with_traceback(error.__traceback__)

    def _trained(self) -> Reported | Ended:
        returned = self._call()
        if inspect.isgenerator(returned):
            with contextlib.closing(returned):
                self._take_all(returned)
            return Ended()
        if returned is None:
            self._refuse_silence()
            return Ended()
        return Reported(self._checked(returned, "returned"), is_last=True)

    def _take_all(self, results: Generator[Any, Any, Any]) -> None:
        for metrics in _with_returned(results):
            self._tell(Reported(self._checked(metrics, "yielded")))
        self._refuse_silence()

    def _tell(self, result: Reported) -> None:
        self._num_reports += 1
        self._found.put(result)
        self._go_on.acquire()
        if self._is_over:
            raise Stopped

    def _checked(self, metrics: Any, how: str) -> Mapping[str, Any]:
        if isinstance(metrics, Mapping):
            return dict(metrics)
        raise TypeError(
            f"{self._name} {how} {_a(metrics)}, not a dict of metrics such as {{'acc': 0.9}}"
        )

    def _refuse_silence(self) -> None:
        """A function that told nothing has most likely lost what it measured."""
        if not self._num_reports and not self._is_resumed:
            raise TypeError(
                f"{self._name} has ended without a result: return a dict of metrics, yield dicts, "
                "or call ray.tune.report"
            )


def _with_returned(results: Generator[Any, Any, Any]) -> Iterator[Any]:
    """What a generator yields, and what it returns at the end, if anything."""
    returned = yield from results
    if returned is not None:
        yield returned


def stack_of(thread: threading.Thread) -> str:
    """Where a thread is now."""
    frame = sys._current_frames().get(thread.ident or 0)
    return "" if frame is None else "".join(traceback.format_stack(frame))


def _raise_in(thread: threading.Thread, error: type[BaseException]) -> None:
    """Raises in a thread, at its next step of Python code."""
    raised = ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), raised)


def _a(value: Any) -> str:
    if value is None:
        return "None"
    kind = type(value).__name__
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"
