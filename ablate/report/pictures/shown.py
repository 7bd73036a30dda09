"""What a section of pictures shows, before it is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Cloud:
    """Points of a plane over the density of others.

    Attributes:
        points: (num, 2), finite.
        paths: (num_paths, points, 2), finite: the way to the first of them.
        are_data: Whether the points are those of the data themselves.
    """

    points: Floats
    paths: Floats
    are_data: bool = False


@dataclass(frozen=True)
class Plane:
    """What all clouds of a group are drawn in.

    Attributes:
        low: (2,), where the axes begin.
        high: (2,), where they end.
        titles: Of the axes.
        density: A picture of the data's density over the whole plane, as a data URI.
    """

    low: tuple[float, float]
    high: tuple[float, float]
    titles: tuple[str, str]
    density: str


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One picture with what is said of it, or in its place.

    Attributes:
        title: The cell's name, or what else it is of.
        caption: What it is exactly: how many of how many, which run, which weights.
        run_name: The run; empty where it is of none.
        detail: Which picture of that run it is, where there may be several.
        is_baseline: Whether the cell is one.
        alt: What is to be seen, for those who do not see it; empty where there is no picture.
        image: A PNG or a JPEG, as a data URI.
        size: Of that, in pixels: width and height.
        is_smooth: Whether it is scaled smoothly; else its pixels are seen.
        cloud: Points, where those are to be drawn instead.
    """

    title: str
    caption: str
    run_name: str = ""
    detail: str = ""
    is_baseline: bool = False
    alt: str = ""
    image: str = ""
    size: tuple[int, int] = (0, 0)
    is_smooth: bool = False
    cloud: Cloud | None = None


@dataclass(frozen=True, kw_only=True)
class Group:
    """Pictures of one kind, side by side.

    Attributes:
        heading: Why it stands apart from other groups; empty where there are none.
        title: Of all of them, for a paper.
        text: What they have in common: limits, axes.
        pictures: The pictures, the data's first.
        plane: What clouds are drawn in.
        figure: Name of the sheet for papers.
    """

    title: str
    text: str
    pictures: Sequence[Shown]
    plane: Plane | None = None
    heading: str = ""
    figure: str = "samples"


@dataclass(frozen=True)
class Gallery:
    """All that a report shows of what cells generate."""

    text: str = ""
    groups: Sequence[Group] = ()
    absent: Sequence[str] = ()
    """Cells without a picture, and why."""
