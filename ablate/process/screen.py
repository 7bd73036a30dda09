"""Console output: text that a terminal shows, and never obeys."""

import argparse
import os
from typing import NoReturn

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
    """A parser whose messages are printed as such text, too."""

    def error(self, message: str) -> NoReturn:
        """Prints a mistake, and exits with code 2."""
        super().error(printable_lines(message))
