"""Parquet files of the ledger: whole or not there at all.

The one place of the ledger that knows pyarrow, which a plan without runs never needs.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.paths import replacing

if TYPE_CHECKING:
    import pyarrow as pa

Columns = Mapping[str, tuple[type | None, Sequence[Any]]]
"""By name: str, int, float, bool or datetime (in UTC), None for what the values are; and these."""


def read_table(path: Path, columns: Sequence[str] | None = None) -> "pa.Table":
    """Reads one file, or those of some columns that it has."""
    import pyarrow.parquet as pq

    # `pq.read_table` imports pandas and pyarrow's datasets first: half a second.
    with pq.ParquetFile(path) as file:
        known = file.schema_arrow.names
        return file.read([name for name in columns if name in known] if columns else None)


def write_columns(path: Path, columns: Columns) -> None:
    """Writes a file by replacing it: a reader sees the old one or the new one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = {
        str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_(),
        datetime: pa.timestamp("us", tz="UTC"), None: None,
    }  # fmt: skip
    table = pa.table(
        {name: pa.array(values, type=arrow[kind]) for name, (kind, values) in columns.items()}
    )
    with replacing(path) as partial:
        pq.write_table(table, partial)
