"""One run as it is shown, and what may become of a study."""

import math
from dataclasses import dataclass
from enum import StrEnum

from ablate.run_row import RunRow, Status
from ablate.text import first_line, printable
from ablate.watch.layout import Layout

RUNNING = "running"
"""How a run under way is told apart from one that waits: both are `pending` in the ledger."""


class StudyState(StrEnum):
    """What becomes of a study."""

    RUNNING = "running"
    DONE = "done"
    INTERRUPTED = "interrupted"
    WAITING = "not started"
    GONE = "gone"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, kw_only=True)
class SeenRun:
    """A run as it is shown."""

    run_id: str
    name: str
    cell: int
    seed: int
    """Position among the study's seeds."""
    status: str
    epoch: int | None
    step: int | None
    seconds: float
    cause: str
    ended: float
    """When, in seconds since 1970; 0 for a run that has not ended."""

    @property
    def has_begun(self) -> bool:
        """Whether it may have a curve."""
        return self.status != Status.PENDING

    @classmethod
    def of(cls, row: RunRow, layout: Layout, is_driven: bool) -> "SeenRun":
        """A row as it is shown.

        Args:
            row: What the ledger says.
            layout: Where runs stand; gets a place for this one.
            is_driven: Whether somebody works on the study: else nothing is under way.
        """
        status = row.status.value
        if row.status is Status.PENDING and row.started_at:
            status = RUNNING if is_driven else Status.INTERRUPTED.value
        return cls(
            run_id=row.run_id, name=printable(written_name(row)), cell=layout.cell(row),
            seed=layout.seed(row), status=status, epoch=_whole(row.epoch),
            step=_whole(row.step), seconds=_seconds(row),
            cause=first_line(row.cause) if row.status.has_failed else "",
            ended=row.ended_at.timestamp() if row.ended_at else 0.0,
        )  # fmt: skip


def written_name(row: RunRow) -> str:
    """A run's name, of which a torn ledger may know nothing."""
    return str(row.run_name if "run_name" in row else row.run_id if "run_id" in row else "")


def _whole(value: object) -> int | None:
    """A number as it should be; what a trainable told may be anything."""
    return value if isinstance(value, int) else None


def _seconds(row: RunRow) -> float:
    """How long a run trained; from start to end, where it does not say."""
    told: object = row.seconds
    if isinstance(told, int | float) and math.isfinite(told) and told:
        return float(told)
    if row.started_at and row.ended_at:
        return max(0.0, (row.ended_at - row.started_at).total_seconds())
    return 0.0
