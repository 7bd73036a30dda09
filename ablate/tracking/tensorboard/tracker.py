"""TensorBoard as a tracker: a folder of event files per run, which `complete` brings up to date."""

import time
from collections.abc import Sequence
from pathlib import Path

from ablate.events import Event, RunEnded, RunReported, RunStarted
from ablate.identity import content_id
from ablate.study_dir import StudyPaths
from ablate.tracking.base import TrackedStudy, TrackedTable
from ablate.tracking.tensorboard.curve import Curve, Written, measured
from ablate.tracking.tensorboard.event_files import (
    EventFile,
    event_files,
    new_path,
    read_events,
    remove_files,
    write_at_once,
)
from ablate.tracking.tensorboard.library import tensorboardx
from ablate.tracking.tensorboard.summaries import (
    SESSION_START,
    Value,
    end_of,
    experiment_of,
    report_of,
    scalars,
    start_of,
)

FLUSH_S, FLUSH_SHARE = 2.0, 19
"""How old points may be until TensorBoard can read them; but flushing takes at most one part in
twenty of the driver's time."""
CURVE, END, HPARAMS, TABLES = "curve", "end", "hparams", "tables"
"""What is in a file; but for curves, which grow, its content's id follows."""


class TensorBoardTracker:
    """Writes each run's curve as it grows, and how it ended.

    The files always hold what the ledger has, or a beginning of it. Where they cannot go on, as
    when a run starts over or takes points back, they are made anew.

    Args:
        tracked: The study.
    """

    def __init__(self, tracked: TrackedStudy) -> None:
        tensorboardx()  # before any run has begun: see there
        self._tracked = tracked
        self._paths = StudyPaths(tracked.directory)
        self._files: dict[str, EventFile] = {}
        self._written: dict[str, Written] = {}
        self._flush_at = time.monotonic() + FLUSH_S
        self._keep(HPARAMS, experiment_of(tracked.study))

    def on_event(self, event: Event) -> None:
        """Writes what a run measured."""
        match event:
            case RunStarted(run_id):
                self._bring(run_id)
            case RunReported(run_id, points):
                written = self._written.get(run_id)
                curve = measured(points)
                if written is not None and written.ends_before(curve):
                    self._write(run_id, curve)
                else:  # some of it was reported before: what counts of that, the ledger knows
                    self._bring(run_id)
            case RunEnded(run_id):
                self._finish(run_id)
            case _:
                pass  # it goes on later, or says nothing of itself

    def tick(self) -> None:
        """Makes what was written readable, now and then."""
        began = time.monotonic()
        if began >= self._flush_at:
            for file in self._files.values():
                file.flush()
            ended = time.monotonic()
            self._flush_at = ended + max(FLUSH_S, FLUSH_SHARE * (ended - began))

    def complete(self, run_ids: Sequence[str]) -> None:
        """Writes what is missing of runs that have ended."""
        for run_id in run_ids:
            self._finish(run_id)

    def tables(self, tables: Sequence[TrackedTable], answer: Sequence[str]) -> None:
        """Shows the report's tables and its answer as texts."""
        self._keep(TABLES, report_of(tables, answer))

    def close(self) -> None:
        """Ends the files of runs that go on later."""
        for run_id in list(self._files):
            self._close(run_id)

    def _bring(self, run_id: str) -> Curve:
        """Brings a run's files to what the ledger has, which is returned."""
        folder = self._paths.tensorboard_run(self._tracked.row(run_id).run_name)
        curve = measured(self._tracked.timed_points(run_id))
        written = self._written.get(run_id) or _written_in(folder)
        rest = None if written is None else written.rest_of(curve)
        if written is None or rest is None:
            self._close(run_id)
            written, rest = Written(), curve
            self._open(run_id, folder, written, forgets=remove_files(folder))
            row = self._tracked.row(run_id)
            started = row.started_at.timestamp() if row.started_at else None
            self._files[run_id].write(start_of(row, self._tracked.study), at_s=started)
        elif run_id not in self._files:
            self._open(run_id, folder, written)
        self._write(run_id, rest)
        return curve

    def _open(self, run_id: str, folder: Path, written: Written, forgets: bool = False) -> None:
        self._files[run_id] = EventFile(new_path(folder, CURVE), forgets)
        self._written[run_id] = written

    def _write(self, run_id: str, curve: Curve) -> None:
        file, written = self._files[run_id], self._written[run_id]
        for moment in curve:
            file.write(scalars(moment.values), moment.step, moment.at_s)
            written.add(moment)

    def _close(self, run_id: str) -> None:
        if run_id in self._files:
            self._files.pop(run_id).close()
            del self._written[run_id]

    def _finish(self, run_id: str) -> None:
        """Writes the rest of a run that has ended, unless that is there."""
        row = self._tracked.row(run_id)
        folder = self._paths.tensorboard_run(row.run_name)
        start, end = start_of(row, self._tracked.study), end_of(row, self._tracked.results(run_id))
        kind = f"{END}-{_id([start, end, row.curve_bytes, row.curve_crc32])}"
        if run_id not in self._files and event_files(folder, kind):
            return
        curve = self._bring(run_id)
        self._close(run_id)
        write_at_once(folder, kind, end, max((moment.step for moment in curve), default=0))

    def _keep(self, kind: str, values: Sequence[Value]) -> None:
        """Shows something of the whole study, in the place of what was shown before."""
        folder, name = self._paths.tensorboard_report, f"{kind}-{_id(values)}"
        if not event_files(folder, name):
            remove_files(folder, f"{kind}-*")
            write_at_once(folder, name, values)


def _written_in(folder: Path) -> Written | None:
    """What a run's files hold; None where they cannot go on.

    That is where a file is torn, or tells of the run's end, or none tells of its start.
    """
    written, has_start = Written(), False
    if event_files(folder, f"{END}-*"):
        return None
    for events in map(read_events, event_files(folder)):
        if events is None:
            return None
        for event in events:
            written.add_event(event)
            has_start |= any(value.tag == SESSION_START for value in event.summary.value)
    return written if has_start else None


def _id(content: object) -> str:
    return content_id(repr(content))
