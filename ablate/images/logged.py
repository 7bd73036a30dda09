"""The pictures that a run has of itself: those that it logged, and files that a pattern found."""

import contextlib
import glob
import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ablate.images.png import picture_of
from ablate.study_dir import file_name, is_regular, write_atomically

MOST_BYTES = 300_000
"""Of a picture that a report shows."""
MOST_FOUND = 4
"""Files of a pattern that are kept: the last ones by their names."""
FOUND = "found"
SUFFIXES = {"png": ".png", "jpeg": ".jpg"}


@dataclass(frozen=True)
class LoggedImage:
    """A picture of a run.

    Attributes:
        name: What the run calls it.
        step: When it was made; None where nobody says.
        num: Of how many files it is one, where a pattern found it.
        file: The PNG or JPEG.
    """

    name: str
    step: int | None = None
    num: int = 1
    file: Path = Path()

    @property
    def is_found(self) -> bool:
        """Whether a pattern found it, and the run did not log it."""
        return self.file.parent.name == FOUND


def logged_folder(run_dir: Path) -> Path:
    """Where the pictures are that a run logs: among what is Ablate's own there."""
    return run_dir / ".ablate" / "images"


def keep_image(folder: Path, image: LoggedImage, content: bytes) -> None:
    """Writes a PNG or a JPEG, and then what it is; an earlier one of the same name is gone.

    Raises:
        OSError: If it cannot be written.
    """
    picture = picture_of(content)
    assert picture is not None
    folder.mkdir(parents=True, exist_ok=True)
    stem = _stem(image.name)
    file = stem + SUFFIXES[picture.kind]
    write_atomically(folder / file, content)
    note = {"name": image.name, "step": image.step, "num": image.num, "file": file}
    write_atomically(folder / f"{stem}.json", json.dumps(note))


def keep_found(patterns: Sequence[str], run_dir: Path) -> Iterator[str]:
    """Keeps the last files that a pattern finds, in the place of what it found before.

    Args:
        patterns: Of paths; the first that finds anything counts.
        run_dir: The run's directory.

    Yields:
        What is wrong with them, for people.

    Raises:
        OSError: If they cannot be kept.
    """
    folder = _found_folder(run_dir)
    shutil.rmtree(folder, ignore_errors=True)
    found = next(filter(None, (_files(pattern) for pattern in patterns)), [])
    if not found:
        yield "finds no file"
    for path in found[-MOST_FOUND:]:
        name = str(path.relative_to(run_dir) if path.is_relative_to(run_dir) else path.name)
        content = path.read_bytes() if path.stat().st_size <= MOST_BYTES else b""
        if not content:
            yield f"{name} is empty or larger than {MOST_BYTES // 1000} kB"
        elif picture_of(content) is None:
            yield f"{name} is no whole PNG or JPEG"
        else:
            keep_image(folder, LoggedImage(name, num=len(found)), content)


def logged_images(run_dir: Path) -> list[LoggedImage]:
    """The pictures of a run in the order of their names; what is torn or a link is left out."""
    folders = logged_folder(run_dir), _found_folder(run_dir)
    inside = [one for one in folders if one.resolve().is_relative_to(run_dir.resolve())]
    notes = [note for folder in inside for note in folder.glob("*.json")]
    return sorted(filter(None, map(_read, notes)), key=lambda image: _natural(image.name))


def copy_images(source: Path, target: Path) -> None:
    """Copies the pictures of a run to another's folder, in the place of what is there.

    Nothing is measured of them: where they cannot be copied, the run has none.
    """
    theirs, ours = logged_folder(source), logged_folder(target)
    shutil.rmtree(ours, ignore_errors=True)
    if theirs.is_dir():
        try:
            shutil.copytree(theirs, ours, symlinks=True)
        except OSError:
            shutil.rmtree(ours, ignore_errors=True)


def _found_folder(run_dir: Path) -> Path:
    return logged_folder(run_dir) / FOUND


def _files(pattern: str) -> list[Path]:
    paths = map(Path, glob.glob(pattern, recursive=True))
    return sorted((path for path in paths if path.is_file()), key=lambda path: _natural(str(path)))


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts names as people do: `step-9` before `step-10`."""
    parts = filter(None, re.split(r"([0-9]{1,18})", name))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _read(note: Path) -> LoggedImage | None:
    damaged = OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError
    with contextlib.suppress(*damaged):
        if not is_regular(note):
            return None
        kept = json.loads(note.read_text("utf-8"))
        step = None if kept["step"] is None else int(kept["step"])
        file = note.with_name(Path(kept["file"]).name)
        return LoggedImage(str(kept["name"]), step, int(kept["num"]), file)
    return None


def _stem(name: str) -> str:
    """A file's name that no other picture has."""
    stem = file_name(name)
    if stem == name:
        return stem
    return f"{stem}-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"
