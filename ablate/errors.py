"""What can go wrong through no fault of a run, told once and in full."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MISSING = object()
"""Stands for no value, where None is one."""


@dataclass(frozen=True)
class Problem:
    """One mistake in the input: where it is, what is wrong, what would do, and the fix."""

    key: str
    message: str
    value: object = MISSING
    choices: tuple[str, ...] = ()
    fix: str = ""

    @property
    def nearest(self) -> str | None:
        """The valid choice that resembles the value most."""
        if self.value is MISSING or not self.choices:
            return None
        found = difflib.get_close_matches(str(self.value), self.choices, n=1, cutoff=0.5)
        return found[0] if found else None

    def __str__(self) -> str:
        told = self.value is MISSING or self.key.endswith(str(self.value))
        shown = "" if told else f" = {self.value!r}"
        lines = [f"  {self.key}{shown}: {self.message}"]
        if self.choices:
            nearest = f" (nearest: {self.nearest})" if self.nearest else ""
            lines.append(f"      choices: {', '.join(self.choices)}{nearest}")
        fix = self.fix or (f"write {self.nearest}" if self.nearest else "")
        if fix:
            lines.append(f"      fix: {fix}")
        return "\n".join(lines)


class AblateError(Exception):
    """Something the user can put right; printed without a traceback, exit code 2."""


class InputError(AblateError):
    """Every mistake of one input at once."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems: Sequence[Problem] = tuple(problems)
        super().__init__(source, self.problems)

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"{self.source}: {count} mistake{'s' if count != 1 else ''}"
        return "\n\n".join([head, *map(str, self.problems)])


class StudyInUseError(AblateError):
    """Another driver works on the study directory."""


class ClusterGoneError(AblateError):
    """The cluster of a running study is gone."""
