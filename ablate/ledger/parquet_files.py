"""Parquet files of the ledger, written atomically.

The only module of the ledger that imports pyarrow, which a plan without runs does not need.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.study_dir import naming, replacing

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

Columns = Mapping[str, tuple[type | None, Sequence[Any]]]
"""By name, a type and the values; the type is inferred for None, datetimes are in UTC."""
_MAGIC = b"PAR1"


class DamagedFileError(Exception):
    """A file holds no Parquet table, or lacks needed columns."""


def read_table(
    path: Path, columns: Sequence[str] | None = None, needed: Sequence[str] = ()
) -> "pa.Table":
    """Reads a file, or those of the named columns that it has.

    Raises:
        DamagedFileError: If it is torn or lacks a needed column.
    """
    import pyarrow.parquet as pq

    if not looks_whole(path):
        raise DamagedFileError(f"{path}: not a whole Parquet file")
    try:
        # `pq.read_table` imports pandas and pyarrow's datasets first: half a second.
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            table = file.read([name for name in columns if name in names] if columns else None)
    except (ValueError, TypeError, KeyError, OSError) as error:  # pyarrow's are among them
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedFileError(f"{path}: {error}") from error
    missing = [name for name in needed if name not in names]
    if missing:
        raise DamagedFileError(f"{path}: has no column {', '.join(missing)}")
    return table


def looks_whole(path: Path) -> bool:
    """Whether a file begins and ends like a Parquet file: a quick check for truncation.

    Raises:
        OSError: If it cannot be read.
    """
    with naming(path), path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size < 3 * len(_MAGIC):
            return False
        file.seek(0)
        first = file.read(len(_MAGIC))
        file.seek(-len(_MAGIC), os.SEEK_END)
        return first == file.read() == _MAGIC


def table_of(columns: Columns) -> "pa.Table":
    """Columns as a table."""
    import pyarrow as pa

    arrow = {
        str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_(),
        datetime: pa.timestamp("us", tz="UTC"), None: None,
    }  # fmt: skip
    return pa.table(
        {name: pa.array(values, type=arrow[kind]) for name, (kind, values) in columns.items()}
    )


def write_columns(path: Path, columns: Columns, notes: Mapping[str, str] | None = None) -> None:
    """Replaces a file atomically.

    Args:
        path: The file.
        columns: Its table.
        notes: Metadata of the table's schema.
    """
    import pyarrow.parquet as pq

    table = table_of(columns)
    with naming(path), replacing(path) as partial:
        pq.write_table(table.replace_schema_metadata(dict(notes or {})), partial)


def write_arrays(
    path: Path, arrays: Mapping[str, "NDArray[np.float32]"], notes: Mapping[str, str]
) -> None:
    """Replaces a file atomically by arrays: a list of numbers a row, or one number.

    Args:
        path: The file.
        arrays: (rows, numbers) or (rows,) by column; shorter ones end in rows that lack them.
        notes: Metadata of the table's schema.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    num = max(map(len, arrays.values()))
    columns: dict[str, pa.Array] = {}
    for name, array in arrays.items():
        values = pa.array(array.reshape(-1), pa.float32())
        if array.ndim == 2:
            values = pa.FixedSizeListArray.from_arrays(values, array.shape[1])
        columns[name] = pa.concat_arrays([values, pa.nulls(num - len(array), values.type)])
    with naming(path), replacing(path) as partial:
        table = pa.table(columns).replace_schema_metadata(dict(notes))
        # Hardly a number comes twice: a dictionary of them would take more than they do.
        pq.write_table(table, partial, use_dictionary=False)
