"""Writes values of a config for the script that receives them: argparse, or Hydra."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from ablate.dotted import spelling

_BARE = re.compile(r"[A-Za-z_/.][\w/.\-]*", re.ASCII)
"""Strings that Hydra reads as they are, unless they are words of its own."""
_OWN_WORDS = frozenset({"null", "true", "false", "nan", "inf"})
_KEY_ESCAPES = re.compile(r"[\\()\[\]{}:=, \t]")


def plain_text(value: Any) -> str:
    """A value within a word of a command line, for argparse and what else scripts use.

    Python's own spelling: `True`, `None`, and numbers that read back as they were; items of a list
    with commas between them, a mapping as JSON.
    """
    if isinstance(value, Mapping):
        return json.dumps(value)
    if isinstance(value, list | tuple):
        return ",".join(plain_text(item) for item in value)
    return repr(value) if isinstance(value, float) else str(value)


def plain_words(value: Any) -> list[str]:
    """A value that is a whole word: items of a list are words of their own."""
    if isinstance(value, list | tuple):
        return [plain_text(item) for item in value]
    return [plain_text(value)]


def flag_words(key: str, value: Any) -> list[str]:
    """A key with its value as argparse takes them: `--lr 0.1`, `--xs 1 2 3`.

    `true` is `--amp` and `false` is no flag, as with `store_true`; null is no flag either: the
    script's own default holds.
    """
    if value is None or value is False:
        return []
    if value is True:
        return [f"--{key}"]
    words = plain_words(value)
    # `--x -1e-05` would be read as two flags.
    if len(words) == 1 and words[0].startswith("-"):
        return [f"--{key}={words[0]}"]
    return [f"--{key}", *words]


def hydra_text(value: Any) -> str:
    """A value in the grammar of Hydra's overrides, without blanks."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        pairs = (f"{_hydra_key(key)}:{hydra_text(item)}" for key, item in value.items())
        return f"{{{','.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(hydra_text, value))}]"
    return str(value) if isinstance(value, int) else hydra_string(str(value))


def hydra_string(text: str) -> str:
    """A string in Hydra's grammar: in quotes where it could be read as something else."""
    if _BARE.fullmatch(text) and text.lower() not in _OWN_WORDS and not _is_number(text):
        return text
    # Backslashes count only in front of a quote: before one of the text, or the closing one.
    escaped = re.sub(r"(\\*)(')", lambda m: f"{m[1] * 2}\\{m[2]}", text)
    escaped = re.sub(r"(\\+)$", lambda m: m[1] * 2, escaped)
    return f"'{escaped}'"


def _hydra_key(key: Any) -> str:
    return _KEY_ESCAPES.sub(lambda match: f"\\{match[0]}", spelling(key))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
