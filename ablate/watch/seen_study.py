"""One study as its directory shows it. Nothing is written, locked or imported for it."""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ablate.errors import AblateError, file_of, reason_of
from ablate.ledger.followed_record import FollowedRecord
from ablate.ledger.lock import holder_of
from ablate.plan.time_left import untold_s
from ablate.run_row import COLUMNS, RunRow, Status
from ablate.spec.load import read_saved
from ablate.study_dir import StudyPaths
from ablate.text import printable
from ablate.watch.layout import Layout
from ablate.watch.run_details import log_tail
from ablate.watch.seen_run import RUNNING, SeenRun, StudyState, written_name
from ablate.watch.time_left import seconds_left

LEAST_PAUSE_S = 0.4
"""Between two looks at a directory, however many pages show it."""
SUM_PAUSE = 20
"""Counting the runs takes at most one part in so many of the time."""
STALE_S = 5.0
"""After which the time left is another, also where nothing was reported."""
QUIET_S = 1800.0
"""After which a driver on another machine, of which nothing is heard, is doubted."""
KEPT = frozenset({
    "run_id", "run_name", "block", "seed", "status", "stop_reason", "epoch", "step", "best_step",
    "seconds", "device", "trial", "launch", "dropped_in", "reused_from", "error_type", "error",
    "traceback",
    "retries", "warnings", "started_at", "ended_at",
})  # fmt: skip
"""The ledger's own columns that are shown."""


class SeenStudy:
    """A study directory, looked at again and again.

    Args:
        paths: The study directory.
    """

    def __init__(self, paths: StudyPaths) -> None:
        self.paths = paths
        self.lock = threading.Lock()
        """For those who refresh and read it: pages are served by several threads."""
        self.state = StudyState.WAITING
        self.runs: dict[str, SeenRun] = {}
        self.revision = 0
        """Raised by every look that found something new."""
        self.revised: dict[str, int] = {}
        """By run id, the revision in which it last changed."""
        self.removed_in = 0
        """The revision in which runs last went, or all were read anew."""
        self._record = FollowedRecord(paths, without=COLUMNS.keys() - KEPT)
        self._looked_at = 0.0
        self._yaml_mark: tuple[int, int] | None = None
        self._forget()

    def refresh(self) -> None:
        """Looks what is new, unless somebody has just done so."""
        if time.monotonic() - self._looked_at < LEAST_PAUSE_S:
            return
        try:
            self._look()
        except AblateError as error:
            self._cannot_be_read(str(error))
        except OSError as error:
            self._cannot_be_read(": ".join(filter(None, [file_of(error), reason_of(error)])))
        self._looked_at = time.monotonic()

    def row(self, run_id: str) -> RunRow:
        """What the ledger says of a run."""
        return self._record.rows.of(run_id)

    def log(self, run_id: str) -> list[str]:
        """The end of a run's log."""
        return log_tail(self.paths, written_name(self.row(run_id)))

    def head(self) -> dict[str, Any]:
        """All that is told of it beside its runs, as JSON."""
        return {
            "name": printable(self.paths.root.name), "question": self._question,
            "metric": self._metric, "state": self.state, "told": self._told,
            "holder": self._holder, "notes": list(self._notes), "counts": self._counts,
            "num": len(self.runs), "left_s": self._left_s, "changed": self._changed,
            "cells": list(self._layout.cells), "seeds": self._layout.seeds,
        }  # fmt: skip

    @property
    def factors(self) -> Sequence[str]:
        """The study's factors."""
        return self._layout.factors

    @property
    def metric(self) -> str:
        """The study's metric, as it is written."""
        return self._metric_name

    def _forget(self) -> None:
        self._question = self._metric = self._metric_name = self._told = self._holder = ""
        self._notes: Sequence[str] = ()
        self._left_s: float | None = None
        self._changed = 0.0
        self._counts: Mapping[str, int] = {}
        self._layout = Layout()
        self._is_summed, self._sum_again_at, self._stale_at = False, 0.0, 0.0
        self._is_elsewhere = False

    def _look(self) -> None:
        if not self.paths.study_yaml.is_file():
            self._start_over()
            self.state, self._told = StudyState.GONE, "the study directory is no longer there"
            return
        self._told = ""
        is_another = self._read_yaml()
        changed = self._record.refresh()
        holder = holder_of(self.paths.lock)
        was_driven, self._holder = bool(self._holder), str(holder or "")
        self._is_elsewhere = bool(holder and holder.is_elsewhere)
        if changed is None or is_another or self._moves(changed):
            self._show_all(is_driven=bool(holder))
        else:
            is_same = was_driven == bool(holder)
            self._show(changed if is_same else self._record.rows, is_driven=bool(holder))
        is_same = changed == set() and was_driven == bool(holder)
        is_stale = bool(holder) and time.monotonic() >= self._stale_at
        self._is_summed = self._is_summed and is_same and not is_stale
        if not self._is_summed and time.monotonic() >= self._sum_again_at:
            self._sum_up()
        self.state = self._state_now()

    def _cannot_be_read(self, why: str) -> None:
        self._start_over()
        self.state, self._told = StudyState.UNREADABLE, why

    def _start_over(self) -> None:
        self.revision += bool(self.runs)
        self.removed_in = self.revision if self.runs else self.removed_in
        self._forget()
        self.runs, self.revised, self._yaml_mark = {}, {}, None
        self._record = FollowedRecord(self.paths, without=COLUMNS.keys() - KEPT)

    def _read_yaml(self) -> bool:
        """Reads the study's file where it was written anew; whether it was."""
        found = self.paths.study_yaml.stat()
        mark = found.st_ino, found.st_mtime_ns
        if mark == self._yaml_mark:
            return False
        raw: Mapping[str, Any] = read_saved(self.paths.study_yaml)[0]
        self._yaml_mark = mark
        self._question = printable(str(raw.get("question") or ""))
        self._metric_name = str(raw.get("metric") or "")
        self._metric = printable(self._metric_name)
        blocks = raw.get("blocks")
        parts = [raw, *(blocks if isinstance(blocks, list) else [])]
        named = [part.get("factors") for part in parts if isinstance(part, Mapping)]
        self._layout = Layout(list(dict.fromkeys(
            str(name) for factors in named if isinstance(factors, Mapping) for name in factors
        )))  # fmt: skip
        return True

    def _moves(self, run_ids: Iterable[str]) -> bool:
        """Whether runs are now in another place, or in none: cells may then have no runs."""
        shown = (self._record.rows[run_id] for run_id in run_ids if run_id in self.runs)
        return any(
            row.dropped_in or not self._layout.is_in(row, self.runs[row.run_id].cell)
            for row in shown
        )

    def _show_all(self, is_driven: bool) -> None:
        """Takes over all rows, in their order, and forgets what was shown."""
        self.revision += 1
        self.removed_in = self.revision
        self._layout, self.runs = Layout(self._layout.factors), {}
        self._show(self._record.rows, is_driven)

    def _show(self, run_ids: Iterable[str], is_driven: bool) -> None:
        """Takes over the rows of some runs."""
        following = self.revision + 1
        for run_id in run_ids:
            row = self._record.rows[run_id]
            if row.dropped_in:
                continue
            seen = SeenRun.of(row, self._layout, is_driven)
            if self.runs.get(run_id) != seen:
                self.runs[run_id] = seen
                self.revised[run_id] = self.revision = following

    def _sum_up(self) -> None:
        began = time.monotonic()
        self._counts = dict(Counter(run.status for run in self.runs.values()))
        ended = [(r.cell, r.seconds) for r in self.runs.values() if r.status == Status.OK]
        waiting = [r.cell for r in self.runs.values()
                   if r.status in (Status.PENDING, Status.INTERRUPTED)]  # fmt: skip
        self._left_s = seconds_left(ended, self._running(), waiting) if self._holder else None
        files = [*self.paths.journals().values(), self.paths.runs_parquet]
        self._changed = max((f.stat().st_mtime for f in files if f.is_file()), default=0.0)
        self._notes = [printable(note) for note in (*self._record.notes, *self._doubts())]
        now = time.monotonic()
        self._is_summed, self._sum_again_at = True, now + SUM_PAUSE * (now - began)
        self._stale_at = now + STALE_S

    def _doubts(self) -> Iterator[str]:
        quiet_s = time.time() - self._changed
        if self._is_elsewhere and quiet_s > QUIET_S:
            yield (
                f"{self._holder} has written nothing for {quiet_s / 3600:.1f} h: "
                "from here nobody can tell whether it lives"
            )

    def _running(self) -> list[tuple[list[int], float]]:
        """The cells and the seconds so far of each trial under way: runs of a pack share one."""
        trials: dict[str, list[SeenRun]] = {}
        for run in self.runs.values():
            if run.status == RUNNING:
                trials.setdefault(self.row(run.run_id).trial or run.run_id, []).append(run)
        now = datetime.now(UTC)
        return [
            ([run.cell for run in trial], sum(run.seconds for run in trial)
             or untold_s((self.row(run.run_id) for run in trial), now))
            for trial in trials.values()
        ]  # fmt: skip

    def _state_now(self) -> StudyState:
        if self._holder:
            return StudyState.RUNNING
        if not any(run.has_begun for run in self.runs.values()):
            return StudyState.WAITING
        has_ended = all(Status.of(run.status).has_ended for run in self.runs.values())
        return StudyState.DONE if has_ended else StudyState.INTERRUPTED
