"""One run on its way to a W&B server: opened, kept up to date with the ledger, and ended."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ablate.events import Point
from ablate.ledger.history import History
from ablate.tracking.wandb.content import for_wandb, write_end
from ablate.tracking.wandb.protocol import End, Start
from ablate.tracking.wandb.sink.client import Client, Served

MOST_REOPENED = 3
NEVER_HELD = {"running", "pending", "preempting"}
"""States in which no ended run may stay."""


class Lane:
    """The wanted and actual state of one run in W&B; used by one thread at a time.

    The rows that the ledger has and the server lacks are sent.

    Args:
        start: The run's name, config and tags.
        client: The connection to W&B.
        history: The curves of the study's runs.
        opened: Called with id, entity and project once the server has the run.
    """

    def __init__(
        self,
        start: Start,
        client: Client,
        history: History,
        opened: Callable[[str, str, str], None],
    ) -> None:
        self.id = start.wandb_id
        self.name = start.name
        self.start = start
        self.end: End | None = None
        self.is_whole = False
        self.is_given_up = False
        """The server does not report what it has, or cannot take what it lacks."""
        self.is_refused = False
        """No key or no permission: retrying is useless."""
        self.broken_generation: int | None = None
        """The wandb-core in which its id is held by a run that failed to open or end."""
        self.num_sent = 0
        """Rows handed to W&B."""
        self.num_rows = 0
        """Rows in the ledger."""
        self.num_reopened = 0
        self.turn = threading.Lock()
        """Held by the thread that works on the lane."""
        self.finished_at = self.moved_at = time.monotonic()
        self._client = client
        self._history = history
        self._opened = opened
        self._lock = threading.Lock()
        self._points: list[tuple[int, dict[str, float]]] = []
        self._is_behind = False
        self._run: Any = None
        self._generation = -1
        self._last_step = -1
        self._had_all = False
        self._num_served = -1
        self._finished: End | None = None

    @property
    def is_finished(self) -> bool:
        """Whether W&B was given the whole run."""
        return self._finished is not None and self._finished is self.end

    @property
    def awaits_confirmation(self) -> bool:
        """Whether W&B was given the whole run and has not confirmed it."""
        return self.is_finished and not (self.is_whole or self.is_given_up or self.is_refused)

    def add(self, points: Sequence[Point], is_behind: bool) -> None:
        """Adds rows to send; `is_behind` if earlier ones were dropped."""
        with self._lock:
            self._points += [(step, metrics) for step, metrics in points]
            self._is_behind |= is_behind

    def begins(self, start: Start) -> None:
        """Notes that the run begins again or continues."""
        with self._lock:
            self.start = start
            self.end = None
            self.is_whole = self.is_given_up = self.is_refused = False

    def ends(self, end: End) -> None:
        """Notes that the run has ended."""
        with self._lock:
            self.end = end
            self.is_whole = self.is_given_up = self.is_refused = False
            self.num_reopened = 0

    def work(self, entity: str | None) -> None:
        """Brings W&B up to date.

        Args:
            entity: The project's owner; None for the account's default.
        """
        if self.broken_generation is not None:
            self._client.replace(self.broken_generation)
            self.broken_generation = None
        if self.is_finished or self.is_whole:
            return
        with self._client.at_work() as generation:
            try:
                self._work(generation, entity)
            except BaseException:
                self.broken_generation = generation
                self._run = None
                raise

    def reopen(self) -> bool:
        """Prepares to open the run again, which tells what a server that lacks rows has.

        Returns:
            False if that is useless: the server has the last row, or it was tried often enough.
        """
        if self._had_all or self.num_reopened >= MOST_REOPENED:
            return False
        self.num_reopened += 1
        self._finished = None
        return True

    def confirm(self, served: Served | None) -> bool:
        """Notes what the server has; returns whether that is more than before."""
        num_rows = served.num_rows if served else 0
        has_moved = num_rows > self._num_served
        if has_moved:
            self._num_served, self.moved_at = num_rows, time.monotonic()
        if served is not None and self.is_finished and self.end is not None:
            self.is_whole = num_rows == self.num_rows and fits(self.end, served)
        return has_moved

    @property
    def has_surplus(self) -> bool:
        """Whether the server has more rows than the ledger: an earlier upload was appended."""
        return self.is_finished and self._num_served > self.num_rows

    def _work(self, generation: int, entity: str | None) -> None:
        if self._run is None or self._generation != generation:
            self._open(generation, entity)
        with self._lock:
            points, self._points = self._points, []
            is_behind, self._is_behind = self._is_behind, False
            end = self.end
        if end is not None or is_behind:
            points = self._history.timed(self.start.run_id)
        self._log(points)
        if end is not None:
            self._finish(end, len(points))

    def _open(self, generation: int, entity: str | None) -> None:
        self._run = self._client.open(self.start, entity)
        self._generation = generation
        self._opened(self.id, self._run.entity, self._run.project)
        self._last_step = self._run.starting_step - 1 if self._run.resumed else -1
        points = self._history.timed(self.start.run_id)
        self._had_all = bool(points) and self._last_step >= points[-1][0]
        self._log(points)

    def _log(self, points: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        for step, metrics in points:
            if step > self._last_step:
                self._run.log(for_wandb(metrics), step=step, commit=True)
                self._last_step = step
                self.num_sent += 1
                self.moved_at = time.monotonic()

    def _finish(self, end: End, num_rows: int) -> None:
        write_end(self._client, self._run, self.start, end, self._last_step)
        if end.tables:
            self._last_step += 1
            num_rows = self._last_step + 1
        self.num_rows = num_rows
        self._finished = end  # also if this times out: wandb-core keeps sending
        try:
            self._run.finish(exit_code=end.exit_code)
        finally:
            self.finished_at = time.monotonic()
        self._run = None


def fits(end: End, served: Served) -> bool:
    """Whether the run's state on the server matches its end."""
    if end.failed:
        return served.state not in {"finished", *NEVER_HELD} and "failed" in served.tags
    if end.exit_code:
        return served.state not in NEVER_HELD
    return served.state == "finished" and "failed" not in served.tags
