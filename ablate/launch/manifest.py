"""The manifest of a checkpoint directory: checksums of its files, and facts about its runs."""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ablate.ledger.seals import Seal, seal_of
from ablate.study_dir import write_atomically

MANIFEST = "manifest.json"
"""Written last: a checkpoint directory is torn if it lacks it or its files differ from it."""
NO_POINTS = (0, -1)
"""The length of an empty curve, and the step of its last point."""

_MANIFEST_KINDS = {"runs": list, "files": dict, "steps": dict, "seconds": dict, "points": dict}


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    """Seals a checkpoint directory: every file with its size and checksum."""
    files = {
        str(path.relative_to(folder)): seal_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    write_atomically(folder / MANIFEST, json.dumps({**facts, "files": files}))


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a checkpoint directory.

    Raises:
        ValueError: If it is torn or something else.
        OSError: If it cannot be read.
    """
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    is_own = isinstance(manifest, dict) and all(
        isinstance(manifest.get(name, kind()), kind) for name, kind in _MANIFEST_KINDS.items()
    )
    if not (is_own and {"runs", "files"} <= manifest.keys()):
        raise ValueError(f"{folder / MANIFEST}: not a checkpoint's manifest")
    return manifest


def is_whole(folder: Path) -> bool:
    """Whether a checkpoint directory is complete and unchanged.

    A file is read once a process, as long as its size and times stay.
    """
    try:
        files = read_manifest(folder)["files"]
        return all(list(_seal_now(folder / name)) == seal for name, seal in files.items())
    except (OSError, ValueError):
        return False


def _seal_now(path: Path) -> Seal:
    stat = path.stat()
    return _seal_once(path, (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))


@lru_cache(maxsize=2**14)
def _seal_once(path: Path, version: tuple[int, ...]) -> Seal:
    return seal_of(path)


def newest_whole(folder: Path) -> Path | None:
    """A checkpoint directory if it is whole, else its newest whole sibling, else None."""
    if is_whole(folder):
        return folder
    siblings = sorted(folder.parent.glob("checkpoint_*"), reverse=True)
    return next((path for path in siblings if path != folder and is_whole(path)), None)
