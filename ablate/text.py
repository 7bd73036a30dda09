"""Text from outside: what people write, exceptions say and trainables print may hold anything.

What is kept is made `storable`, what is shown is made `printable`, what a stream gets is made
`encodable`, what is to be typed again is `quoted`: each once, where it crosses the boundary.
"""

import hashlib
import io
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

Value = TypeVar("Value")

MAX_CAUSE = 300
"""Characters of a cause that is told in one line."""

_UNSHOWN = (
    "\x00-\x1f\x7f-\x9f"  # controls: terminals obey them, XML holds few of them
    "\u2028\u2029"  # ends of lines, to some readers
    "\u202a-\u202e\u2066-\u2069"  # turn the direction of what follows
    "\ud800-\udfff\ufffe\uffff"  # no characters: in no UTF-8, in no XML
)
_IN_A_LINE = re.compile(f"[{_UNSHOWN}]")
_IN_LINES = re.compile(f"(?![\n\t])[{_UNSHOWN}]")


def storable(value: Value) -> Value:
    r"""A value whose strings, also those inside, are UTF-8: lone surrogates become `\udcff`."""
    stored: Any = value
    if isinstance(value, str):
        plain = str.__str__(value)  # also of a member of an enumeration
        stored = plain if plain.isascii() else encodable(plain, "utf-8")
    elif isinstance(value, Mapping):
        stored = {storable(key): storable(item) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        items = [storable(item) for item in value]
        stored = tuple(items) if isinstance(value, tuple) else items
    return stored


def encodable(text: str, encoding: str | None) -> str:
    r"""Text with what an encoding does not have written out: `\xe9`, `\u2192`, `\udcff`."""
    encoding = encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def printable(text: str) -> str:
    r"""Text as one line that can be shown anywhere: controls are written out, `\x1b`, `\n`."""
    return _IN_A_LINE.sub(_written_out, text)


def printable_lines(text: str) -> str:
    """As `printable`, but of several lines, with their tabs."""
    return _IN_LINES.sub(_written_out, text.replace("\r\n", "\n"))


def shortened(text: str, length: int) -> str:
    """Text of at most some characters; what is too long ends in a hash, so it stays distinct."""
    if len(text) <= length:
        return text
    digest = hashlib.sha256(storable(text).encode()).hexdigest()[:8]
    return f"{text[: length - 9]}…{digest}"


def first_line(text: str) -> str:
    """The beginning of a message, for a line of its own."""
    line = next(iter(text.split("\n", 1)), "").rstrip()
    return printable(line if len(line) <= MAX_CAUSE else f"{line[: MAX_CAUSE - 1]}…")


def message_of(error: BaseException) -> str:
    """What an exception says."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - somebody's own `__str__` may raise anything
        return "its message could not be read: __str__ failed"


def without_middle(text: str, length: int) -> str:
    """Text of about some characters at most: its beginning and its end."""
    if len(text) <= length:
        return text
    half = length // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"


def some(words: Sequence[str], most: int = 5, between: str = ", ") -> str:
    """The first few of many words, with commas between, or something else."""
    return between.join([*words[:most], *["..."] * (len(words) > most)])


def quoted(words: Sequence[str | os.PathLike[str]]) -> str:
    """A command line that a shell takes apart into just these words."""
    return " ".join(_quoted(os.fspath(word)) for word in words)


def tolerate_all_text() -> None:
    """Lets the terminal's streams write out what their encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not where somebody has put something else
            stream.reconfigure(errors="backslashreplace")


def _written_out(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _quoted(word: str) -> str:
    if printable(word) == word:
        return shlex.quote(word)
    # What cannot be shown goes byte by byte, as bash, zsh and ksh read it.
    escaped = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in "\\'" else f"\\x{byte:02x}"
        for byte in os.fsencode(word)
    )
    return f"$'{escaped}'"
