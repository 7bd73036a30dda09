"""A command line with placeholders: its words, and what each is made of."""

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

from ablate.commands.spec import Line

VARIABLE = re.compile(r"\$\{([A-Z_][A-Z0-9_]*)\}")
"""`${NAME}` of the environment, in a path or in the script of a shell: no placeholder."""
_TOKEN = re.compile(
    rf"(?P<variable>{VARIABLE.pattern})|"
    r"(?P<brace>\{\{|\}\})|\{(?P<name>[^{}]+)\}|(?P<lone>[{}])"
)
_CONTINUED = re.compile(r"\\\n|(?<!\S)\\\s")
"""The end of a line that goes on, as shells have it, also where YAML has folded the lines."""
_SHELLS = frozenset({"sh", "bash", "dash", "ksh", "zsh"})


class TemplateError(ValueError):
    """A command line that cannot be read.

    Args:
        message: What is wrong with it.
        fix: What to write instead.
    """

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


@dataclass(frozen=True)
class Placeholder:
    """A name in braces: a key of the config, or a word of Ablate's own."""

    name: str


Part = str | Placeholder
Word = tuple[Part, ...]
"""One argument: texts and placeholders in turn."""


def words_of(line: Line) -> list[Word]:
    """The words of a command line, split before any placeholder is filled.

    Raises:
        TemplateError: If a quote or a brace is not closed.
    """
    return [parts_of(word) for word in plain_words(line)]


def plain_words(line: Line) -> list[str]:
    """The words of a command line as written."""
    if not isinstance(line, str):
        return list(line)
    try:
        return shlex.split(_CONTINUED.sub("", line))
    except ValueError as error:
        message = f"cannot be split into words: {str(error).lower()}"
        raise TemplateError(message, "close the quotation, or write a list of words") from error


def parts_of(text: str) -> Word:
    """The texts and placeholders of a text; `{{` and `}}` are braces, `${NAME}` stays as it is.

    Raises:
        TemplateError: If a brace is not closed.
    """
    parts: list[Part] = []
    for part in _tokens(text):
        if isinstance(part, str) and parts and isinstance(parts[-1], str):
            parts[-1] += part
        else:
            parts.append(part)
    return tuple(parts)


def names_in(words: Iterable[Word]) -> list[str]:
    """The placeholders of words, each once."""
    return list(dict.fromkeys(
        part.name for word in words for part in word if isinstance(part, Placeholder)
    ))  # fmt: skip


def shell_script(words: list[Word]) -> int | None:
    """The position of the script in `bash -c SCRIPT`; None where no shell is called."""
    first = words[0][0] if words and len(words[0]) == 1 else ""
    if not isinstance(first, str) or PurePath(first).name not in _SHELLS:
        return None
    for position, word in enumerate(words[1:], 1):
        text = word[0] if word else ""
        if not isinstance(text, str) or not text.startswith("-"):
            return None
        if re.fullmatch(r"-[a-z]*c", text):
            return position + 1 if position + 1 < len(words) else None
    return None


def _tokens(text: str) -> Iterator[Part]:
    end = 0
    for match in _TOKEN.finditer(text):
        if match.start() > end:
            yield text[end : match.start()]
        end = match.end()
        if match["lone"]:
            raise TemplateError(
                f"has a {match['lone']} that is no placeholder's, in {_around(text, match)!r}",
                "write {key} for a key of the config, and {{ or }} for a brace itself",
            )
        literal = match["variable"] or (match["brace"] or "")[:1]
        yield literal or Placeholder(match["name"])
    if end < len(text):
        yield text[end:]


def _around(text: str, match: re.Match[str]) -> str:
    return text[max(0, match.start() - 10) : match.end() + 10]
