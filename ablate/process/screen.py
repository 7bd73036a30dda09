"""Console output: text that a terminal shows, and never obeys."""

import argparse
from typing import NoReturn

import rich.text

from ablate.text import printable_lines


class Text(rich.text.Text):
    """Text for the console; everything that is printed goes through here.

    Args:
        text: From any source: a label, a path, an exception's message.
        style: As in Rich.
    """

    def __init__(self, text: str = "", style: str = "") -> None:
        super().__init__(printable_lines(text), style)


class Arguments(argparse.ArgumentParser):
    """A parser whose messages are printed as such text, too."""

    def error(self, message: str) -> NoReturn:
        """Prints a mistake, and exits with code 2."""
        super().error(printable_lines(message))
