"""The live view of a study in a terminal, or plain lines where there is no terminal."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from ablate.events import (
    Event,
    Failure,
    RunEnded,
    RunHalted,
    RunMoved,
    RunReported,
    RunRetried,
    RunStarted,
)
from ablate.numbers import clock
from ablate.process.screen import Text
from ablate.run_row import Status
from ablate.text import first_line

PLAIN_EVERY_S = 10.0
"""Time between plain progress lines."""
ROWS_SHOWN = 16


@dataclass
class _Running:
    name: str
    since: float
    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    value: str = ""


class Progress:
    """Counts runs and shows those in progress.

    Args:
        names: Run names by id, of the runs to be done.
        watched: Metrics to show of a running run: the first of these that it reports.
        console: Where to print.
        live: Whether to redraw in place, where the console is a terminal.
    """

    def __init__(
        self,
        names: Mapping[str, str],
        watched: tuple[str, ...],
        console: Console,
        live: bool = True,
    ) -> None:
        self._names = names
        self._watched = watched
        self._console = console
        self._is_live = live and console.is_terminal
        self._running: dict[str, _Running] = {}
        self._printed_notices: set[str] = set()
        self._ended = Counter[Status]()
        self._start = self._printed_at = time.monotonic()
        self._first_start: float | None = None
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._is_live:
            self._live = Live(
                get_renderable=self._render, console=self._console, refresh_per_second=4,
                transient=True,
            )  # fmt: skip
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, message: str) -> None:
        """Prints a line that stays above the live view."""
        self._console.print(Text(message), soft_wrap=True)

    def on_event(self, event: Event) -> None:
        """Updates the counts and the view."""
        if event.run_id not in self._names:
            return
        name = self._names[event.run_id]
        match event:
            case RunStarted(run_id):
                self._first_start = self._first_start or time.monotonic()
                self._running.setdefault(run_id, _Running(name, time.monotonic()))
            case RunReported():
                self._report(event)
            case RunRetried(_, failure):
                self.say(f"{name}: crashed ({_cause(failure)}), retrying")
            case RunMoved():
                self.say(f"{name}: lost its node, goes on elsewhere")
            case RunEnded():
                self._end(event, name)
            case RunHalted():
                pass  # reported once, for the whole study

    def tick(self) -> None:
        """Prints a plain progress line when one is due."""
        if self._live is None and time.monotonic() - self._printed_at >= PLAIN_EVERY_S:
            self._printed_at = time.monotonic()
            runs = ", ".join(f"{r.name} epoch {r.epoch}" for r in list(self._running.values())[:4])
            self.say(f"{self._headline()}  {runs}")

    def _report(self, event: RunReported) -> None:
        running = self._running.setdefault(
            event.run_id, _Running(self._names[event.run_id], time.monotonic())
        )
        running.epoch = event.facts.get("epoch", running.epoch)
        running.step = event.facts.get("step", running.step)
        running.seconds = event.facts.get("seconds", running.seconds)
        for _, metrics in event.points:
            name = next((name for name in self._watched if name in metrics), None)
            if name is not None:
                running.value = f"{name} {metrics[name]:.4g}"
        for warning in event.warnings:
            self.say(f"{running.name}: {warning}")
        for notice in event.notices:
            if notice not in self._printed_notices:  # once for all runs: they share their code
                self._printed_notices.add(notice)
                self.say(f"{running.name}: {notice}")

    def _end(self, event: RunEnded, name: str) -> None:
        running = self._running.pop(event.run_id, None)
        self._ended[event.status] += 1
        seconds = running.seconds if running else 0.0
        is_ok = event.status is Status.OK
        words = f"{event.status} ({event.stop_reason})" if is_ok else event.status.value
        detail = f"{running.value}  " if running and running.value else ""
        if event.failure:
            detail = f"{_cause(event.failure)}  "
        self.say(f"[{self._done}/{len(self._names)}] {name}: {words}  {detail}{seconds:.1f} s")

    @property
    def _done(self) -> int:
        return self._ended.total()

    def _headline(self) -> str:
        bad = self._done - self._ended[Status.OK]
        parts = [f"{self._done}/{len(self._names)} done", f"{len(self._running)} running"]
        parts += [f"{bad} failed"] if bad else []
        elapsed = time.monotonic() - self._start
        parts.append(f"{clock(elapsed)} elapsed")
        if self._done and self._first_start is not None:
            remaining_s = (
                (time.monotonic() - self._first_start)
                / self._done
                * (len(self._names) - self._done)
            )
            parts.append(f"about {clock(remaining_s)} left")
        return ", ".join(parts)

    def _render(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for title in ("running", "epoch", "step", "metric", "trained"):
            table.add_column(title, justify="right" if title in ("epoch", "step") else "left")
        for running in list(self._running.values())[:ROWS_SHOWN]:
            table.add_row(
                Text(running.name), str(running.epoch), str(running.step), Text(running.value),
                clock(running.seconds),
            )  # fmt: skip
        bar = ProgressBar(total=max(1, len(self._names)), completed=self._done, width=40)
        return Group(Text(self._headline()), bar, table)


def _cause(failure: Failure) -> str:
    return first_line(f"{failure.kind}: {failure.message}")
