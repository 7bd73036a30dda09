"""How a table of a paper is laid out: sizes, panels one below the other, further tables."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ablate.report.latex import breakable, row, tex
from ablate.text import shortened

TEXT_WIDTH_PT = 345.0
"""Of LaTeX's `article`; those of journals and conferences are wider."""
TITLE_CHARACTERS = 16
"""Of a line of a column's title."""
MOST_TITLE = 84
LABELS_CHARACTERS = 42
"""Of a line of all labels of a row together."""
LEAST_LABEL = 6


class Entry(NamedTuple):
    """What stands in a cell: LaTeX, and about how many characters wide it is."""

    tex: str
    width: int


class Size(NamedTuple):
    """A size of type."""

    command: str
    character_pt: float
    """Width of a digit."""
    gap_pt: float
    """Half the space between columns."""
    most_lines: int
    """That a page has room for, beside caption and notes."""


SIZES = (
    Size(r"\normalsize", 5.0, 6, 32),
    Size(r"\small", 4.65, 5, 35),
    Size(r"\footnotesize", 4.25, 4, 40),
    Size(r"\scriptsize", 4.0, 3, 46),
)
OVERFULL = SIZES[2]
"""Of tables that fit on no page at any size."""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str
    """LaTeX."""
    spec: str
    """`l`, `r`, or a paragraph of some width."""
    entries: Sequence[Entry]
    width: int
    """In characters."""
    lines: Sequence[int]
    """Of each entry."""


def number_column(title: str, entries: Sequence[Entry], arrow: str = "") -> Column:
    """A column of numbers.

    Args:
        title: What people call it.
        entries: The numbers.
        arrow: For its title, in LaTeX's mathematics.
    """
    lines = _title_lines(title, 2 * bool(arrow))
    widths = [*(entry.width for entry in entries), *(math.ceil(0.9 * len(line)) for line in lines)]
    shown = _title(title, "r", f" ${arrow}$" if arrow else "")
    return Column(shown, "r", entries, max(widths), [1] * len(entries))


def label_column(title: str, texts: Sequence[str], marks: Sequence[str], of: int) -> Column:
    """A column of labels, of which long ones are set in several lines.

    Args:
        title: What people call it.
        texts: The labels, as people wrote them.
        marks: LaTeX to follow each.
        of: How many columns of labels the table has.
    """
    most = max(LEAST_LABEL, LABELS_CHARACTERS // of)
    longest = max(map(len, texts))
    if longest <= most:
        width = max(longest + 1, *map(len, _title_lines(title, 0)))
        entries = [Entry(tex(t) + mark, len(t)) for t, mark in zip(texts, marks, strict=True)]
        return Column(_title(title, "l"), "l", entries, width, [1] * len(texts))
    entries = [
        Entry(rf"\raggedright {breakable(text)}{mark}", most)
        for text, mark in zip(texts, marks, strict=True)
    ]
    lines = [
        math.ceil((1.1 if most > 2 * TITLE_CHARACTERS else 1.3) * len(t) / most) for t in texts
    ]
    spec = rf"p{{{0.52 * most:.1f}em}}"
    return Column(_title(title, "l"), spec, entries, math.ceil(1.25 * most), lines)


def layout(
    labels: Sequence[Column],
    numbers: Sequence[Column],
    breaks: Sequence[int],
    caption: str,
    name: str,
    notes: Sequence[str],
) -> list[str]:
    r"""The lines of one or several `table`s.

    Args:
        labels: Columns that stand to the left of every panel.
        numbers: The other ones, which panels share out among them.
        breaks: Rows above which a rule stands.
        caption: LaTeX.
        name: What `\label` calls it.
        notes: LaTeX, for below the table.
    """
    lines = [max(each) for each in zip(*(column.lines for column in labels), strict=True)]
    size = next((s for s in SIZES if _fits(s, labels, numbers, sum(lines))), OVERFULL)
    panels = _panels(size, labels, numbers)
    parts = list(_parts(lines, size.most_lines))
    is_one = sum(lines) * len(panels) + 4 * (len(panels) - 1) <= size.most_lines
    tabulars = [_tabular([*labels, *panel], part, breaks) for panel in panels for part in parts]
    bodies = [tabulars] if is_one else [[tabular] for tabular in tabulars]
    told: list[str] = []
    for number, body in enumerate(bodies):
        title = [rf"\caption{{{caption}}}", rf"\label{{tab:{name}}}"]
        if number:
            told.append(r"\addtocounter{table}{-1}")
            title = [r"\caption{(continued)}"]
        below = notes if number == len(bodies) - 1 else ()
        told += _table(size, title, body, below)
    return told


def _fits(size: Size, labels: Sequence[Column], numbers: Sequence[Column], lines: int) -> bool:
    return _width(size, [*labels, *numbers]) <= TEXT_WIDTH_PT and lines <= size.most_lines


def _width(size: Size, columns: Sequence[Column]) -> float:
    return sum(column.width * size.character_pt + 2 * size.gap_pt for column in columns)


def _panels(size: Size, labels: Sequence[Column], numbers: Sequence[Column]) -> list[list[Column]]:
    """Numbers, shared out so that each panel is no wider than a page."""
    panels: list[list[Column]] = [[]]
    for column in numbers:
        panel = panels[-1]
        if panel and _width(size, [*labels, *panel, column]) > TEXT_WIDTH_PT:
            panels.append([])
        panels[-1].append(column)
    return panels


def _parts(lines: Sequence[int], most: int) -> Iterator[range]:
    """Rows, as many at a time as a page has room for."""
    start, used = 0, 0
    for number, height in enumerate(lines):
        if used and used + height > most:
            yield range(start, number)
            start, used = number, 0
        used += height
    yield range(start, len(lines))


def _tabular(columns: Sequence[Column], rows: range, breaks: Sequence[int]) -> list[str]:
    body: list[str] = []
    for number in rows:
        body += [r"  \midrule"] * (number in breaks and number != rows.start)
        body.append("  " + row([column.entries[number].tex for column in columns]))
    return [
        rf"\begin{{tabular}}{{@{{}}{''.join(column.spec for column in columns)}@{{}}}}",
        r"  \toprule",
        "  " + row([column.title for column in columns]),
        r"  \midrule",
        *body,
        r"  \bottomrule",
        r"\end{tabular}",
    ]


def _table(
    size: Size, title: Sequence[str], tabulars: Sequence[Sequence[str]], notes: Sequence[str]
) -> list[str]:
    lines = [
        *title,
        r"\par\smallskip",
        rf"{size.command}\setlength{{\tabcolsep}}{{{size.gap_pt:g}pt}}",
    ]
    for number, tabular in enumerate(tabulars):
        lines += [*([r"\par\medskip"] if number else []), *tabular]
    if notes:
        lines.append(r"\par\smallskip")
        lines.append(r"\begin{minipage}{\linewidth}\footnotesize\raggedright")
        lines += [f"  {note}" for note in notes]
        lines.append(r"\end{minipage}")
    return [r"\begin{table}", r"  \centering", *(f"  {line}" for line in lines), r"\end{table}"]


def _title(title: str, side: str, after: str = "") -> str:
    lines = [*map(tex, _title_lines(title, 0))]
    lines[-1] += after
    if len(lines) == 1:
        return lines[0]
    stacked = r" \\ ".join(lines)
    return rf"\shortstack[{side}]{{{stacked}}}"


def _title_lines(title: str, more: int) -> list[str]:
    """A title in lines that end after signs, or where they are too long."""
    words = re.findall(rf"[^\s/_.=-]{{1,{TITLE_CHARACTERS}}}[\s/_.=-]?|[\s/_.=-]",
                       shortened(title, MOST_TITLE))  # fmt: skip
    lines = [""]
    for word in words or [title]:
        if lines[-1] and len(lines[-1] + word) > TITLE_CHARACTERS:
            lines.append("")
        lines[-1] += word
    return [*lines[:-1], lines[-1] + " " * more]
