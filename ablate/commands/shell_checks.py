"""Where a shell's exit code is not that of the training that it starts."""

import re
import shlex
from collections.abc import Iterator

from ablate.commands.spec import Line
from ablate.commands.template import TemplateError, parts_of, plain_words, shell_script
from ablate.errors import Problem

_TRAINS = re.compile(r"\{(?:seed|overrides|config)\}")
_ONLY_SETS = re.compile(r"(?:export\s|\w+=\S*$)")
_CLOSE = frozenset({"", "fi", "done", "esac", ")", "}", "}}"})
"""What may follow the last command of a script, and has its exit code."""
_REDIRECTS = re.compile(r"\d*>&\d+|&>>?")
_STOPS = re.compile(r"\bset\s+-[a-z]*e|\bset\s+-o\s+errexit|\bexit\s+[\"']?\$")
"""Also `exit $?`, and `exit $code` of a code that was kept."""
_LOOKS_INTO_PIPES = re.compile(r"\bpipefail\b|\bPIPESTATUS\b")


def exit_code_problems(key: str, line: Line) -> Iterator[Problem]:
    """A crash that would pass as success: `python train.py | tee log`, `python train.py; echo`.

    Args:
        key: Where the line is in the YAML.
        line: The line.
    """
    try:
        words = plain_words(line)
        at = shell_script([parts_of(word) for word in words])
    except TemplateError:
        return  # which is told elsewhere
    script = "" if at is None else words[at]
    parts = list(_parts(script))
    for number, (part, operator) in enumerate(parts):
        is_last = {text for text, _ in parts[number + 1 :]} <= _CLOSE
        if is_last or not _TRAINS.search(part) or _ONLY_SETS.match(part):
            continue
        told = "the exit code is that of what comes after it, so that a crash would pass as success"
        if operator in ("|", "|&") and not _LOOKS_INTO_PIPES.search(script):
            yield Problem(key, f"has a | after the training: {told}", part,
                          fix="begin the script of bash with: set -o pipefail;")  # fmt: skip
        elif operator in (";", "\n") and not _STOPS.search(script):
            yield Problem(key, f"goes on after the training: {told}", part,
                          fix="begin the script with: set -e;")  # fmt: skip


def _parts(script: str) -> Iterator[tuple[str, str]]:
    """The commands of a script, each with the operator after it."""
    script = _REDIRECTS.sub(" ", script)
    lexer = shlex.shlex(script, posix=False, punctuation_chars="|&;\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    part: list[str] = []
    try:
        for token in lexer:
            if token.strip("|&;\n"):
                part.append(token)
            else:
                yield " ".join(part), token[:1] if set(token) <= {"\n", ";"} else token
                part = []
    except ValueError:  # an open quote, which the shell itself tells
        return
    yield " ".join(part), ""
