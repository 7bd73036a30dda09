"""What people see in a terminal: text that a terminal shows, and never obeys."""

import argparse
from typing import NoReturn

import rich.text

from ablate.text import printable_lines


class Text(rich.text.Text):
    """Text for the console; everything that is printed goes through here.

    Args:
        text: Of any origin: a label, a path, an exception's message.
        style: Rich's.
    """

    def __init__(self, text: str = "", style: str = "") -> None:
        super().__init__(printable_lines(text), style)


class Arguments(argparse.ArgumentParser):
    """A parser whose complaints about the command line are text, too."""

    def error(self, message: str) -> NoReturn:
        """Tells a mistake, and ends with exit code 2."""
        super().error(printable_lines(message))
