"""Parquet files of the ledger: whole or not there at all."""

import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Reads one file, or some of its columns."""
    # `pq.read_table` imports pandas and pyarrow's datasets first: half a second.
    with pq.ParquetFile(path) as file:
        return file.read(list(columns) if columns is not None else None)


def write_table(path: Path, table: pa.Table) -> None:
    """Writes a file by replacing it: a reader sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    pq.write_table(table, partial)
    os.replace(partial, path)
