"""Console output: text that a terminal shows, and never obeys."""

import argparse
import difflib
import os
from collections.abc import Iterable
from typing import Any, NoReturn

import rich.text
from rich.console import Console

from ablate.text import printable_lines

UNLIMITED = 1_000_000
"""Columns of what is no terminal."""


class Text(rich.text.Text):
    """Text for the console; everything that is printed goes through here.

    Args:
        text: From any source: a label, a path, an exception's message.
        style: As in Rich.
    """

    def __init__(self, text: str = "", style: str = "") -> None:
        super().__init__(printable_lines(text), style)


def standard_output() -> Console:
    """Where commands print: as wide as the terminal, or as `COLUMNS` says.

    A file or a pipe has no width: there tables are whole, and no line is broken.
    """
    console = Console()
    has_width = console.is_terminal or console.is_jupyter or os.environ.get("COLUMNS", "").isdigit()
    if not has_width:
        console.width = UNLIMITED
    return console


class Arguments(argparse.ArgumentParser):
    """A parser whose messages are printed as such text, too, and that names what was meant."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._options: list[str] = []
        super().__init__(*arguments, **options)

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        """As the parent's, noting the names of options."""
        action = super().add_argument(*names, **settings)
        self._options += action.option_strings
        return action

    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, args: Any = None, namespace: Any = None
    ) -> Any:
        """As the parent's, but an argument that is not known is a mistake of this very command."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            meant = [nearest_text(word.partition("=")[0], self._options) for word in unknown]
            self.error(
                f"unrecognized arguments: {' '.join(unknown)}{''.join(dict.fromkeys(meant))}"
            )
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Prints a mistake, and exits with code 2."""
        super().error(printable_lines(message))


def nearest_text(word: str, names: Iterable[str]) -> str:
    """` (nearest: --plan)`, or nothing where no name is like the word."""
    matches = difflib.get_close_matches(word, list(names), n=1)
    return f" (nearest: {matches[0]})" if matches else ""
