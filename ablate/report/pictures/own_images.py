"""Pictures that runs of one's own logged, in the place of samples that Ablate makes."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ablate.errors import InputError
from ablate.images.logged import MOST_BYTES, LoggedImage, logged_images
from ablate.images.png import data_uri, picture_of
from ablate.report.pictures.captions import many_text, run_text, runs_text
from ablate.report.pictures.median_runs import MedianRun
from ablate.report.pictures.shown import Group, Shown
from ablate.study_dir import StudyPaths, is_regular

MOST = 4
"""Pictures of a run that are shown: the last ones by their names."""
_SUFFIX = re.compile(r"\.(png|jpe?g)$", re.IGNORECASE)
SMOOTH_PX = 200
"""Width from which on a picture is scaled smoothly: a narrower one is enlarged."""


@dataclass(frozen=True)
class OwnImage:
    """A picture of a run.

    Attributes:
        run: The run, and its cell.
        image: The picture.
        many: `3 of 40 pictures`; empty where all are shown.
    """

    run: MedianRun
    image: LoggedImage
    many: str


def images_of(runs: Sequence[MedianRun], paths: StudyPaths) -> list[OwnImage]:
    """The pictures of runs, in the order of the runs."""
    return [image for run in runs for image in _images(run, paths)]


def own_groups(
    images: Sequence[OwnImage], told: str, budget: int, paths: StudyPaths
) -> Iterator[Group]:
    """Pictures of one name side by side, as many as there are bytes for; then all others.

    Args:
        images: Pictures of cells.
        told: The study's metric, and which value of it.
        budget: Bytes for all of them.
        paths: The study directory.
    """
    nums = Counter(each.image.name for each in images)
    many, by_name = _shared_many(images), dict[str, list[OwnImage]]()
    for each in images:
        name = each.image.name
        shown = replace(each, many="") if many else each
        by_name.setdefault(name if nums[name] > 1 else "", []).append(shown)
    title = own_title(images, told)
    for name, alike in sorted(by_name.items(), key=lambda pair: not pair[0]):
        pictures: list[Shown] = []
        for each in alike:
            content, why = _content(each.image, budget)
            budget -= len(content)
            pictures.append(_picture(each, content, why, told, paths))
        figure = f"pictures-{_SUFFIX.sub('', name)}" if name else "pictures"
        heading = name or ("Others" if len(by_name) > 1 else "")
        yield Group(title=title, text="", pictures=pictures, heading=heading, figure=figure)


def own_title(images: Sequence[OwnImage], told: str) -> str:
    """What they are: `The last 4 of 11 pictures logged by each cell's median run by fid`.

    Args:
        images: Pictures of cells.
        told: The study's metric, and which value of it.
    """
    whose = runs_text((each.run for each in images), told)
    is_found = any(each.image.is_found for each in images)
    return (
        f"The last {_shared_many(images) or 'pictures'} {'of' if is_found else 'logged by'} {whose}"
    )


def _shared_many(images: Sequence[OwnImage]) -> str:
    """How many of how many there are, where that is the same of all runs."""
    alike = {each.many for each in images}
    return alike.pop() if len(alike) == 1 else ""


def _images(run: MedianRun, paths: StudyPaths) -> Iterator[OwnImage]:
    try:
        images = logged_images(paths.run(run.run_name))
    except InputError:  # a name that Ablate does not give
        return
    for image in images[-MOST:]:
        num = max(len(images), image.num)
        many = many_text(min(MOST, len(images)), num, "pictures") if num > MOST else ""
        yield OwnImage(run, image, many)


def _content(image: LoggedImage, most: int) -> tuple[bytes, str]:
    """A picture's bytes, or why it is not shown."""
    try:
        if not is_regular(image.file):
            return b"", "not a file"
        size = image.file.stat().st_size
        if size > min(most, MOST_BYTES):
            return b"", f"{size / 1000:.0f} kB, too large for the page"
        content = image.file.read_bytes()
    except OSError as error:
        return b"", error.strerror or "it cannot be read"
    except ValueError:
        return b"", "no file has such a name"
    is_picture = picture_of(content) is not None
    return (content, "") if is_picture else (b"", "no whole PNG or JPEG any more")


def _picture(each: OwnImage, content: bytes, why: str, told: str, paths: StudyPaths) -> Shown:
    run, cell, image = each.run, each.run.cell, each.image
    step = "" if image.step is None else f"step {image.step}"
    detail = ", ".join(filter(None, [image.name, step]))
    caption = ", ".join(filter(None, [detail, each.many, run_text(run, told)]))
    shown = partial(
        Shown, title=cell.name, run_name=run.run_name, detail=detail, is_baseline=cell.is_baseline
    )  # fmt: skip
    picture = picture_of(content)
    if picture is None:
        place = image.file.relative_to(paths.root)
        return shown(caption=f"{caption}; not shown ({why}): {place}")
    size = picture.width, picture.height
    alt = f"{image.name} of {cell.name}, {size[0]} x {size[1]} pixels"
    is_smooth = size[0] >= SMOOTH_PX
    return shown(
        caption=caption, alt=alt, image=data_uri(content), size=size, is_smooth=is_smooth
    )  # fmt: skip
