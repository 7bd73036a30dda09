"""Environment variables for as long as a launch lasts; afterwards the caller's are back."""

import contextlib
import os
from collections.abc import Callable, Generator, Mapping


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Generator[None]:
    """Sets variables for what is started within; those that the user has set stay."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def kept_environment() -> Generator[Callable[[], None]]:
    """Reverts variables that are set during a start, by us or by a library.

    Yields:
        Ends the start: what others set from then on, in other threads say, is theirs and stays.
    """
    before, after = dict(os.environ), dict[str, str]()
    try:
        yield lambda: after.update(os.environ)
    finally:
        set_within = after or dict(os.environ)
        for name in before.keys() | set_within.keys():
            was, became = before.get(name), set_within.get(name)
            if was != became == os.environ.get(name):
                _set(name, was)


def _set(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
