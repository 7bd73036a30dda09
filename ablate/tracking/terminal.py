"""The live view of a study in a terminal, or plain lines where there is no terminal."""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
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
from ablate.plan.glance import Glance
from ablate.process.debugger import is_debugging
from ablate.process.screen import Text
from ablate.run_row import Status
from ablate.text import cause_of, first_line, printable
from ablate.tracking.failing_alike import FailingAlike
from ablate.tracking.running_table import ROWS_SHOWN, Running, running_table

PLAIN_EVERY_S = 30.0
"""Time between plain progress lines."""
TIMER_S = 1.0
"""Between two looks whether a line is due."""
ESTIMATE_EVERY_S = 5.0
"""Time between estimates of the time left, unless a run ends."""
BAR_WIDTH = 40


class Progress:
    """Counts runs and shows those in progress.

    Args:
        names: Run names by id, of the runs to be done.
        watched: Metrics to show of a running run, the study's first: the first that it reports.
        console: Where to print.
        live: Whether to redraw in place, where the console is a terminal.
        before: How many runs of the same plan had ended before, by status: they are counted, too.
        result: The study's metric of a run that has ended, as tables have it; nan without one.
        left_s: Seconds left with so many trials at a time; nan while nobody can tell.
    """

    def __init__(
        self,
        names: Mapping[str, str],
        watched: tuple[str, ...],
        console: Console,
        live: bool = True,
        before: Counter[Status] | None = None,
        result: Callable[[str], float] = lambda run_id: math.nan,
        left_s: Callable[[int], float] = lambda slots: math.nan,
    ) -> None:
        self._names = {run_id: printable(name) for run_id, name in names.items()}
        self._watched = watched
        self._result = result
        self._console = console
        # A dumb terminal cannot redraw: it gets lines, as a file does.
        self._is_live = live and console.is_terminal and not console.is_dumb_terminal
        self._running: dict[str, Running] = {}
        self._printed_notices: set[str] = set()
        self._failing_alike = FailingAlike()
        self._ended = Counter(before or {})
        self._num_before = self._done
        self._start = self._printed_at = time.monotonic()
        self._left_s = left_s
        self._slots = 0
        self._estimate = math.nan
        self._estimate_of: tuple[int, float] = (-1, -math.inf)
        """How many runs had ended when it was made, and when that was."""
        self._live: Live | None = None
        self._aside: Console | None = None
        self._timer: threading.Thread | None = None
        self._is_over, self._one_line = threading.Event(), threading.Lock()

    def __enter__(self) -> Self:
        if self._is_live:
            self._live = Live(
                get_renderable=self._render, console=self._console, refresh_per_second=4,
                transient=True,
            )  # fmt: skip
            self._live.start()
        else:
            # Bound to the stream of now: while a run is in this process it is copied to its log.
            self._aside = Console(file=self._console.file, width=self._console.width)
            self._timer = threading.Thread(target=self._tick_on, name="ablate-lines", daemon=True)
            self._timer.start()
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
        if self._timer is not None:
            self._is_over.set()
            self._timer.join()
            self._aside = self._timer = None

    def say(self, message: str) -> None:
        """Prints a line that stays above the live view."""
        self._console.print(Text(message), soft_wrap=True)

    def on_event(self, event: Event) -> None:
        """Updates the counts and the view."""
        if event.run_id not in self._names:
            return
        name = self._names[event.run_id]
        match event:
            case RunStarted(run_id, trial):
                self._running.setdefault(run_id, Running(name)).trial = trial
                # Not when one ends: the next starts in its place.
                self._slots = len({running.trial for running in self._running.values()})
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
        self._print_when_due()

    def _tick_on(self) -> None:
        """Prints lines also while nothing is heard: a run in this process may report seldom."""
        while not self._is_over.wait(TIMER_S):
            self._print_when_due()

    def _print_when_due(self) -> None:
        with self._one_line:
            is_due = time.monotonic() - self._printed_at >= PLAIN_EVERY_S
            if self._live is None and is_due and not is_debugging():
                self._printed_at = time.monotonic()
                runs = ", ".join(map(self._line, list(self._running.values())[:4]))
                line = Text(f"{self._headline().plain}  {runs}")
                (self._aside or self._console).print(line, soft_wrap=True)

    def _report(self, event: RunReported) -> None:
        running = self._running.setdefault(event.run_id, Running(self._names[event.run_id]))
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
        if note := self._failing_alike.note(event.failure, self._planned - self._done):
            self.say(note)

    def _line(self, running: Running) -> str:
        """`icfm-s1 epoch 3 (fid 12.1)`; of runs that tell no epoch `icfm-s1 step 30`."""
        value = self._shown(running.values)
        where = f"step {running.step}" if running.epoch is None else f"epoch {running.epoch}"
        return f"{running.name} {where}" + f" ({value})" * bool(value)

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

    @property
    def glance(self) -> Glance:
        """The study at a glance."""
        return Glance(
            planned=self._planned, done=self._done, running=len(self._running),
            failed=self._done - self._ended[Status.OK], left_s=self._estimated(),
        )  # fmt: skip

    def _estimated(self) -> float:
        ended_before, at = self._estimate_of
        now = time.monotonic()
        if ended_before != self._done or now - at >= ESTIMATE_EVERY_S:
            self._estimate, self._estimate_of = self._left_s(self._slots), (self._done, now)
        return self._estimate

    def _headline(self) -> Text:
        """The glance; how long it has taken, too, where that fits on the line."""
        told, glance = Text(), self.glance
        for number, part in enumerate(glance.parts):
            told.append(", " * bool(number))
            told.append(part, "red" if part == glance.failed_text else "")
        elapsed = f", {clock(time.monotonic() - self._start)} elapsed"
        if told.cell_len + len(elapsed) <= self._console.width:
            told.append(elapsed)
        return told

    def _render(self) -> RenderableType:
        bar = ProgressBar(total=max(1, self._planned), completed=self._done, width=BAR_WIDTH)
        lines = Table.grid()
        lines.add_row(self._headline())
        lines.add_row(bar)  # it ends no line by itself
        running = list(self._running.values())
        if running:
            metrics = [self._shown(run.values) for run in running]
            lines.add_row(running_table(running, metrics, self._console.width))
        if len(running) > ROWS_SHOWN:
            lines.add_row(Text(f"and {len(running) - ROWS_SHOWN} more", style="dim"))
        return lines


def _cause(failure: Failure) -> str:
    return first_line(cause_of(failure.kind, failure.message, failure.trace))
