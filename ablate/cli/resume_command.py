"""The command that resumes a study which did not finish."""

import argparse

from ablate.spec.models import Study
from ablate.study_dir import as_seen_from_here
from ablate.text import quoted

_KEPT = (
    "--local",
    "--only",
    "--reuse",
    "--accept-changed-data",
    "--address",
    "--backend",
    "--wait-for-lock",
    "--trust-owner",
)
"""Options that the study directory does not store."""
_BEGUN = (
    "--set",
    "--storage",
    "--pack",
    "--wandb-project",
    "--smoke",
    "--go",
    "--retry-failed",
    "--fresh",
    "--same-study",
)
"""Options that are no longer needed once the study directory has taken them up."""


def resume_command(arguments: argparse.Namespace, study: Study, has_begun: bool) -> str:
    """The command, quoted for the shell.

    Args:
        arguments: As typed.
        study: The study that they name.
        has_begun: Whether the study directory has taken them up; else they are all repeated.
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
    """The options that say where to track, which every command needs again."""
    words = _typed(arguments, ("--wandb-project",))
    for override in arguments.set:
        if override.startswith(("tracking.", "tracking=")):
            words += ["--set", override]
    return words


def _typed(arguments: argparse.Namespace, options: tuple[str, ...]) -> list[str]:
    """Those of some options that were given, with their values."""
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
