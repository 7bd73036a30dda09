"""Samples that runs keep: `samples/<run_name>.parquet`, and the data beside them.

A run's file has a row for each sample, all cells' from the same noise in the same order, and says
in its metadata what they are of. Data rows to compare them with are the same for many runs, so they
have a file of their own, named by the data.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ablate.ledger.parquet_files import DamagedFileError, read_table, write_arrays
from ablate.study_dir import is_regular
from ablate.trainable.contract import KeptData, KeptSamples

Floats = NDArray[np.float32]
_MISFITS = LookupError, TypeError, ValueError, OverflowError, RecursionError
"""What comes of reading a file that Ablate has not written."""
NOTE = b"ablate"
"""The key of a file's metadata that holds what its rows are, as JSON."""


def write_samples(path: Path, kept: KeptSamples) -> None:
    """Writes a run's file, atomically; its folder is made where there is none."""
    _write(path, {"x": kept.rows, "path": _flat(kept.paths), "projected": kept.projected,
                  "nearest": kept.nearest},
           {"shape": list(kept.shape), "weights": kept.weights, "step": kept.step,
            "solver": kept.solver, "data": kept.data})  # fmt: skip


def read_samples(path: Path) -> KeptSamples:
    """Reads a run's file.

    Raises:
        FileNotFoundError: If there is none.
        DamagedFileError: If it is torn, or no such file.
    """
    arrays, note = _read(path)
    try:
        rows, paths = arrays["x"], arrays.get("path")
        shape = _shape(note["shape"])
        if rows.shape[1] != math.prod(shape):
            raise ValueError(f"its rows are not of shape {shape}")
        return KeptSamples(
            rows=rows, shape=shape, weights=str(note["weights"]), step=_whole(note["step"]),
            solver=str(note["solver"]), data=str(note["data"]),
            paths=None if paths is None else paths.reshape(len(paths), -1, rows.shape[1]),
            projected=_beside(rows, arrays.get("projected"), 2),
            nearest=_beside(rows, arrays.get("nearest")),
        )  # fmt: skip
    except _MISFITS as error:
        raise DamagedFileError(f"{path}: not the samples of a run ({error})") from error


def write_data(path: Path, kept: KeptData) -> None:
    """Writes the data's file, atomically; its folder is made where there is none."""
    _write(path, {"x": kept.rows, "nearest": kept.nearest},
           {"shape": list(kept.shape), "explained": kept.explained})  # fmt: skip


def read_data(path: Path) -> KeptData:
    """Reads the data's file.

    Raises:
        FileNotFoundError: If there is none.
        DamagedFileError: If it is torn, or no such file.
    """
    arrays, note = _read(path)
    try:
        rows, shape, explained = arrays["x"], _shape(note["shape"]), note["explained"]
        if explained is not None and not 0 <= explained <= 1:
            raise ValueError(f"{explained} is no share")
        if rows.shape[1] not in (2, math.prod(shape)):
            raise ValueError(f"its rows are not of shape {shape}")
        return KeptData(
            rows=rows, shape=shape, explained=explained,
            nearest=_beside(rows, arrays.get("nearest")),
        )  # fmt: skip
    except _MISFITS as error:
        raise DamagedFileError(f"{path}: not the rows of some data ({error})") from error


def _write(path: Path, arrays: Mapping[str, Floats | None], note: Mapping[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    columns = {name: array for name, array in arrays.items() if array is not None}
    write_arrays(path, columns, {NOTE.decode(): json.dumps(note)})


def _read(path: Path) -> tuple[dict[str, Floats], dict[str, Any]]:
    """The arrays of a file, without the rows that lack them, and its note."""
    if not is_regular(path):
        raise DamagedFileError(f"{path}: not a file")
    table = read_table(path, needed=("x",))
    try:
        note = json.loads((table.schema.metadata or {})[NOTE])
        columns = {name: table[name].drop_null().to_pylist() for name in table.column_names}
        arrays = {name: np.array(rows, np.float32) for name, rows in columns.items() if rows}
        arrays.setdefault("x", np.zeros((0, table["x"].type.list_size), np.float32))
    except (*_MISFITS, AttributeError) as error:
        raise DamagedFileError(f"{path}: not what Ablate has kept ({error})") from error
    return arrays, note


def _flat(paths: Floats | None) -> Floats | None:
    return None if paths is None else paths.reshape(len(paths), -1)


def _shape(value: Any) -> tuple[int, ...]:
    shape = tuple(map(_whole, value))
    if not shape or min(shape) < 1:
        raise ValueError(f"{shape} is no shape")
    return shape


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is no whole number")
    return value


def _beside(rows: Floats, array: Floats | None, *shape: int) -> Floats | None:
    """What there is of each row: as many as rows, each of a shape."""
    if array is not None and array.shape != (len(rows), *shape):
        raise ValueError(f"{array.shape} is no shape of what {len(rows)} rows have")
    return array
