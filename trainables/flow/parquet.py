"""Rows from Parquet: a column of float lists, checked row by row."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyarrow import fs

from trainables.flow.files import found, listed
from trainables.flow.rows import DataError, Floats

ROWS_NAMED = 10
"""How many bad rows an error names."""


def read_parquet(path: str, column: str) -> Floats:
    """Rows of a column of float lists, from one file or all files of a directory by name.

    Args:
        path: A Parquet file, or a directory of them, here or as a URI.
        column: A column of fixed-size or variable lists of float16, float32 or float64.

    Returns:
        (rows, dim).

    Raises:
        DataError: Where the path, the column or its type is wrong, and where rows are null, hold
            null or non-finite values or are of another length, with their row numbers.
    """
    system, files = _files(path)
    parts = [_read_file(system, file, column) for file in files]
    widths = {part.shape[1] for part in parts}
    if len(widths) > 1:
        named = ", ".join(
            f"{PurePosixPath(file).name} {part.shape[1]}"
            for file, part in zip(files, parts, strict=True)
        )
        raise DataError(f"{path}: rows of different lengths: {named}")
    return np.concatenate(parts)


def _files(path: str) -> tuple[fs.FileSystem, list[str]]:
    system, info = found(path)
    files = [info.path] if info.is_file else []
    if info.type == fs.FileType.Directory:
        inside = [item.path for item in listed(path)[1] if item.is_file]
        files = sorted(file for file in inside if file.endswith(".parquet"))
    if not files:
        raise DataError(f"{path}: no such Parquet file or directory")
    return system, files


def _read_file(system: fs.FileSystem, path: str, column: str) -> Floats:
    try:
        schema = pq.read_schema(path, filesystem=system)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from error
    if column not in schema.names:
        raise DataError(f"{path}: no column '{column}'; it has: {', '.join(schema.names)}")
    kind = schema.field(column).type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    is_list = is_list or pa.types.is_fixed_size_list(kind)
    if not is_list or not pa.types.is_floating(kind.value_type):
        raise DataError(f"{path}: column '{column}' is {kind}, not lists of floats")
    try:
        table = pq.read_table(path, columns=[column], filesystem=system)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from error
    return _matrix(path, column, table.column(column).combine_chunks())


def _matrix(path: str, column: str, lists: Any) -> Floats:
    if isinstance(lists, pa.ChunkedArray):
        lists = pa.concat_arrays(lists.chunks)
    if not len(lists):
        raise DataError(f"{path}: column '{column}' has no rows")
    null = lists.is_null().to_numpy(zero_copy_only=False)
    _refuse(path, column, "null", np.flatnonzero(null))
    lengths = pc.list_value_length(lists)  # pyright: ignore[reportAttributeAccessIssue]
    lengths = lengths.to_numpy(zero_copy_only=False)
    width = int(np.bincount(lengths).argmax())
    _refuse(path, column, f"not of length {width}", np.flatnonzero(lengths != width))
    if width == 0:
        raise DataError(f"{path}: column '{column}' holds empty lists only")
    flat = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    rows = flat.reshape(len(lists), width)
    _refuse(path, column, "not finite", np.flatnonzero(~np.isfinite(rows).all(axis=1)))
    return rows


def _refuse(path: str, column: str, what: str, rows: Sequence[int] | NDArray[np.intp]) -> None:
    if not len(rows):
        return
    named = ", ".join(str(row) for row in rows[:ROWS_NAMED])
    more = f" and {len(rows) - ROWS_NAMED} more" if len(rows) > ROWS_NAMED else ""
    raise DataError(f"{path}: column '{column}' is {what} in {len(rows)} rows: {named}{more}")
