"""Rows to train on: read, checked, split and normalised. numpy and pyarrow only, no torch."""

import functools
import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from trainables.flow.config import DataConfig

VALIDATION_SHARE = 0.10
TEST_SHARE = 0.20
ROWS_NAMED = 10
"""How many bad rows an error names."""

Floats = NDArray[np.float32]


class DataError(ValueError):
    """The data cannot be trained on; the message says where and why."""


@dataclass(frozen=True)
class Normalisation:
    """Statistics of the full training part, whatever `data.size` takes of it."""

    mean: Floats
    """(dim,)"""
    std: Floats
    """(dim,); 1 where a dimension is constant."""

    def apply(self, rows: Floats) -> Floats:
        """Rows (n, dim) in normalised coordinates."""
        return (rows - self.mean) / self.std


@dataclass(frozen=True)
class Dataset:
    """Raw rows in three parts, (n, dim) each, and what the training part says of their scale."""

    train: Floats
    validation: Floats
    test: Floats
    normalisation: Normalisation
    fingerprint: str

    @property
    def dim(self) -> int:
        """Width of a row."""
        return self.train.shape[1]


def load_dataset(config: DataConfig) -> Dataset:
    """The rows of a config, kept for the next run of the same process; see `read_dataset`."""
    return _kept(config.model_dump_json())


@functools.lru_cache(maxsize=4)
def _kept(config: str) -> Dataset:
    return read_dataset(DataConfig.model_validate_json(config))


def read_dataset(config: DataConfig) -> Dataset:
    """Reads, checks and splits the rows.

    Raises:
        DataError: Where rows cannot be used, with their numbers, or where there are too few.
    """
    rows = _read(config)
    order = np.random.default_rng(config.split_seed).permutation(len(rows))
    num_validation = int(VALIDATION_SHARE * len(rows))
    num_test = int(TEST_SHARE * len(rows))
    validation, test, train = np.split(order, [num_validation, num_validation + num_test])
    if min(len(validation), len(test), len(train)) < 2:
        raise DataError(f"{len(rows)} rows are too few to split into three parts")
    if config.size != "all" and config.size > len(train):
        raise DataError(
            f"data.size {config.size} is more than the training part holds: {len(train)} of "
            f"{len(rows)} rows"
        )
    full = rows[train]
    kept = full if config.size == "all" else full[: config.size]
    return Dataset(kept, rows[validation], rows[test], _statistics(full), fingerprint(rows))


def preflight(config: dict[str, Any]) -> str:
    """Checks a run's data before anything starts.

    Args:
        config: A resolved run config.

    Returns:
        The fingerprint of the rows.

    Raises:
        DataError: As `read_dataset`.
    """
    return read_dataset(DataConfig.model_validate(config["data"])).fingerprint


def fingerprint(rows: Floats) -> str:
    """Rows, dimension and a hash of the bytes: equal where the data are."""
    digest = hashlib.blake2b(np.ascontiguousarray(rows).tobytes(), digest_size=8).hexdigest()
    return f"{rows.shape[0]}x{rows.shape[1]}-{digest}"


def _statistics(rows: Floats) -> Normalisation:
    exact = rows.astype(np.float64)
    std = exact.std(axis=0)
    return Normalisation(
        exact.mean(axis=0).astype(np.float32), np.where(std > 1e-6, std, 1.0).astype(np.float32)
    )


def _read(config: DataConfig) -> Floats:
    if config.source == "digits":
        return _digits()
    assert config.path is not None  # the config model's own check
    return read_parquet(Path(config.path), config.column)


def _digits() -> Floats:
    # The file in scikit-learn's wheel: importing its package would take a second for one table.
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("data.source digits needs scikit-learn: pip install scikit-learn")
    path = Path(spec.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")
    return np.loadtxt(path, delimiter=",", dtype=np.float32)[:, :-1]


def read_parquet(path: Path, column: str) -> Floats:
    """Rows of a column of float lists, from one file or all files of a directory by name.

    Args:
        path: A Parquet file, or a directory of them.
        column: A column of fixed-size or variable lists of float16, float32 or float64.

    Returns:
        (rows, dim).

    Raises:
        DataError: Where the path, the column or its type is wrong, and where rows are null, hold
            null or non-finite values or are of another length, with their row numbers.
    """
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not path.exists() or not files:
        raise DataError(f"{path}: no such Parquet file or directory")
    parts = [_read_file(file, column) for file in files]
    widths = {part.shape[1] for part in parts}
    if len(widths) > 1:
        named = ", ".join(f"{f.name} {p.shape[1]}" for f, p in zip(files, parts, strict=True))
        raise DataError(f"{path}: rows of different lengths: {named}")
    return np.concatenate(parts)


def _read_file(path: Path, column: str) -> Floats:
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({error})") from error
    if column not in schema.names:
        raise DataError(f"{path}: no column '{column}'; it has: {', '.join(schema.names)}")
    kind = schema.field(column).type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not (is_list or pa.types.is_fixed_size_list(kind)) or not _is_float(kind.value_type):
        raise DataError(f"{path}: column '{column}' is {kind}, not lists of floats")
    values = pq.read_table(path, columns=[column]).column(column).combine_chunks()
    return _matrix(path, column, values)


def _is_float(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind)


def _matrix(path: Path, column: str, lists: Any) -> Floats:
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


def _refuse(path: Path, column: str, what: str, rows: Sequence[int] | NDArray[np.intp]) -> None:
    if not len(rows):
        return
    named = ", ".join(str(row) for row in rows[:ROWS_NAMED])
    more = f" and {len(rows) - ROWS_NAMED} more" if len(rows) > ROWS_NAMED else ""
    raise DataError(f"{path}: column '{column}' is {what} in {len(rows)} rows: {named}{more}")
