"""Rows from a .npy file."""

import io

import numpy as np

from trainables.flow.files import found
from trainables.flow.rows import DataError, Floats


def read_npy(path: str) -> Floats:
    """Rows of a .npy file that holds one (rows, dim) array of floats.

    Raises:
        DataError: Where the file is missing or holds something else, or rows are not finite.
    """
    system, info = found(path)
    if not info.is_file:
        raise DataError(f"{path}: no such .npy file")
    try:
        with system.open_input_stream(info.path) as file:
            rows = np.load(io.BytesIO(file.read()), allow_pickle=False)
    except Exception as error:  # what numpy's reader raises on damaged files is not told
        raise DataError(f"{path}: not a readable .npy file ({error})") from error
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or not rows.size:
        shape = getattr(rows, "shape", "several arrays")
        raise DataError(f"{path}: holds {shape}, not a (rows, dim) array")
    if not np.issubdtype(rows.dtype, np.floating):
        raise DataError(f"{path}: holds {rows.dtype}, not floats")
    rows = rows.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        named = ", ".join(map(str, bad[:10]))
        raise DataError(f"{path}: {len(bad)} rows are not finite, the first: {named}")
    return rows
