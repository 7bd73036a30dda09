"""What to type to go on with a study that did not come to its end."""

import argparse

from ablate.spec.models import Study
from ablate.study_dir import as_seen_from_here
from ablate.text import quoted

_KEPT = (
    "--local",
    "--only",
    "--accept-changed-data",
    "--address",
    "--backend",
    "--wait-for-lock",
    "--trust-owner",
)
"""Options that the study directory does not remember."""
_BEGUN = ("--set", "--storage", "--pack", "--wandb-project", "--smoke", "--retry-failed", "--fresh")
"""Options that are done with once the study directory knows of them."""


def resume_command(arguments: argparse.Namespace, study: Study, has_begun: bool) -> str:
    """The command, quoted for the shell.

    Args:
        arguments: What was typed.
        study: The study that it named.
        has_begun: Whether the study directory knows what was asked for; else all is typed again.
    """
    if has_begun:
        words = ["--resume", str(as_seen_from_here(study.directory)), *_typed(arguments, _KEPT)]
        words += _of_tracking(arguments)
    else:
        resumed = arguments.resume is not None
        source = ["--resume", str(arguments.resume)] if resumed else [str(arguments.grid)]
        words = [*source, *_typed(arguments, _BEGUN + _KEPT)]
    return quoted(["python", "-m", "ablate.run", *words])


def _of_tracking(arguments: argparse.Namespace) -> list[str]:
    """Where to track is asked for by each command anew."""
    words = _typed(arguments, ("--wandb-project",))
    for override in arguments.set:
        if override.startswith(("tracking.", "tracking=")):
            words += ["--set", override]
    return words


def _typed(arguments: argparse.Namespace, options: tuple[str, ...]) -> list[str]:
    """The options among some that were given, with their values."""
    words: list[str] = []
    for option in options:
        value = getattr(arguments, option.removeprefix("--").replace("-", "_"))
        if option == "--local":
            value = value or arguments.pdb
        if value is True:
            words.append(option)
        elif value not in (None, False):
            values = value if isinstance(value, list) else [value]
            words += [word for one in values for word in (option, str(one))]
    return words
