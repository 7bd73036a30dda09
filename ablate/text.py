"""Text from outside: what people write, exceptions say and trainables print may hold anything.

Text that is kept is made `storable`, text that is shown `printable`, text for a stream `encodable`,
and commands to type are `quoted`: each once, where it crosses the boundary. `cause_of` tells
where in somebody's own code an exception came from, by the text of its traceback.
"""

import hashlib
import io
import os
import re
import shlex
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

Value = TypeVar("Value")

MAX_CAUSE = 300
"""Characters of a cause that is printed on one line."""

_FRAME = re.compile(r'\bFile "([^"\n]+)", line (\d+)')
_BEGIN = "Traceback (most recent call last)"
_HOME = Path(__file__).parents[1]
_OURS = ("ablate", "trainables")
_LIBRARY = re.compile(
    r"^<|[/\\](?:site|dist)-packages[/\\]|[/\\](?:lib|Lib)[/\\](?:(?:python|pypy)3[\d.]*[/\\])"
)
_STANDARD = tuple(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib"))
_UNSHOWN = (
    "\x00-\x1f\x7f-\x9f"  # controls: terminals obey them, XML allows few of them
    "\u2028\u2029"  # line ends, to some readers
    "\u202a-\u202e\u2066-\u2069"  # change the direction of what follows
    "\ud800-\udfff\ufffe\uffff"  # not characters: neither in UTF-8 nor in XML
)
_IN_A_LINE = re.compile(f"[{_UNSHOWN}]")
_IN_LINES = re.compile(f"(?![\n\t])[{_UNSHOWN}]")


def storable(value: Value) -> Value:
    r"""A value whose strings, at any depth, are UTF-8: lone surrogates become `\udcff`."""
    stored: Any = value
    if isinstance(value, str):
        plain = str.__str__(value)  # members of enumerations, too
        stored = plain if plain.isascii() else encodable(plain, "utf-8")
    elif isinstance(value, Mapping):
        stored = {storable(key): storable(item) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        items = [storable(item) for item in value]
        stored = tuple(items) if isinstance(value, tuple) else items
    return stored


def encodable(text: str, encoding: str | None) -> str:
    r"""Text with characters that an encoding lacks as escapes: `\xe9`, `\u2192`, `\udcff`."""
    encoding = encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def printable(text: str) -> str:
    r"""Text as one line that can be shown anywhere: controls become escapes, `\x1b`, `\n`."""
    return _IN_A_LINE.sub(_written_out, text)


def printable_lines(text: str) -> str:
    """As `printable`, but keeping lines and tabs."""
    return _IN_LINES.sub(_written_out, text.replace("\r\n", "\n"))


def shortened(text: str, length: int) -> str:
    """Text of at most `length` characters; longer text ends in a hash, so it stays distinct."""
    if len(text) <= length:
        return text
    digest = hashlib.sha256(storable(text).encode()).hexdigest()[:8]
    return f"{text[: length - 9]}…{digest}"


def first_line(text: str) -> str:
    """The first line of a message, shortened."""
    line = next(iter(text.split("\n", 1)), "").rstrip()
    return printable(line if len(line) <= MAX_CAUSE else f"{line[: MAX_CAUSE - 1]}…")


def cause_of(kind: str | None, message: str | None, trace: str | None) -> str:
    """Why a run failed, and where: `ValueError: not a number (my_nets.py:12)`.

    The place ends the first line, which is shortened for it where it has to be.

    Args:
        kind: The exception's name.
        message: What it said.
        trace: The text of its traceback, if there is one.
    """
    cause = ": ".join(filter(None, [kind, message]))
    place = own_place(trace or "", message or "")
    line, newline, rest = cause.partition("\n")
    if not place or place in line or place.replace(":", ", line ") in line:
        return cause
    room = MAX_CAUSE - len(place) - len(" ()")
    line = line if len(line) <= room else f"{line[: room - 1]}…"
    return f"{line} ({place}){newline}{rest}"


def told_error(error: BaseException) -> str:
    """An exception on one line, with its place."""
    trace = "".join(traceback.format_exception(error))
    return first_line(cause_of(type(error).__name__, message_of(error), trace))


def own_place(trace: str, message: str = "") -> str:
    """The file and line of the last call in code that is neither a library's nor Ablate's.

    Args:
        trace: The text of a traceback, or several.
        message: What was raised, which tells its traceback from those of other processes.
    """
    blocks = trace.split(_BEGIN)
    line = message.partition("\n")[0]
    ends = [number for number, block in enumerate(blocks) if line and line in block]
    for block in reversed(blocks[: ends[-1] + 1 if ends else len(blocks)]):  # then its causes
        if own := [place for place in _places(block) if not _is_foreign(place[0])]:
            file, number = own[-1]
            return f"{Path(file).name}:{number}"
    return ""


def _places(block: str) -> Iterator[tuple[str, str]]:
    return ((found[1], found[2]) for found in _FRAME.finditer(block))


def _is_foreign(file: str) -> bool:
    """Whether a file is of a library, of Python or of Ablate, wherever that is installed."""
    if _LIBRARY.search(file) or file.startswith(_STANDARD):
        return True
    return any((_HOME / name / file.rpartition(f"/{name}/")[2]).is_file()
               for name in _OURS if f"/{name}/" in file)  # fmt: skip


def message_of(error: BaseException) -> str:
    """An exception's message."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a custom `__str__` may raise anything
        return "its message could not be read: __str__ failed"


def without_middle(text: str, length: int) -> str:
    """Text of at most about `length` characters: longer text loses its middle."""
    if len(text) <= length:
        return text
    half = length // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"


def some(words: Sequence[str], most: int = 5, between: str = ", ") -> str:
    """The first few of many words, with commas between, or something else."""
    return between.join([*words[:most], *["..."] * (len(words) > most)])


def num_runs(number: int) -> str:
    """`1 run`, `2 runs`."""
    return f"{number} run{'s' if number != 1 else ''}"


def seeds_text(number: int) -> str:
    """`1 seed`, `2 seeds`."""
    return f"{number} seed{'s' if number != 1 else ''}"


def quoted(words: Sequence[str | os.PathLike[str]]) -> str:
    """A command line that a shell splits into exactly these words."""
    return " ".join(_quoted(os.fspath(word)) for word in words)


def tolerate_all_text() -> None:
    """Lets the terminal's streams escape characters that their encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # they may have been replaced
            stream.reconfigure(errors="backslashreplace")


def _written_out(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def _quoted(word: str) -> str:
    if printable(word) == word:
        return shlex.quote(word)
    # Unprintable words are escaped byte by byte, as bash, zsh and ksh read them.
    escaped = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in "\\'" else f"\\x{byte:02x}"
        for byte in os.fsencode(word)
    )
    return f"$'{escaped}'"
