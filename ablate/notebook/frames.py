"""Tables as frames of pandas or polars, whichever is installed."""

import importlib
from typing import Any, Literal

from ablate.errors import InputError, Problem
from ablate.ledger.parquet_files import Columns, table_of

Kind = Literal["pandas", "polars"]
KINDS: tuple[Kind, ...] = ("pandas", "polars")
"""The first that is installed is the default."""


def frame_of(columns: Columns, kind: Kind | None = None) -> Any:
    """Columns as a frame.

    Args:
        columns: The columns.
        kind: Whose frame; by default that of pandas, or of polars where only that is installed.

    Raises:
        InputError: If that is not installed, or no kind of frame.
    """
    if kind is not None and kind not in KINDS:
        raise InputError("frame", [Problem("kind", "is no kind of frame", kind, KINDS)])
    found = next((name for name in (KINDS if kind is None else (kind,)) if _is_there(name)), None)
    if found is None:
        message = "is not installed" if kind else "neither pandas nor polars is installed"
        fix = f"pip install {kind or 'pandas'}"
        raise InputError("frame", [Problem("kind", message, kind, fix=fix)])
    table = table_of(columns)
    if found == "pandas":
        return table.to_pandas()
    return importlib.import_module("polars").from_arrow(table)


def _is_there(library: str) -> bool:
    try:
        importlib.import_module(library)
    except ImportError:
        return False
    return True
