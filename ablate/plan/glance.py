"""A study at a glance: how many runs are done, under way and failed, and the time left."""

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass

from ablate.plan.packing import packs_of
from ablate.plan.plan import Plan, Run
from ablate.plan.time_left import Durations, is_running, seconds_left, trials_running
from ablate.run_row import RunRows, Status

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400


@dataclass(frozen=True, kw_only=True)
class Glance:
    """The state of a study.

    Attributes:
        planned: Runs in all.
        done: Those that have ended, for better or worse.
        failed: Those of them without a result: they failed or diverged.
        running: Runs under way.
        left_s: Time left; nan while nobody can tell.
    """

    planned: int
    done: int
    failed: int
    running: int
    left_s: float = math.nan

    @property
    def parts(self) -> list[str]:
        """`12/36 done`, `4 running`, `1 failed`, `about 12 min left`."""
        running = f"{self.running} running" if self.done < self.planned else ""
        told = [f"{self.done}/{self.planned} done", running, self.failed_text]
        return list(filter(None, [*told, left_text(self.left_s)]))

    @property
    def failed_text(self) -> str:
        """`1 failed`; nothing where none has."""
        return f"{self.failed} failed" if self.failed else ""

    @property
    def text(self) -> str:
        """All of it on a line."""
        return ", ".join(self.parts)


def glance_at(plan: Plan, rows: RunRows, has_driver: bool) -> Glance:
    """A study as its ledger has it, whoever runs it.

    Args:
        plan: The study's plan so far.
        rows: The ledger's rows by run id.
        has_driver: Whether somebody runs it: else nothing does, whatever its last driver left.
    """
    statuses = [rows.status(run.run_id) for run in plan.runs]
    slots = len(trials_running(plan.runs, rows)) * has_driver
    return Glance(
        planned=len(plan.runs),
        done=sum(status.has_ended for status in statuses),
        failed=sum(status.has_failed for status in statuses),
        running=sum(is_running(rows.of(run.run_id)) for run in plan.runs) * has_driver,
        left_s=TimeLeft(plan, plan.runs, rows).seconds(slots) if slots else math.nan,
    )


class TimeLeft:
    """The time that some runs of a plan will still take, asked again and again.

    Args:
        plan: The plan; all of its runs tell how long others take.
        runs: Those to do.
        rows: The ledger's rows by run id, as they change.
        alone: Ids of runs that share no trial.
    """

    def __init__(
        self, plan: Plan, runs: Sequence[Run], rows: RunRows, alone: Container[str] = ()
    ) -> None:
        self._plan = plan
        self._runs = runs
        self._rows = rows
        self._alone = alone
        self._packs: Sequence[Sequence[Run]] | None = None

    def seconds(self, slots: int) -> float:
        """Until the last run has ended, with so many trials at a time; nan while nobody can tell.

        Runs share trials as the launch has them, which packs them once.
        """
        plan, rows = self._plan, self._rows
        if not any(rows.status(run.run_id) is Status.OK for run in plan.runs):
            return math.nan
        if self._packs is None:
            todo = [run for run in self._runs if not rows.status(run.run_id).has_ended]
            self._packs = packs_of(plan, todo, rows, max(1, slots), self._alone)
        waiting = [[run for run in pack if _waits(run, rows)] for pack in self._packs]
        running = trials_running(self._runs, rows)
        durations = Durations.of(plan.runs, rows)
        return seconds_left(durations, rows, running, list(filter(None, waiting)), slots)


def left_text(seconds: float) -> str:
    """`about 12 min left`, no more exact than an estimate is; nothing where it is unknown."""
    if math.isnan(seconds):
        return ""
    if seconds < 10:
        return "a few seconds left"
    if seconds < 55:
        return f"about {10 * math.ceil(seconds / 10 - 0.5)} s left"
    if seconds < HOUR_S - MINUTE_S / 2:
        return f"about {max(1, round(seconds / MINUTE_S))} min left"
    if seconds < 10 * HOUR_S:
        hours, tens = divmod(round(seconds / (10 * MINUTE_S)), 6)
        return f"about {hours} h {tens}0 min left" if tens else f"about {hours} h left"
    if seconds < 3 * DAY_S:
        return f"about {round(seconds / HOUR_S)} h left"
    return f"about {round(seconds / DAY_S)} days left"


def _waits(run: Run, rows: RunRows) -> bool:
    row = rows.of(run.run_id)
    return not row.status.has_ended and not is_running(row)
