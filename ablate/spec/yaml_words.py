"""Says in plain words what is no YAML, and where: parsers say what they expected instead."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import yaml
from yaml.reader import ReaderError

from ablate.errors import Location, Problem
from ablate.text import printable, shortened

_UNSPACED = re.compile(r"(?P<key>[\w.-]+):(?P<value>[^\s:/\\].*)", re.DOTALL)
_CLOSING = {"[": "]", "{": "}"}
Words = tuple[str, str, tuple[int, int]]
"""What is wrong, the fix, and line and column, from 0."""


def spacing_fix(written: Any) -> str:
    """The fix for a text that was to be a mapping or a list, and lacks a space; `` for others."""
    if not isinstance(written, str):
        return ""
    if unspaced := _UNSPACED.fullmatch(written):
        value = unspaced["value"]
        value = value if value[0] in "[{'\"" else value.split()[0]
        pair = printable(shortened(f"{unspaced['key']}: {value}", 60))
        return f"write {pair}, with a space after the colon"
    if re.match(r"-[^\s\d.]", written):
        return "write a space after each dash"
    return ""


def syntax_problem(error: yaml.MarkedYAMLError, text: str) -> Problem:
    """What keeps a text from being YAML, with the line shown.

    Args:
        error: What the parser said.
        text: The whole text.
    """
    mark: Any = error.problem_mark or error.context_mark
    if mark is None:
        return Problem("", f"not YAML: {error.problem}")
    words = _Syntax(error, text.splitlines()).words
    what, fix, (line, column) = words or (str(error.problem), "", (mark.line, mark.column))
    return _shown(text, line, column, what, fix)


def character_problem(error: ReaderError, text: str) -> Problem:
    """A character that no YAML may hold."""
    at: Any = error.position
    before = text[:at].splitlines() or [""]
    what = f"the character {printable(text[at : at + 1])!r} cannot stand in YAML"
    return _shown(text, len(before) - 1, len(before[-1]), what, "drop it")


def with_lines(problem: Problem, text: str) -> Problem:
    """A problem that shows the lines of a text on which it stands."""
    lines = text.splitlines()
    shown = [replace(place, excerpt=lines[place.line - 1]) for place in problem.locations]
    return replace(problem, locations=tuple(shown))


def _shown(text: str, line: int, column: int, what: str, fix: str) -> Problem:
    lines = text.splitlines()
    if line >= len(lines):  # where the text ends
        line = max(0, len(lines) - 1)
        column = len(lines[line]) if lines else 0
    location = Location(line + 1, column + 1, excerpt=lines[line] if lines else "")
    return Problem("", f"not YAML: {what}", fix=fix, locations=(location,))


@dataclass(frozen=True)
class _Syntax:
    """An error of the parser, and the lines that it is about."""

    error: yaml.MarkedYAMLError
    lines: list[str]

    @property
    def words(self) -> Words | None:
        """What is wrong in plain words; None where the parser's have to do."""
        said = f"{self.error.context or ''}: {self.error.problem or ''}"
        return next((found for pattern, word in _WORDS
                     if re.search(pattern, said) and (found := word(self))), None)  # fmt: skip

    @property
    def at(self) -> tuple[int, int]:
        """Where the parser stopped."""
        mark: Any = self.error.problem_mark or self.error.context_mark
        return mark.line, mark.column

    @property
    def _character(self) -> str:
        """The character there; `` at the end of a line."""
        line, column = self.at
        return "".join(self.lines[line : line + 1])[column : column + 1]

    @property
    def began(self) -> tuple[int, int]:
        """Where that began in which it stopped."""
        mark: Any = self.error.context_mark or self.error.problem_mark
        return mark.line, mark.column

    def tab(self) -> Words:
        return "a tab, where YAML takes spaces only", "replace tabs by spaces", self.at

    def first_character(self) -> Words:
        line, column = self.began
        first = printable(self.lines[line][column : column + 1])
        return f"a value cannot begin with {first}", "put quotes around it", (line, column)

    def no_colon(self) -> Words:
        """A line that is neither a key with its value nor the end of a text."""
        line = self.began[0]
        if unspaced := self._unspaced(line):
            return unspaced
        fix = "write key: value, or put quotes around a text of several lines"
        return "this line is no 'key: value'", fix, self.began

    def second_colon(self) -> Words | None:
        """A value that has a value: for three reasons."""
        line, column = self.at
        if re.search(r":\s", self.lines[line][:column]):
            fix = "put quotes around a text that has a colon in it"
            return "a second 'key: value' on one line", fix, self.at
        above = self._above(line)
        if above is None:
            return None
        if unspaced := self._unspaced(above):
            return unspaced
        if _indent(self.lines[line]) > _indent(self.lines[above]):
            fix = f"begin it in the column of line {above + 1}, or drop that line's value"
            what = f"indented deeper than line {above + 1}, which has a value already"
            return what, fix, (line, _indent(self.lines[line]))
        return (
            "this line is no 'key: value'",
            "write key: value",
            (above, _indent(self.lines[above])),
        )

    def bracket(self) -> Words:
        """Brackets that do not match, or items without a comma between them."""
        first, start = self.began
        opened = self.lines[first][start]
        if not self._is_closed():
            what = f"the {opened} is never closed"
            return what, f"write the {_CLOSING[opened]} that is missing", self.began
        found = self._character
        if found in _CLOSING.values() and found != _CLOSING[opened]:
            fix = f"write {_CLOSING[opened]} instead"
            return f"the {opened} of line {first + 1} is closed by a {found}", fix, self.at
        return "a comma is missing before this", "put a comma between the items", self.at

    def quote(self) -> Words:
        quote = self.lines[self.began[0]][self.began[1]]
        return (
            f"the quote {quote} is never closed",
            f"write the {quote} that is missing",
            self.began,
        )

    def after_value(self) -> Words:
        """Text where a value has ended."""
        line, column = self.at
        before = self.lines[line][:column].rstrip()
        if not before:
            return "this line is no 'key: value'", "write key: value", self.at
        if before.endswith(("'", '"')):
            fix = "put it all in quotes: a ' within '...' is written twice, '', or use \"...\""
            return "the text goes on after its closing quote", fix, self.at
        return "the value has ended before this", "begin it on a line of its own", self.at

    def no_value(self) -> Words:
        found = self._character
        if not found:
            fix = "write it, and the brackets that are missing"
            return "the text ends where a value is missing", fix, self.at
        what = f"a value or a key is missing before this {found}"
        return what, f"write it, or drop the {found}", self.at

    def item_beside_key(self) -> Words:
        fix = "write the list as [a, b], or each item on a line of its own"
        return "an item of a list (-) on the line of its key", fix, self.at

    def indentation(self) -> Words:
        above = self._above(self.at[0])
        fit = "fits no line" if above is None else f"fits neither line {above + 1} nor those"
        fix = "begin it in the same column as the lines that it belongs to"
        return f"this indentation {fit} above it", fix, self.at

    def mixed(self) -> Words:
        line = self.at[0]
        what = (
            "an item of a list (-) among keys" if self._is_item(line) else "a key among items (-)"
        )
        return what, "indent it, or the lines above, so that they are one list or mapping", self.at

    def closes_nothing(self) -> Words:
        found = self._character
        return f"the {found} closes nothing", "drop it", self.at

    def alias(self) -> Words:
        name = printable(str(self.error.problem).partition("'")[2].rstrip("'"))
        fix = f"put quotes around a text that begins with *, or define &{name} above"
        return f"*{name} stands for an anchor, and there is no &{name}", fix, self.at

    def escape(self) -> Words:
        line, column = self.at
        escape = printable(self.lines[line][column - 1 : column + 1])
        return f"{escape} means nothing within double quotes", "use single quotes", self.at

    def documents(self) -> Words:
        return "a second document begins here", "drop the ---, and keep one study a file", self.at

    def anchor_twice(self) -> Words:
        what = f"line {self.began[0] + 1} has an anchor (&) of that name already"
        return what, "rename one of them", self.at

    def block_text(self) -> Words:
        what = "after | or > a text begins on a line of its own"
        return what, "move it to the next line, indented, or put quotes around the value", self.at

    def _unspaced(self, line: int) -> Words | None:
        """A line whose colon or dash lacks its space."""
        written = self.lines[line]
        item = written.strip().removeprefix("- ")
        if fix := spacing_fix(item):
            mark = "dash" if fix.endswith("dash") else "colon"
            column = written.index("-" if mark == "dash" else ":", _indent(written))
            return f"a space is missing after the {mark}", fix, (line, column)
        return None

    def _above(self, line: int) -> int | None:
        """The line above that says something."""
        above = range(line - 1, -1, -1)
        return next((n for n in above if self.lines[n].split("#")[0].strip()), None)

    def _is_item(self, line: int) -> bool:
        return self.lines[line].lstrip().startswith("-")

    def _is_closed(self) -> bool:
        """Whether as many brackets are closed as are opened, from where it began."""
        line, column = self.began
        rest = "\n".join([self.lines[line][column:], *self.lines[line + 1 :]])
        bare = re.sub(r"'[^'\n]*'|\"[^\"\n]*\"|(^|\s)#.*", "", rest)
        depth = 0
        for bracket in re.findall(r"[\[\]{}]", bare):
            depth += 1 if bracket in "[{" else -1
            if not depth:
                return True
        return False


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


_WORDS: tuple[tuple[str, Callable[[_Syntax], Words | None]], ...] = (
    (r"found character '\\t'", _Syntax.tab),
    (r"that cannot start any token|while scanning an? (alias|anchor)", _Syntax.first_character),
    (r"could not find expected ':'", _Syntax.no_colon),
    (r"mapping values are not allowed", _Syntax.second_colon),
    (r"while parsing a flow (sequence|mapping): expected ',' or", _Syntax.bracket),
    (r"quoted scalar: found unexpected", _Syntax.quote),
    (r"expected <block end>, but found '(<scalar>|[\[{])'", _Syntax.after_value),
    (r"expected (<block end>|'<document start>'), but found '<block", _Syntax.indentation),
    (r"expected the node content|expected <block end>, but found '[:,]'", _Syntax.no_value),
    (r"sequence entries are not allowed", _Syntax.item_beside_key),
    (r"expected <block end>, but found '[?-]'", _Syntax.mixed),
    (r"expected <block end>, but found '[\]}]'", _Syntax.closes_nothing),
    (r"found undefined alias", _Syntax.alias),
    (r"found unknown escape character", _Syntax.escape),
    (r"but found another document", _Syntax.documents),
    (r"found duplicate anchor", _Syntax.anchor_twice),
    (r"while scanning a block scalar", _Syntax.block_text),
)
"""By what PyYAML says of it, which has no other way to tell its errors apart."""
