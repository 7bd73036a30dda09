"""`ablate.log`: how a training script tells its numbers. Imports the standard library alone."""

import json
import math
import operator
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

LOG_FILE = "ABLATE_LOG"
"""The variable that names the file to append to; without it nobody listens."""


def log(metrics: Mapping[str, Any], step: int | None = None) -> None:
    """Logs numbers of this run: in Ablate they become points of its curve; elsewhere nothing is.

    In distributed training, the first process alone logs (`RANK`).

    Args:
        metrics: Numbers by name, also NumPy's and torch's; names may be nested.
        step: When they were measured; by default calls are counted. Numbers logged again for a
            step replace the earlier ones.

    Raises:
        TypeError: If a value is no number, or the step no integer.
    """
    if os.environ.get("RANK", "0") not in ("", "0"):
        return
    numbers = dict(_numbers(metrics))
    record: dict[str, Any] = {"metrics": numbers, "time": time.time()}
    if step is not None:
        record["step"] = _step(step)
    if (world := os.environ.get("WORLD_SIZE", "")).isdecimal():
        record["world_size"] = int(world)
    path = os.environ.get(LOG_FILE)
    if not path:
        return
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        os.write(file, json.dumps(record).encode() + b"\n")  # one write: lines stay whole
    finally:
        os.close(file)


def _numbers(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    if not isinstance(metrics, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"ablate.log takes numbers by name, {{'loss': 0.1}}, not {metrics!r}")
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", _number(f"{prefix}{name}", value)


def _number(name: str, value: Any) -> float:
    plain = value
    if not isinstance(value, int | float) and hasattr(value, "item"):
        try:
            plain = value.item()
        except (ValueError, RuntimeError):
            plain = None
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        shape = getattr(value, "shape", None)
        told = f"{type(value).__name__} of shape {tuple(shape)}" if shape else repr(value)[:60]
        raise TypeError(f"ablate.log: {name} = {told} is not a number")
    try:
        return float(plain)
    except OverflowError:
        return math.inf if plain > 0 else -math.inf


def _step(step: Any) -> int:
    try:
        number = operator.index(step)
    except TypeError:
        if not float(step).is_integer():
            raise TypeError(f"ablate.log: step = {step!r} is not an integer") from None
        number = int(step)
    if number < 0:
        raise TypeError(f"ablate.log: step = {step!r} is negative")
    return number
