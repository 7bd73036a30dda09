"""A table of a report as text, row by row, and what its columns have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ablate.analysis.records import MetricRecord, Note
from ablate.stats.verdicts import Verdict

ADJUSTED = "adj. p"
DIFFERENCES = ("difference [95 %]", "change [95 %]")
"""Titles of the column with differences; on the log scale they are changes by a share."""
NOT_APPLICABLE = "–"
"""The level of a factor where it does not apply."""


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One row: labels to the left, numbers to the right, and what may be said of it."""

    labels: Sequence[str]
    numbers: Sequence[str]
    verdict: Verdict
    own_spread: bool = False
    """Whether it was judged by the spread of its own pairs."""
    costlier: bool = False
    """Whether it is better, and costs clearly more than its baseline."""
    remark: str = ""
    """Whether it was planned before the results, where it was not."""
    bold: int | None = None
    """Position of the one of its numbers that is set in bold."""

    @property
    def verdict_text(self) -> str:
        """The verdict for people."""
        marks = " (own spread)" * self.own_spread + " (costlier)" * self.costlier
        return self.verdict.text + marks + self.remark

    @property
    def texts(self) -> list[str]:
        """The whole row, as text."""
        return [*self.labels, *self.numbers, self.verdict_text]

    @property
    def bold_text(self) -> int | None:
        """Position among the texts of the one that is set in bold."""
        return None if self.bold is None else len(self.labels) + self.bold


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """A table whose last column is a verdict."""

    title: str
    labels: Sequence[str]
    """Titles of the columns with labels."""
    numbers: Sequence[str]
    """Titles of the columns with numbers."""
    rows: Sequence[TableRow]
    notes: Sequence[Note]
    tips: Mapping[str, str] = field(default_factory=dict)
    """What titles of columns mean, where somebody asks."""
    dots: Sequence[str] = ()
    """Of each row where its seeds lie, as text, see `ablate.report.dots`."""

    @property
    def columns(self) -> list[str]:
        """All titles."""
        return [*self.labels, *self.numbers, "verdict"]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A table of plain texts, without numbers and verdicts."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def comparison_titles(metric: MetricRecord) -> tuple[str, str]:
    """Of the columns with a difference and its p."""
    return (DIFFERENCES[metric.log_scale], ADJUSTED)


def adjusted_tip(over: str) -> Mapping[str, str]:
    """Over what a table's p are adjusted, and its intervals hold at once."""
    return {ADJUSTED: f"adjusted over {over}, which hold all at once with 95 %"}
