"""The live view of a study in a terminal, or plain lines where there is no terminal."""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
    values: dict[str, float] = field(default_factory=dict)
    """The latest of each watched metric."""


class Progress:
    """Counts runs and shows those in progress.

    Args:
        names: Run names by id, of the runs to be done.
        watched: Metrics to show of a running run, the study's first: the first that it reports.
        console: Where to print.
        live: Whether to redraw in place, where the console is a terminal.
        before: How many runs of the same plan had ended before, by status: they are counted, too.
        result: The study's metric of a run that has ended, as tables have it; nan without one.
    """

    def __init__(
        self,
        names: Mapping[str, str],
        watched: tuple[str, ...],
        console: Console,
        live: bool = True,
        before: Counter[Status] | None = None,
        result: Callable[[str], float] = lambda run_id: math.nan,
    ) -> None:
        self._names = names
        self._watched = watched
        self._result = result
        self._console = console
        self._is_live = live and console.is_terminal
        self._running: dict[str, _Running] = {}
        self._printed_notices: set[str] = set()
        self._ended = Counter(before or {})
        self._num_before = self._done
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
            runs = ", ".join(map(self._line, list(self._running.values())[:4]))
            self.say(f"{self._headline()}  {runs}")

    def _report(self, event: RunReported) -> None:
        running = self._running.setdefault(
            event.run_id, _Running(self._names[event.run_id], time.monotonic())
        )
        running.epoch = event.facts.get("epoch", running.epoch)
        running.step = event.facts.get("step", running.step)
        running.seconds = event.facts.get("seconds", running.seconds)
        for _, metrics in event.points:
            running.values |= {name: metrics[name] for name in self._watched if name in metrics}
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
        values = dict(running.values) if running else {}
        result = self._result(event.run_id)
        if not math.isnan(result):
            values[self._watched[0]] = result
        detail = _cause(event.failure) if event.failure else self._shown(values)
        told = "  ".join(filter(None, [words, detail, f"{seconds:.1f} s"]))
        self.say(f"[{self._done}/{self._planned}] {name}: {told}")

    def _line(self, running: _Running) -> str:
        """`icfm-s1 epoch 3 (fid 12.1)`."""
        value = self._shown(running.values)
        return f"{running.name} epoch {running.epoch}" + f" ({value})" * bool(value)

    def _shown(self, values: Mapping[str, float]) -> str:
        """The first watched metric of which there is a value, with its name."""
        name = next((name for name in self._watched if name in values), None)
        return "" if name is None else f"{name} {values[name]:.4g}"

    @property
    def _done(self) -> int:
        return self._ended.total()

    @property
    def _planned(self) -> int:
        return self._num_before + len(self._names)

    def _headline(self) -> str:
        bad = self._done - self._ended[Status.OK]
        parts = [f"{self._done}/{self._planned} done", f"{len(self._running)} running"]
        parts += [f"{bad} failed"] if bad else []
        elapsed = time.monotonic() - self._start
        parts.append(f"{clock(elapsed)} elapsed")
        num_now = self._done - self._num_before
        if num_now and self._first_start is not None:
            run_s = (time.monotonic() - self._first_start) / num_now
            parts.append(f"about {clock(run_s * (self._planned - self._done))} left")
        return ", ".join(parts)

    def _render(self) -> RenderableType:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for title in ("running", "epoch", "step", "metric", "trained"):
            table.add_column(title, justify="right" if title in ("epoch", "step") else "left")
        for running in list(self._running.values())[:ROWS_SHOWN]:
            table.add_row(
                Text(running.name), str(running.epoch), str(running.step),
                Text(self._shown(running.values)), clock(running.seconds),
            )  # fmt: skip
        bar = ProgressBar(total=max(1, self._planned), completed=self._done, width=40)
        return Group(Text(self._headline()), bar, table)


def _cause(failure: Failure) -> str:
    return first_line(f"{failure.kind}: {failure.message}")
