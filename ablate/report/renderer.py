"""The report's end of the process that draws its figures, see `ablate.report.figures`."""

import base64
import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from ablate.process.interrupts import unheard_by_children

COMMAND = (sys.executable, "-m", "ablate.report.figures")
TIME_LIMIT_S = 120.0
"""For one figure."""
MAX_DEATHS = 3
"""In a row, after which nothing more is asked of the renderer: it cannot work here."""


class NotDrawnError(Exception):
    """A figure that could not be drawn; says why."""


@dataclass(frozen=True)
class Drawing:
    """A drawn chart."""

    svg: str
    pdf: bytes


class Renderer:
    """Draws charts in a process that may die of them; it is then started again."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._deaths = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def start(self) -> None:
        """Starts the process, where it does not run yet: it takes a second to be ready."""
        with self._lock, contextlib.suppress(NotDrawnError):
            self._running()

    def close(self) -> None:
        """Ends the process, also in the middle of a figure: somebody interrupted it."""
        if self._process is not None:
            self._process.kill()
        with self._lock:
            self._end()

    def draw(self, spec: Mapping[str, Any]) -> Drawing:
        """Draws a chart.

        Raises:
            NotDrawnError: Where it cannot be drawn.
        """
        drawn = self._ask({"spec": spec})
        return Drawing(drawn["svg"], base64.b64decode(drawn["pdf"]))

    def draw_inline(self, spec: Mapping[str, Any]) -> str:
        """Draws a chart as SVG whose colours are variables of the page around it.

        Raises:
            NotDrawnError: Where it cannot be drawn.
        """
        return self._ask({"spec": spec, "is_inline": True})["svg"]

    def bundle(self, script: str) -> str:
        """A script and Vega in one.

        Raises:
            NotDrawnError: Where they cannot be put together.
        """
        return self._ask({"script": script})["bundle"]

    def _ask(self, request: Mapping[str, Any]) -> dict[str, str]:
        from ablate.report.charts.encoding import VEGA_LITE  # of Altair, which takes a second

        with self._lock:
            process = self._running()
            line, is_late = _exchange(process, json.dumps({**request, "vega_lite": VEGA_LITE}))
            if not line:
                self._deaths += 1
                code = self._end()
                raise NotDrawnError(
                    f"it took more than {TIME_LIMIT_S:g} s" if is_late else _death(code)
                )
            self._deaths = 0
        answer = json.loads(line)
        if "error" in answer:
            raise NotDrawnError(answer["error"])
        return answer

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is None:
            if self._deaths >= MAX_DEATHS:
                raise NotDrawnError(f"the renderer crashed {self._deaths} times in a row")
            try:
                with unheard_by_children():  # a batch system signals every process of the job
                    self._process = subprocess.Popen(
                        COMMAND,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,  # it dumps its stack where it dies
                        encoding="utf-8",
                        start_new_session=True,  # Ctrl-C in the terminal is not for it
                    )
            except OSError as error:
                raise NotDrawnError(f"the renderer cannot be started: {error}") from error
        return self._process

    def _end(self) -> int:
        """Ends the process where it runs; its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):  # what is still in its buffer has no reader
            process.stdin.close()
        process.stdout.close()
        return process.wait()


def _exchange(process: "subprocess.Popen[str]", request: str) -> tuple[str, bool]:
    """A request's answer, empty where the process dies of it, and whether that was for time."""
    assert process.stdin is not None
    assert process.stdout is not None
    late = threading.Event()

    def kill() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(TIME_LIMIT_S, kill)
    timer.start()
    try:
        process.stdin.write(request + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    except OSError:  # it died before it had read it all
        line = ""
    finally:
        timer.cancel()
    return line, late.is_set()


def _death(code: int) -> str:
    if code < 0:
        return f"the renderer crashed ({signal.Signals(-code).name})"
    return f"the renderer ended with exit code {code}"
