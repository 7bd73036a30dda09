"""Pictures that runs of one's own logged, in the place of samples that Ablate makes."""

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
    by_name: dict[str, list[OwnImage]] = {}
    for each in images:
        name = each.image.name
        by_name.setdefault(name if nums[name] > 1 else "", []).append(each)
    for name, alike in sorted(by_name.items(), key=lambda pair: not pair[0]):
        pictures: list[Shown] = []
        shares_many = len({each.many for each in alike}) == 1
        for each in alike:
            content, why = _content(each.image, budget)
            budget -= len(content)
            shown = replace(each, many="") if shares_many else each
            pictures.append(_picture(shown, content, why, told, paths))
        text = _text(name, alike, alike[0].many if shares_many else "", told)
        yield Group(title="", text=text, pictures=pictures, is_for_papers=False)


def _text(name: str, alike: Sequence[OwnImage], many: str, told: str) -> str:
    """What a group's pictures are: `grid: the last that each cell's median run has logged`."""
    whose = runs_text((each.run for each in alike), told)
    if any(each.image.is_found for each in alike):
        which = f"{'among ' * bool(name)}the last pictures of {whose}"
    else:
        which = f"the last that {whose} has logged"
    return f"{name or 'Pictures'}: {which}{f' (last {many})' * bool(many)}."


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
    return (content, "") if is_picture else (b"", "neither a PNG nor a JPEG any more")


def _picture(each: OwnImage, content: bytes, why: str, told: str, paths: StudyPaths) -> Shown:
    run, cell, image = each.run, each.run.cell, each.image
    step = "" if image.step is None else f"step {image.step}"
    caption = ", ".join(filter(None, [image.name, step, each.many, run_text(run, told)]))
    shown = partial(Shown, title=cell.name, run_name=run.run_name, is_baseline=cell.is_baseline)
    picture = picture_of(content)
    if picture is None:
        place = image.file.relative_to(paths.root)
        return shown(caption=f"{caption}; not shown ({why}): {place}")
    size = picture.width, picture.height
    alt = f"{image.name} of {cell.name}, {size[0]} x {size[1]} pixels"
    return shown(caption=caption, alt=alt, image=data_uri(content), size=size)
