"""`${NAME}` in paths: what the environment says, when a path is made absolute."""

import os
import re
from collections.abc import Iterator

from ablate.errors import AblateError, Problem

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")


def expand(written: str) -> str:
    """A path with its `${NAME}` replaced; any other `$` is one of a file's name.

    Raises:
        AblateError: If the environment has no such name.
    """
    for problem in unset_problems("path", written):
        raise AblateError(f"{written}: {problem.message}")
    return _VARIABLE.sub(lambda found: os.environ[found[1]], written)


def unset_problems(key: str, written: object) -> Iterator[Problem]:
    """What a path names that the environment does not have.

    Args:
        key: Where the path is written.
        written: The path, or what stands in its place.
    """
    if not isinstance(written, str):
        return
    unset = [name for name in dict.fromkeys(_VARIABLE.findall(written)) if name not in os.environ]
    if unset:
        names, have = ", ".join(unset), "is" if len(unset) == 1 else "are"
        yield Problem(key, f"{names} {have} not set in the environment", written,
                      fix=f"set {names} before the command, or write the path in full")  # fmt: skip
