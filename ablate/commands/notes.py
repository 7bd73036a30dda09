"""What a plan says of a command that somebody may not have thought of."""

import re
from collections.abc import Iterator

from ablate.commands.spec import Command, line_text
from ablate.text import shortened

MAX_SHOWN = 60
_SCRIPT = re.compile(r"[\w./\-]+\.(?:py|sh)\b")


def command_notes(command: Command) -> Iterator[str]:
    """How runs of a command go on, and what of it nobody checks."""
    if command.resume is None:
        yield (
            f"runs of {name_of(command)} that are cut off by a crash or a preemption begin again; "
            "with `checkpoint` and `resume` they go on"
        )


def name_of(command: Command) -> str:
    """A command for people: its name, or its script's."""
    line = line_text(command.command)
    script = _SCRIPT.search(line)
    return command.name or (script[0] if script else shortened(line, MAX_SHOWN))
