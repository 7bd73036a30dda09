"""Rows from a .npy file."""

import io

import numpy as np

from trainables.flow.data.errors import DataError, Floats, bad_rows_text, single_precision
from trainables.flow.data.filesystem import first_line, list_files


def read_npy(path: str) -> Floats:
    """Rows of a .npy file that holds one (rows, dim) array of floats.

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
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or not rows.size:
        shape = getattr(rows, "shape", "several arrays")
        raise DataError(f"{path}: holds {shape}, not a (rows, dim) array")
    if not np.issubdtype(rows.dtype, np.floating):
        raise DataError(f"{path}: holds {rows.dtype}, not floats")
    single, bad = single_precision(rows)
    if problem := bad_rows_text({kind: at // rows.shape[1] for kind, at in bad.items()}, len(rows)):
        raise DataError(f"{path}: {problem}")
    return single
