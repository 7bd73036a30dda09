"""Rows from Parquet: a column of float lists or float tensors, in one file or a folder."""

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trainables.flow.data.errors import DataError, Floats, Numbers, bad_rows_text, single_precision
from trainables.flow.data.filesystem import UNREADABLE, DataFile, Listing, first_line, list_files

SUFFIXES = (".parquet", ".parq", ".pq")
"""Of the files of a folder that are read, in either case."""
PROBLEMS_NAMED = 10
"""How many bad files of a folder an error names."""
_LISTS = tuple(
    getattr(pa.types, name)
    for name in ("is_list", "is_large_list", "is_fixed_size_list", "is_list_view",
                 "is_large_list_view")
    if hasattr(pa.types, name)
)  # fmt: skip


def read_parquet(path: str, column: str) -> Floats:
    """Rows of a column of float lists, from one file or all files of a directory by path.

    Args:
        path: A Parquet file, or a directory of them, here or as a URI.
        column: A column of fixed-size or variable lists of float16, float32 or float64, nested or
            not, or of tensors of them as Ray Data, Hugging Face or Arrow store them; a nested row
            is read as one vector.

    Returns:
        (rows, dim).

    Raises:
        DataError: With everything that is wrong: the path, the column or its type, and which rows
            are null, hold null or non-finite values or are of another length.
    """
    parts: dict[str, Floats] = {}
    problems: list[str] = []
    files = _files(path, list_files(path))
    for file in files:
        try:
            part = _read_file(file, column)
        except DataError as error:
            problems.append(f"{file.path if len(files) > 1 else path}: {error}")
        else:
            parts |= {file.path: part} if part is not None else {}
    widths = {part.shape[1] for part in parts.values()}
    if len(widths) > 1:
        named = [f"{file} {part.shape[1]}" for file, part in parts.items()]
        problems.append(f"{path}: rows of different lengths: {_some(named, ', ')}")
    if problems:
        raise DataError(_some(problems, "\n      "), "data.path", "data.column")
    if not parts:
        raise DataError(f"{path}: column '{column}' has no rows", "data.path", "data.column")
    return np.concatenate(list(parts.values()))


def _some(texts: list[str], separator: str) -> str:
    more = len(texts) - PROBLEMS_NAMED
    named = texts[:PROBLEMS_NAMED] + [f"and {more} more"] * (more > 0)
    return separator.join(named)


def _files(path: str, listing: Listing) -> list[DataFile]:
    if not listing.is_folder:
        return listing.files
    files = [file for file in listing.files if file.path.lower().endswith(SUFFIXES)]
    if not files:
        others = [file.path for file in listing.files]
        held = f"; it holds {_some(others, ', ')}" if others else "; it is empty"
        if listing.num_hidden:
            held = held.replace("it is empty", "it holds none that could be")
            held += " (names that begin with . or _ are skipped)"
        raise DataError(f"{path}: no Parquet files in this folder{held}")
    return files


def _read_file(file: DataFile, column: str) -> Floats | None:
    """The rows of one file; None if it has none.

    Raises:
        DataError: If they cannot be used; the message does not name the file.
    """
    try:
        # File by file: a dataset reader would turn `key=value` folders into columns.
        with file.open() as opened, pq.ParquetFile(opened) as parquet:
            if not parquet.metadata.num_rows:
                return None
            _check_column(parquet.schema_arrow, column)
            cells = parquet.read(columns=[column]).column(column)
    except DataError:
        raise
    except UNREADABLE as error:
        raise DataError(f"not a readable Parquet file ({first_line(error)})") from error
    return _matrix(cells, column)


def _check_column(schema: pa.Schema, column: str) -> None:
    there = schema.names.count(column)
    if not there:
        raise DataError(f"no column '{column}'; it has: {', '.join(schema.names)}")
    if there > 1:
        raise DataError(f"{there} columns are named '{column}': rename all but one")
    kind = schema.field(column).type
    if not _is_floats(kind):
        raise DataError(f"column '{column}' is {str(kind)[:300]}, not lists of floats")


def _is_floats(kind: Any) -> bool:
    inner = _stored(kind)
    if _is_shaped(inner):
        inner = inner.field("data").type
    if not _is_list(inner):
        return False
    while _is_list(inner):
        inner = inner.value_type
    return pa.types.is_floating(inner)


def _is_list(kind: Any) -> bool:
    return any(is_kind(kind) for is_kind in _LISTS)


def _is_shaped(kind: Any) -> bool:
    """Whether each cell has its own shape, as Ray Data stores tensors of different shapes."""
    names = {kind.field(place).name for place in range(kind.num_fields)}
    return pa.types.is_struct(kind) and names == {"data", "shape"}


def _stored(kind: Any) -> Any:
    """A type's storage type; itself unless it is an extension type known to this process."""
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _matrix(cells: pa.ChunkedArray, column: str) -> Floats:
    """Cells as vectors.

    Raises:
        DataError: With the numbers of all rows that cannot be used.
    """
    if isinstance(cells.type, pa.BaseExtensionType):
        stored = [chunk.storage for chunk in cells.chunks]
        cells = pa.chunked_array(stored, type=_stored(cells.type))
    num_rows, width = len(cells), 1
    bad: dict[str, Numbers] = {}
    # Level by level: how many of a level's elements come before the end of each row.
    ends = np.arange(1, num_rows + 1)

    def add(what: str, places: Numbers) -> None:
        rows = np.searchsorted(ends, places, side="right")
        bad[what] = np.concatenate([bad.get(what, rows[:0]), rows])

    if _is_shaped(cells.type):
        shapes = pc.struct_field(cells, "shape").to_pylist()  # pyright: ignore[reportAttributeAccessIssue]
        usual = Counter(map(str, shapes)).most_common(1)[0][0]
        add(
            f"not of shape {usual}",
            np.array([str(shape) != usual for shape in shapes]).nonzero()[0],
        )
        cells = pc.struct_field(cells, "data")  # pyright: ignore[reportAttributeAccessIssue]
    while _is_list(cells.type):
        null, lengths = _numpy(cells.is_null()), _lengths(cells)
        usual = _commonest(lengths)
        add("null", np.flatnonzero(null))
        add(f"not of length {usual}", np.flatnonzero(~null & (lengths != usual)))
        width *= usual
        ends = np.concatenate([[0], np.cumsum(lengths)])[ends]
        cells = pc.list_flatten(cells)  # pyright: ignore[reportAttributeAccessIssue]
    null = np.flatnonzero(_numpy(cells.is_null()))
    add("null", null)
    values, unusable = single_precision(_numpy(cells))
    for what, places in unusable.items():
        add(what, np.setdiff1d(places, null))  # null is NaN by now
    if problem := bad_rows_text(bad, num_rows):
        raise DataError(f"column '{column}': {problem}")
    if not width:
        raise DataError(f"column '{column}' holds empty lists only")
    return values.reshape(num_rows, width)


def _lengths(cells: pa.ChunkedArray) -> Numbers:
    """The length of each list; 0 if it is null."""
    lengths = pc.list_value_length(cells)  # pyright: ignore[reportAttributeAccessIssue]
    return _numpy(pc.fill_null(lengths, 0)).astype(np.intp)  # pyright: ignore[reportAttributeAccessIssue]


def _commonest(lengths: Numbers) -> int:
    """The commonest length of non-empty lists."""
    values, counts = np.unique(lengths[lengths > 0], return_counts=True)
    return int(values[counts.argmax()]) if len(values) else 0


def _numpy(cells: Any) -> Any:
    return cells.to_numpy(zero_copy_only=False)
