"""All rows of a source as one array, with the parts that it gives itself."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainables.flow.config.data import PARTS, DataConfig
from trainables.flow.data.errors import DataError, Floats, bad_rows_text, single_precision


@dataclass(frozen=True, eq=False)
class Rows:
    """All rows of a source, one part after the other."""

    flat: Floats
    """(rows, dim)"""
    shape: tuple[int, ...]
    """Of one row, as the source has it."""
    counts: Mapping[str, int]
    """Rows of each part that the source gives, in the order of `PARTS`; it always gives `train`."""

    @property
    def fingerprint(self) -> str:
        """Rows, their shape and a hash of the bytes: equal for equal data."""
        digest = hashlib.blake2b(np.ascontiguousarray(self.flat).tobytes(), digest_size=8)
        if len(self.counts) > 1:
            digest.update(repr(dict(self.counts)).encode())
        return f"{shape_text((len(self.flat), *self.shape))}-{digest.hexdigest()}"


def joined(parts: Mapping[str, Floats], *keys: str) -> Rows:
    """Parts, (rows, *shape) each, as one.

    Args:
        parts: By name.
        *keys: The config keys that are told of where they do not fit.

    Raises:
        DataError: If rows of different parts have different shapes.
    """
    parts = {name: parts[name] for name in PARTS if name in parts}
    shapes = {name: part.shape[1:] for name, part in parts.items()}
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{name} {shape_text(shape)}" for name, shape in shapes.items())
        raise DataError(f"rows of different parts have different shapes: {told}", *keys)
    flat = [part.reshape(len(part), -1) for part in parts.values()]
    whole = flat[0] if len(flat) == 1 else np.concatenate(flat)
    return Rows(whole, shapes["train"], {name: len(part) for name, part in parts.items()})


def row_shape(config: DataConfig, rows: Rows) -> tuple[int, ...]:
    """What a row stands for: `data.shape`, or the shape that the source's rows have.

    Raises:
        DataError: If the two do not fit.
    """
    asked, own = config.shape, rows.shape
    if asked is None or asked == own:
        return own
    if len(own) > 1:
        raise DataError(f"data.shape {shape_text(asked)} is not the shape of the rows, which are "
                        f"{shape_text(own)}: drop it", "data.shape")  # fmt: skip
    if math.prod(asked) != math.prod(own):
        raise DataError(f"data.shape {shape_text(asked)} has {math.prod(asked):,} numbers, and a "
                        f"row has {math.prod(own):,}", "data.shape")  # fmt: skip
    return asked


def single_rows(where: str, values: np.ndarray, *keys: str, integers: bool = False) -> Floats:
    """Rows in single precision, once they have been checked.

    Args:
        where: Where they come from, for messages.
        values: What is to be (rows, *shape).
        *keys: The config keys that are told of where it is not.
        integers: Whether integers may be rows, too.

    Raises:
        DataError: If they cannot be used, with the numbers of those that are not finite.
    """
    if values.ndim and not len(values):
        raise DataError(f"{where}: holds no rows, only the shape {values.shape}", *keys)
    if values.ndim < 2 or not values.size:
        told = "(rows, dim) array, nor one of rows of more axes: (rows, channels, height, width)"
        raise DataError(f"{where}: holds {values.shape}, not a {told}", *keys)
    kinds = (np.floating, np.integer) if integers else (np.floating,)
    if not any(np.issubdtype(values.dtype, kind) for kind in kinds):
        wanted = "floats or integers" if integers else "floats"
        told = "Python objects (dtype object)" if values.dtype == object else values.dtype
        raise DataError(f"{where}: holds {told}, not {wanted}", *keys)
    single, bad = single_precision(values)
    width = math.prod(values.shape[1:])
    if problem := bad_rows_text({kind: at // width for kind, at in bad.items()}, len(values)):
        raise DataError(f"{where}: {problem}", *keys)
    return single


def shape_text(shape: tuple[int, ...]) -> str:
    """`1x8x8`."""
    return "x".join(map(str, shape))
