"""Which columns of a table a width has room for, and what those left out say of every row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property

from rich.cells import cell_len

GAP = 2
"""Spaces between columns."""
LEAST = 10
"""Columns of the screen that a folded text keeps: below that nobody reads it."""
WIDE = 100
"""Columns of a screen that has room for pictures."""
INTERVAL = " ["
"""Where a difference is folded: its interval goes below it."""


class Folds(Enum):
    """What kind of text goes on in further lines."""

    LABEL = auto()
    DIFFERENCE = auto()
    VERDICT = auto()
    NEVER = auto()


FOLDING = ((Folds.LABEL, 16), (Folds.DIFFERENCE, 0), (Folds.VERDICT, 12), (Folds.LABEL, LEAST))
"""In this order, down to so many columns of the screen."""


class Leaves(Enum):
    """What kind of column a narrow screen does without."""

    DOTS = auto()
    P = auto()
    COUNT = auto()
    DIFFERENCE = auto()
    """Where folding does not help."""
    NEVER = auto()


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column, and what may become of it where there is little room."""

    title: str
    texts: Sequence[str]
    is_number: bool = False
    """Whether it stands at the right edge."""
    folds: Folds = Folds.NEVER
    leaves: Leaves = Leaves.NEVER
    may_be_told: bool = False
    """Whether it goes before all others where its text is the same in every row."""
    stands_elsewhere: bool = False
    """Whether that text need not be told then."""

    @cached_property
    def width(self) -> int:
        """Of its longest text."""
        return max(map(cell_len, (self.title, *self.texts)))

    @cached_property
    def least_width(self) -> int:
        """What it needs where it is folded."""
        match self.folds:
            case Folds.NEVER:
                return self.width
            case Folds.DIFFERENCE:
                texts = (self.title, *self.texts)
                return max(cell_len(part) for text in texts for part in text.split(INTERVAL)) + 1
            case _:
                return min(self.width, LEAST)

    def shown(self, text: str, width: int) -> str:
        """One of its texts in a column of this width."""
        is_folded = self.folds is Folds.DIFFERENCE and width < self.width
        return text.replace(INTERVAL, f"\n{INTERVAL.strip()}") if is_folded else text

    @property
    def repeats(self) -> bool:
        """Whether one sentence says as much."""
        return self.may_be_told and len(self.texts) > 1 and len(set(self.texts)) == 1


@dataclass(frozen=True)
class Fitting:
    """The columns that a width has room for."""

    widths: Mapping[int, int]
    """Of those shown, by their position."""
    has_dots: bool
    """Whether the pictures are among them."""
    told: str
    """What those say that are left out since they repeat: `every row: width narrow`."""


def fitting_columns(columns: Sequence[Column], width: int) -> Fitting:
    """The columns to show, and how wide each is.

    First pictures go, then what repeats, then p and counts. Then labels are folded, then
    differences, which go last. The others stay.
    """
    shown, told = dict(enumerate(columns)), ""
    if width < WIDE or _total(_natural(shown)) > width:
        shown = _without(shown, Leaves.DOTS)
    if _total(_natural(shown)) > width:
        repeated = [column for column in columns if column.repeats]
        news = [column for column in repeated if not column.stands_elsewhere]
        told = ", ".join(f"{column.title} {column.texts[0]}" for column in news)
        shown = {n: column for n, column in shown.items() if not column.repeats}
    for kind in (Leaves.P, Leaves.COUNT):
        if _total(_natural(shown)) > width:
            shown = _without(shown, kind)
    widths = _folded(shown, width)
    if _total(widths) > width:
        widths = _folded(_without(shown, Leaves.DIFFERENCE), width)
    has_dots = any(columns[place].leaves is Leaves.DOTS for place in widths)
    return Fitting(widths, has_dots, f"every row: {told}" if told else "")


def _without(columns: Mapping[int, Column], kind: Leaves) -> dict[int, Column]:
    return {n: column for n, column in columns.items() if column.leaves is not kind}


def _natural(columns: Mapping[int, Column]) -> dict[int, int]:
    return {n: column.width for n, column in columns.items()}


def _total(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)


def _folded(columns: Mapping[int, Column], width: int) -> dict[int, int]:
    """Widths; of texts of a kind the longest are cut first, as far as is needed."""
    widths = {n: min(column.width, width) for n, column in columns.items()}
    for kind, least in FOLDING:
        own = {n: max(least, c.least_width) for n, c in columns.items() if c.folds is kind}
        while _total(widths) > width:
            wide = [n for n in own if widths[n] > own[n]]
            if not wide:
                break
            widths[max(wide, key=widths.__getitem__)] -= 1
    return widths
