"""What a source holds, before anybody asks anything of it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ablate.run_row import Status


@dataclass(frozen=True, kw_only=True)
class Row:
    """One reading: a row of a table, a result of a trial, the summary of a run in W&B.

    Attributes:
        name: What people call it: `row 3`, or the run's own name.
        config: What it was made with, by column; nested keys are dotted.
        measured: What was measured, by column; in a table the same columns.
        run: The run that it is a reading of, where the source knows which it is; `` elsewhere.
        status: How the run ended.
        cause: Why it has no result.
    """

    name: str
    config: Mapping[str, Any]
    measured: Mapping[str, Any]
    run: str = ""
    status: Status = Status.OK
    cause: str = ""

    def value(self, column: str) -> Any:
        """A column, whichever kind it is of; None where there is no value.

        A nan that a table has in the place of a value is none either.
        """
        value = self.config.get(column)
        value = self.measured.get(column) if value is None else value
        return None if value == "" or value != value else value


@dataclass(frozen=True, kw_only=True)
class Found:
    """All of a source."""

    what: str
    """In words: `CSV file`."""
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    has_last_only: bool = False
    """Whether the source keeps of each run its last values alone."""
    named_columns: Collection[str] = ()
    """Of such a source, the columns that are what their own names say."""

    @cached_property
    def config_columns(self) -> tuple[str, ...]:
        """Columns that may be factors."""
        return _names(row.config for row in self.rows)

    @cached_property
    def measured_columns(self) -> tuple[str, ...]:
        """Columns that may be metrics."""
        return _names(row.measured for row in self.rows)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(dict.fromkeys([*self.config_columns, *self.measured_columns]))

    def differing(self) -> Iterator[tuple[str, int]]:
        """Columns of the config with more than one value, and how many they have."""
        for name in self.config_columns:
            count = len({repr(row.config.get(name)) for row in self.rows})
            if count > 1:
                yield name, count


def _names(mappings: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for mapping in mappings for name in mapping))
