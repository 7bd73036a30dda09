"""What to type to go on with a study that did not come to its end."""

import argparse
from pathlib import Path

from ablate.paths import StudyPaths
from ablate.study import Study
from ablate.text import quoted

_KEPT = (
    "--local",
    "--only",
    "--accept-changed-data",
    "--address",
    "--wait-for-lock",
    "--trust-owner",
)
"""Options that the study directory does not remember."""
_BEGUN = ("--set", "--storage", "--pack", "--wandb-project", "--smoke", "--retry-failed", "--fresh")
"""Options that are done with once the study directory is there."""


def command_to_go_on(arguments: argparse.Namespace, study: Study) -> str:
    """The command, quoted for the shell.

    Args:
        arguments: What was typed.
        study: The study that it named.
    """
    root = study.directory
    if arguments.resume is None and not StudyPaths(root).study_yaml.exists():
        words = [str(arguments.grid), *_typed(arguments, _BEGUN + _KEPT)]
    else:
        words = ["--resume", str(as_seen_from_here(root)), *_typed(arguments, _KEPT)]
    return quoted(["python", "-m", "ablate.run", *words])


def as_seen_from_here(path: Path) -> Path:
    """A path relative to the working directory, where that is shorter."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


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
