"""The types of rows, and the errors about rows that cannot be used."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ablate.trainable.contract import ConfigError

Floats = NDArray[np.float32]
"""(rows, dim)."""
Numbers = NDArray[np.intp]
"""Numbers of rows, from 0."""
ROWS_NAMED = 10
"""How many bad rows of a kind an error names."""


class DataError(ConfigError):
    """The data cannot be trained on; the message says where and why.

    Args:
        message: What is wrong.
        *keys: The config keys that have the wrong values, by default `data.path`.
    """

    def __init__(self, message: str, *keys: str) -> None:
        super().__init__(message, keys=keys or ("data.path",))


def single_precision(values: NDArray[np.floating]) -> tuple[Floats, dict[str, Numbers]]:
    """Values in the precision they are trained in.

    Returns:
        The values in float32, and the positions of unusable ones by kind.
    """
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    places = np.flatnonzero(~np.isfinite(single))
    finite = np.isfinite(values.reshape(-1)[places])
    return single, {"not finite": places[~finite], "beyond float32": places[finite]}


def bad_rows_text(bad: Mapping[str, Numbers], num_rows: int) -> str:
    """All bad rows in words; empty if there are none.

    Args:
        bad: Row numbers by what is wrong with them; repeats are allowed.
        num_rows: How many rows there are.
    """
    kinds = {kind: np.unique(rows) for kind, rows in bad.items() if len(rows)}
    if not kinds:
        return ""
    count = len(np.unique(np.concatenate(list(kinds.values()))))
    named = "; ".join(f"{len(rows)} {kind} ({first_numbers(rows)})" for kind, rows in kinds.items())
    return f"{count} of {num_rows} rows cannot be used, numbered from 0: {named}"


def first_numbers(rows: Numbers) -> str:
    """Numbers of rows, and how many more there are."""
    more = f" and {len(rows) - ROWS_NAMED} more" if len(rows) > ROWS_NAMED else ""
    return ", ".join(str(row) for row in rows[:ROWS_NAMED]) + more
