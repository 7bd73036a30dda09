"""Plain values of what others measured: numbers of any library, names of any depth."""

import math
from collections.abc import Iterator, Mapping
from typing import Any


def plain_number(value: Any) -> float | None:
    """A number, also of NumPy or torch; None for anything else."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:  # Python's integers have no limit
        return math.inf if value > 0 else -math.inf


def joined(values: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested values by joined names, as Tune flattens them: `val/loss`."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from joined(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value
