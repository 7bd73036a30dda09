"""Rows from a .npy file."""

import io

import numpy as np

from trainables.flow.data.errors import DataError, Floats
from trainables.flow.data.filesystem import first_line, list_files
from trainables.flow.data.rows import single_rows


def read_npy(path: str) -> Floats:
    """Rows of a .npy file that holds one (rows, *shape) array of floats.

    Raises:
        DataError: If the file is missing or holds something else, or rows are not finite.
    """
    listing = list_files(path)
    if listing.is_folder:
        raise DataError(f"{path}: a folder, not a .npy file")
    try:
        with listing.files[0].open() as file:
            rows = np.load(io.BytesIO(file.read()), allow_pickle=False)
    except Exception as error:  # what numpy's reader raises on damaged files is undocumented
        raise DataError(f"{path}: not a readable .npy file ({first_line(error)})") from error
    if not isinstance(rows, np.ndarray):
        raise DataError(f"{path}: holds several arrays, not a (rows, dim) array")
    return single_rows(path, rows)
