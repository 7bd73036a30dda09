"""The studies that are watched: those of a storage, or one of them."""

import threading
from pathlib import Path
from typing import Any

from ablate.errors import InputError, Problem
from ablate.spec.models import Study
from ablate.spec.no_file import studies_in
from ablate.study_dir import StudyPaths, as_seen_from_here
from ablate.text import printable, storable
from ablate.watch.seen_run import StudyState
from ablate.watch.seen_study import SeenStudy

DEFAULT = Path(str(Study.model_fields["storage"].default))
"""Where studies will be, also before the first one is."""


class Storage:
    """The study directories below a folder, each looked at when somebody asks.

    Args:
        root: The folder.
        only: The directory's name of the one study that is shown; None: all.
    """

    def __init__(self, root: Path, only: str | None = None) -> None:
        self.root = root
        self.only = None if only is None else storable(only)
        self._only = only
        self._seen: dict[str, SeenStudy] = {}
        self._lock = threading.Lock()

    @classmethod
    def of(cls, place: Path) -> "Storage":
        """What a path on the command line means: a study directory, or a folder of some.

        Raises:
            InputError: If it is neither.
        """
        try:
            root = place.resolve()
        except (OSError, RuntimeError) as error:  # a loop of links, to Python 3.11
            raise InputError("command line", [_no_place(place)]) from error
        if StudyPaths(root).study_yaml.is_file():
            return cls(root.parent, root.name)
        is_awaited = place == DEFAULT and not place.exists()
        if is_awaited or (root.is_dir() and (studies_in(root) or not any(root.iterdir()))):
            return cls(root)
        raise InputError("command line", [_no_place(place)])

    def names(self) -> dict[str, str]:
        r"""The directories of the studies that are there now, by their names in URLs.

        These are UTF-8: a byte that is not becomes `\udcff`. The one that is shown is among them
        also while it is not there.
        """
        found = [self._only] if self._only else [path.name for path in studies_in(self.root)]
        return {storable(name): name for name in found}

    def study(self, name: str) -> SeenStudy | None:
        """A study by its name in URLs; None where there is none of it."""
        with self._lock:
            if name not in self._seen and (directory := self.names().get(name)):
                self._seen[name] = SeenStudy(StudyPaths(self.root / directory))
            return self._seen.get(name)

    def listing(self) -> list[dict[str, Any]]:
        """A line a study, as JSON: those that run first, then by when they last changed."""
        names = self.names()
        with self._lock:
            for name in self._seen.keys() - names.keys():
                del self._seen[name]
        lines = [line for name in names if (line := self._line(name))]
        return sorted(lines, key=lambda line: (line["state"] != "running", -line["changed"]))

    def _line(self, name: str) -> dict[str, Any] | None:
        study = self.study(name)
        if study is None:
            return None
        with study.lock:
            study.refresh()
            head = study.head()
        if head["state"] is StudyState.GONE:
            return None
        told = ("question", "state", "told", "counts", "num", "left_s", "changed")
        return {"study": name, "name": printable(name), **{key: head[key] for key in told}}


def _no_place(place: Path) -> Problem:
    fix = "give a study directory (it has a study.yaml), or the folder of studies: ./studies"
    if not place.exists():
        around = place.parent
        there = tuple(str(as_seen_from_here(path)) for path in studies_in(around))
        return Problem("STUDY_DIR", "is not there", str(place), there, fix)
    what = "is neither a study directory nor a folder of studies"
    return Problem("STUDY_DIR", what, str(place), (), fix)
