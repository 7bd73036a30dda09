"""`ablate.log_image`: how training code shows a picture. Imports the standard library alone."""

import contextlib
import os
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any

from ablate.images.logged import LoggedImage, keep_image
from ablate.images.pictured import png_or_jpeg

IMAGES = "ABLATE_IMAGES"
"""The variable that names the folder of a run's pictures; without it nobody looks."""


@contextlib.contextmanager
def images_kept_in(folder: Path | None) -> Generator[None]:
    """Lets `log_image` write to a folder for as long as the block lasts, or nowhere."""
    before = os.environ.get(IMAGES)
    os.environ[IMAGES] = "" if folder is None else str(folder.absolute())
    try:
        yield
    finally:
        os.environ.pop(IMAGES, None)
        os.environ.update({} if before is None else {IMAGES: before})


def log_image(name: str, image: Any, step: int | None = None) -> None:
    """Keeps a picture of this run for the report, in the place of an earlier one of that name.

    Outside of a study nothing happens; in distributed training, the first process alone logs
    (`RANK`). A picture that cannot be read or kept, as on a full disk, is a Python warning:
    training goes on.

    Args:
        name: What it is called in the report.
        image: The path of a PNG or a JPEG, or its bytes; a figure of matplotlib, an image of PIL;
            an array or a tensor (h, w), (h, w, 1), (h, w, 3), (h, w, 4) or (1 or 3, h, w) of uint8,
            bool, or floats from 0 to 1. What is not finite is left blank.
        step: When it was made.

    Raises:
        TypeError: If it is none of those.
    """
    if os.environ.get("RANK", "0") not in ("", "0"):
        return
    folder = os.environ.get(IMAGES)
    if not folder:
        return
    if not isinstance(name, str) or not name:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"ablate.log_image: the name of a picture is text, not {name!r}")
    try:
        content = png_or_jpeg(name, image)
        keep_image(Path(folder), LoggedImage(name, None if step is None else int(step)), content)
    except OSError as error:
        warnings.warn(f"ablate.log_image: {name} is not kept: {error}", stacklevel=2)
