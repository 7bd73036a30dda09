"""What rows are, and what is said where they cannot be used."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
"""(rows, dim)."""


class DataError(ValueError):
    """The data cannot be trained on; the message says where and why."""
