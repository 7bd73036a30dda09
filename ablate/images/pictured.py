"""What people call an image, as the bytes of a PNG or a JPEG."""

import io
import os
from typing import Any

from ablate.images.png import MOST_SIDE, encode_png, picture_of

ARRAYS = (
    "(h, w), (h, w, 1), (h, w, 3), (h, w, 4), (1, h, w) or (3, h, w) of uint8, bool, or floats "
    "from 0 to 1"
)
ACCEPTED = (
    "the path or the bytes of a PNG or a JPEG, a figure of matplotlib, an image of PIL, or an "
    f"array {ARRAYS}"
)
LIMIT = f" of at most {MOST_SIDE:,} pixels a side"
TOLERANCE = 1e-3
"""How far floats may be outside of 0 and 1: rounding does that."""


def png_or_jpeg(name: str, image: Any) -> bytes:
    """The bytes of an image, see `log_image`.

    Args:
        name: What errors call it.
        image: The image.

    Raises:
        TypeError: If it is none, or a file that is no whole PNG or JPEG.
        OSError: If a path cannot be read.
    """
    if isinstance(image, str | os.PathLike):
        with open(image, "rb") as file:
            return _checked(name, file.read(), f"the file {os.fspath(image)!r}")
    if isinstance(image, bytes | bytearray | memoryview):
        return _checked(name, bytes(image), f"{len(image)} bytes")
    for method in ("savefig", "save"):
        if callable(getattr(image, method, None)):
            file = io.BytesIO()
            getattr(image, method)(file, format="png")
            return _checked(name, file.getvalue(), f"what {type(image).__name__}.{method} wrote")
    if hasattr(image, "shape") and hasattr(image, "dtype"):
        return _of_array(name, image)
    raise TypeError(f"ablate.log_image: {name} is of type {type(image).__name__}, not {ACCEPTED}")


def _checked(name: str, content: bytes, what: str) -> bytes:
    if picture_of(content) is None:
        raise TypeError(f"ablate.log_image: {name}: {what}: no whole PNG or JPEG{LIMIT}")
    return content


def _of_array(name: str, image: Any) -> bytes:
    import numpy as np  # who has an array has it

    if hasattr(image, "detach"):  # a tensor, which may be on a GPU, and of bfloat16
        image = image.detach().cpu()
        image = image.float() if image.is_floating_point() else image
    array = np.asarray(image)
    told = f"ablate.log_image: {name} is an array {array.shape} of {array.dtype}"
    if array.ndim == 3 and array.shape[-1] not in (1, 3, 4) and array.shape[0] in (1, 3):
        array = np.moveaxis(array, 0, 2)
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[-1] not in (1, 3, 4) or not array.size:
        raise TypeError(f"{told}, not {ARRAYS}")
    if max(array.shape[:2]) > MOST_SIDE:
        raise TypeError(f"{told}, not{LIMIT}")
    levels = np.ascontiguousarray(_levels(array, told))
    height, width, channels = levels.shape
    return encode_png(levels.tobytes(), width, height, channels)


def _levels(array: Any, told: str) -> Any:
    """(h, w, channels) as uint8, with a channel more where something is not finite."""
    import numpy as np

    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if not np.issubdtype(array.dtype, np.floating):
        raise TypeError(f"{told}, not of uint8, bool or floats from 0 to 1")
    known = np.isfinite(array)
    values = np.where(known, array, 0)
    low, high = float(values.min()), float(values.max())
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        raise TypeError(f"{told} from {low:g} to {high:g}: floats are from 0 to 1; scale or clip "
                        "them")  # fmt: skip
    levels = (np.clip(values, 0, 1) * 255).round().astype(np.uint8)
    if known.all():
        return levels
    seen = known.all(axis=2, keepdims=True).astype(np.uint8) * 255
    return np.concatenate([levels[..., :3], seen], axis=2)
