"""Errors that are no run's fault, each reported once and in full."""

import difflib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ablate.text import printable, shortened

CLUSTER_GONE = 4
"""The exit code if the cluster of a running study is gone."""
INTERRUPTED = 130
"""The exit code of a command that was interrupted."""
MAX_VALUE = 300
"""Characters of a wrong value that are printed."""
MAX_NAMED = 4
"""Keys, or lines, of one mistake that are named."""
MAX_MISTAKES = 50
"""Mistakes of one input that are printed; the others are counted."""
MAX_CHOICES = 60
"""Valid choices that are printed; the nearest is searched among up to ten times as many."""
EXCERPT = 72
"""Characters of a line that are shown."""
MISSING = object()
"""Stands for no value, since None may be one."""


@dataclass(frozen=True)
class Location:
    """Where something is written: a line of a file, or an option of the command line.

    Attributes:
        line: Counted from 1; 0 for an option.
        column: Counted from 1; 0 where it does not matter.
        option: As typed: `--set base.lr=x`.
        excerpt: The line itself, where it is shown with a caret below the column.
        key: What is written there, if it is not the problem's own key but a further one.
    """

    line: int = 0
    column: int = 0
    option: str = ""
    excerpt: str = ""
    key: str = ""

    @property
    def is_known(self) -> bool:
        """Whether it is more than the name of a key."""
        return bool(self.line or self.option)

    def __str__(self) -> str:
        column = f", column {self.column}" if self.excerpt else ""
        return printable(shortened(self.option, MAX_VALUE)) or f"line {self.line}{column}"

    @property
    def shown(self) -> list[str]:
        """The line with a caret; nothing where it is not to be shown."""
        if not self.excerpt:
            return []
        start = max(0, self.column - 1 - EXCERPT // 2)
        before = printable(self.excerpt[start : self.column - 1])
        after = printable(self.excerpt[self.column - 1 : start + EXCERPT])
        margin = f"{self.line:>6} | "
        return [f"{margin}{before}{after}".rstrip(), f"{'|':>8} {' ' * len(before)}^"]


@dataclass(frozen=True)
class Problem:
    """One mistake in the input: where it is, what is wrong, the valid choices, and the fix.

    Attributes:
        key: The key that has the value, as a dotted name from the top of the file.
        message: What is wrong, said of the key.
        value: The wrong value.
        choices: The valid ones.
        fix: What to write instead.
        locations: Where it is written, as far as is known, and where the further keys are that
            make the mistake together with the first.
    """

    key: str
    message: str
    value: object = MISSING
    choices: tuple[str, ...] = ()
    fix: str = ""
    locations: tuple[Location, ...] = ()

    def of_keys(self, *keys: str) -> "Problem":
        """The problem, told of some keys: its own first, then further ones."""
        first, *others = dict.fromkeys(keys or (self.key,))
        return replace(self, key=first, locations=tuple(Location(key=key) for key in others))

    @property
    def others(self) -> tuple[str, ...]:
        """Further keys that make the mistake together with the first."""
        return tuple(dict.fromkeys(place.key for place in self.locations if place.key))

    @property
    def is_about_key(self) -> bool:
        """Whether the key itself is wrong, not its value."""
        return self.value is MISSING or self.key.endswith(str(self.value))

    @property
    def nearest(self) -> str | None:
        """The valid choice most similar to the value."""
        if self.value is MISSING or not self.choices or len(self.choices) > 10 * MAX_CHOICES:
            return None
        matches = difflib.get_close_matches(str(self.value), self.choices, n=1, cutoff=0.5)
        return matches[0] if matches else None

    @property
    def _where(self) -> str:
        """`line 4`, `lines 4 and 5`, `--set base.lr=x`."""
        lines = [str(place.line) for place in self.locations if place.line and not place.excerpt]
        others = [str(place) for place in self.locations if place.option or place.excerpt]
        several = "s" * (len(set(lines)) > 1)
        return _listed([*[f"line{several} {_listed(lines)}"] * bool(lines), *others])

    def __str__(self) -> str:
        value_text = "" if self.is_about_key else f" = {shortened(repr(self.value), MAX_VALUE)}"
        names = f"{_listed([self.key, *self.others])}{value_text}"
        told = filter(None, [self._where, names, self.message])
        lines = [f"  {': '.join(told)}"]
        lines += [line for location in self.locations for line in location.shown]
        if self.choices:
            nearest = f" (nearest: {printable(self.nearest)})" if self.nearest else ""
            more = len(self.choices) - MAX_CHOICES
            names = [*map(printable, self.choices[:MAX_CHOICES]), *[f"{more} more"] * (more > 0)]
            lines.append(f"      choices: {', '.join(names)}{nearest}")
        fix = self.fix or (f"write {self.nearest}" if self.nearest else "")
        if fix:
            lines.append(f"      fix: {fix}")
        return "\n".join(lines)


def _listed(names: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`; of many the first."""
    *most, last = [printable(name) for name in dict.fromkeys(names)] or [""]
    if len(most) >= MAX_NAMED:
        most, last = most[:MAX_NAMED], f"{len(most) + 1 - MAX_NAMED} more"
    return " and ".join(filter(None, [", ".join(most), last]))


class AblateError(Exception):
    """Something the user can fix; printed without a traceback."""

    exit_code = 2


class StorageError(AblateError):
    """The study's own storage failed: full, read-only, gone. No run's fault.

    Args:
        path: The file that could not be read or written.
        reason: What the file system says.
    """

    exit_code = 3

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason
        self.command = ""
        """The command that resumes the study, if the caller knows it."""

    @classmethod
    def of(cls, error: OSError, path: Path) -> "StorageError":
        """An error of the operating system as a storage error.

        Args:
            error: What was raised.
            path: The file, if the error names none.
        """
        return cls(file_of(error) or str(path), reason_of(error))

    def __str__(self) -> str:
        lines = [
            f"the study's storage failed: {self.path}: {self.reason}",
            "  what was recorded until then is kept, and no run counts as failed because of it",
        ]
        if self.command:
            lines.append(f"  once it is writable again, resume with:\n    {self.command}")
        return "\n".join(lines)


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """An error and those behind it."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def file_of(error: OSError) -> str:
    """The file that an error names, `` for none."""
    name = error.filename
    return os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else ""


def reason_of(error: OSError) -> str:
    """The operating system's message, without number and file."""
    return os.strerror(error.errno) if error.errno else str(error) or type(error).__name__


class InputError(AblateError):
    """Every mistake of one input at once."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems: Sequence[Problem] = tuple(problems)
        super().__init__(source, self.problems)

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"{self.source}: {count} mistake{'s' if count != 1 else ''}"
        more = [f"  ... and {count - MAX_MISTAKES} more"] * (count > MAX_MISTAKES)
        return "\n\n".join([head, *map(str, self.problems[:MAX_MISTAKES]), *more])


class StudyInUseError(AblateError):
    """Another driver works on the study directory."""


class AnotherQuestionError(AblateError):
    """A study asks another question than that of the results in its directory."""


class ClusterGoneError(AblateError):
    """The cluster of a running study is gone."""

    exit_code = CLUSTER_GONE
