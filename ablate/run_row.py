"""The record of one run: a row of the ledger, as a type.

A row is a mapping: beside the ledger's own columns it has those of a study's factors and metrics.
Ablate reads its own columns as typed attributes.
"""

import math
import re
from collections.abc import Container, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Strict

from ablate.losses import Loss
from ablate.text import cause_of

T = TypeVar("T")


class AtStep(BaseModel):
    """The value of a metric at a step, or the last one before it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_step: Annotated[int, Strict(), Field(ge=0)]

    def __str__(self) -> str:
        return f"at step {self.at_step}"


Value = Literal["best", "last"] | AtStep
"""Which of a run's values of a metric is its result: that of its best weights, the last one, or
that at a step."""


class Status(StrEnum):
    """The status of a run, which tables and journals store as plain text."""

    PENDING = "pending"
    """It has not started, or is under way."""
    INTERRUPTED = "interrupted"
    OK = "ok"
    FAILED = "failed"
    DIVERGED = "diverged"

    @classmethod
    def of(cls, written: object) -> "Status":
        """A status as it is written; anything unknown is `PENDING`."""
        try:
            return cls(written)
        except ValueError:
            return cls.PENDING

    @property
    def has_ended(self) -> bool:
        """Whether the run needs no more training, for better or worse."""
        return self in ENDED

    @property
    def has_failed(self) -> bool:
        """Whether the run ended without a result."""
        return self in (Status.FAILED, Status.DIVERGED)


ENDED = frozenset({Status.OK, Status.FAILED, Status.DIVERGED})


class Column(Generic[T]):
    """One of the ledger's own columns: its type, and an attribute of rows.

    Args:
        kind: The type of its values.
        is_needed: Whether every row has it; otherwise it reads as None in rows without it.
    """

    def __init__(self, kind: type, is_needed: bool = False) -> None:
        self.kind = kind
        self.is_needed = is_needed

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, row: "RunRow", owner: type) -> T:
        value: Any = row[self.name] if self.is_needed else row.get(self.name)
        return value


class _StatusColumn(Column[Status]):
    def __get__(self, row: "RunRow", owner: type) -> Status:
        return Status.of(row.get(self.name))


def _needed(kind: type[T]) -> Column[T]:
    return Column(kind, is_needed=True)


def _optional(kind: type[T]) -> Column[T | None]:
    return Column(kind)


class RunRow(dict[str, Any]):
    """One run's columns by name; the ledger's own are attributes, too."""

    __slots__ = ()

    run_id = _needed(str)
    run_name = _needed(str)
    block = _optional(str)
    seed = _optional(int)
    status = _StatusColumn(str)
    stop_reason = _optional(str)
    epoch = _optional(int)
    step = _optional(int)
    best_epoch = _optional(int)
    best_step = _optional(int)
    seconds = _optional(float)
    device = _optional(str)
    num_parameters = _optional(int)
    world_size = _optional(int)
    """Processes that a command trains with together."""
    trial = _optional(str)
    launch = _optional(int)
    planned_in = _optional(int)
    dropped_in = _optional(int)
    """The launch from which on the study did not ask for it any more; its results are kept."""
    restarted_in = _optional(int)
    reused_from = _optional(str)
    """The study that trained it, where it was taken from another one."""
    reused_at = _optional(datetime)
    checkpoint = _optional(str)
    checkpoint_bytes = _optional(int)
    checkpoint_crc32 = _optional(int)
    curve_bytes = _optional(int)
    curve_crc32 = _optional(int)
    error_type = _optional(str)
    error = _optional(str)
    traceback = _optional(str)
    lost_to = _optional(str)
    retries = _optional(int)
    warnings = _optional(str)
    stats_mismatch = _optional(str)
    data_fingerprint = _optional(str)
    config = _optional(str)
    code_hash = _optional(str)
    code_files = _optional(str)
    measured_with = _optional(str)
    """Of those files the ones that metrics have brought which were measured later: a list."""
    git_commit = _optional(str)
    git_dirty = _optional(bool)
    versions = _optional(str)
    started_at = _optional(datetime)
    ended_at = _optional(datetime)

    @property
    def cause(self) -> str:
        """Why it failed, and where: `ValueError: not a number (my_nets.py:12)`."""
        return cause_of(self.error_type, self.error, self.traceback)

    def metrics(self, factors: Container[str]) -> dict[str, float]:
        """The metrics it measured: numbers other than the columns of the ledger and of factors."""
        return {
            name: value
            for name, value in self.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
            if name not in COLUMNS and name not in factors
        }

    def has(self, metric: str, value: Value) -> bool:
        """Whether it has such a value of a metric; what was measured once is best and last."""
        own = self.get(column_of(metric, value)) is not None
        return own or (self.get(metric) is not None and not isinstance(value, AtStep))

    def measured(self, metric: str, value: Value = "last") -> float | None:
        """Its value of a metric, or the other one where that is all there is: not at a step."""
        others = () if isinstance(value, AtStep) else columns_of(metric)
        for name in (column_of(metric, value), *others):
            if self.get(name) is not None:
                return self[name]
        return None

    def result(self, metric: str, value: Value) -> float:
        """Its value of a metric; nan where it did not end well, or measured no finite number."""
        number = self.measured(metric, value) if self.status is Status.OK else None
        if not isinstance(number, int | float) or not math.isfinite(number):
            return math.nan
        return float(number)

    def loss(self, metric: str, value: Value = "last") -> Loss | None:
        """To whom its result of a metric was lost; None where it has one, or may still get one.

        A run that ended well and did not measure it may still: it is no loss.
        """
        match self.status:
            case Status.OK:
                is_lost = self.measured(metric) is not None and math.isnan(
                    self.result(metric, value)
                )
                return Loss.CELL if is_lost else None
            case Status.DIVERGED:
                return Loss.CELL
            case Status.FAILED:  # rows of earlier versions have the exception's name alone
                return Loss.of(self.lost_to or Loss.of_kind(self.error_type or ""))
            case _:
                return None

    def elsewhere(self) -> dict[str, Any]:
        """What it says in whatever study it stands: how it was trained, and what its files are."""
        return {n: v for n, v in self.items() if n in COLUMNS and n not in _OF_ONE_STUDY}

    def blank(self) -> "RunRow":
        """The row of the same run before it had any result."""
        names = ("run_id", "run_name", "seed", "planned_in", "restarted_in")
        columns = {name: self[name] for name in names if name in self}
        return RunRow(columns, status=Status.PENDING.value)


def columns_of(metric: str) -> tuple[str, str, str]:
    """The columns that a run's values of a metric may be in."""
    return metric, f"{metric}_final", f"{metric}_best"


def metric_in(column: str) -> str:
    """The metric that a column has a value of, for people."""
    column = _AT_STEP.sub("", column)
    ending = next((end for end in ("_final", "_best") if column.endswith(end)), "")
    return column.removesuffix(ending)


_AT_STEP = re.compile(r"@\d+$")


def column_of(metric: str, value: Value) -> str:
    """The column of a value of a metric."""
    if isinstance(value, AtStep):
        return f"{metric}@{value.at_step}"
    return f"{metric}_best" if value == "best" else f"{metric}_final"


COLUMNS: dict[str, type] = {
    name: column.kind for name, column in vars(RunRow).items() if isinstance(column, Column)
}
"""The ledger's own columns, in the order of its table."""
_OF_ONE_STUDY = frozenset({
    "run_id", "run_name", "seed", "block", "trial", "launch", "planned_in", "dropped_in",
    "restarted_in",
    "checkpoint", "config",
})  # fmt: skip
"""Those of them that name a run, or hold in one study directory alone."""


class RunRows(dict[str, RunRow]):
    """Rows by run id."""

    @classmethod
    def of_plain(cls, rows: Mapping[str, Mapping[str, Any]]) -> Self:
        """Rows from plain mappings."""
        return rows if isinstance(rows, cls) else cls({i: RunRow(r) for i, r in rows.items()})

    def of(self, run_id: str) -> RunRow:
        """A run's row; an empty one, which is `pending`, if it has none yet."""
        return self.get(run_id) or RunRow()

    def status(self, run_id: str) -> Status:
        """The status of a run."""
        return self.of(run_id).status

    def new(self, run_id: str) -> RunRow:
        """A run's row, added as `pending` if there is none."""
        return self.setdefault(run_id, RunRow(run_id=run_id, status=Status.PENDING.value))
