"""Imports what Ablate needs from where it is installed, whatever is in the working folder.

Python searches the working folder first: a `torch.py` or a package `wandb` there would shadow the
library, in the driver, in the W&B process and in Ray's workers. Everything else in that folder is
imported as usual: users' trainables are there.
"""

import functools
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

OURS = "trainables"
"""Ablate's own second package, beside `ablate`; an editable install finds it last."""
LIBRARIES = frozenset({
    "altair", "cloudpickle", "jinja2", "numpy", "pyarrow", "pydantic", "ray", "rich", "scipy",
    "sklearn", "torch", "vl_convert", "wandb", "yaml",
})  # fmt: skip
"""Modules of the dependencies in pyproject.toml; their own dependencies are looked up."""
_HOME = str(Path(__file__).absolute().parents[2])
_STANDARD_LIBRARY = os.path.dirname(os.__file__)
_INSTALLED = ("site-packages", "dist-packages", _STANDARD_LIBRARY)

_aside: dict[str, str] = {}


def ignored_modules() -> dict[str, str]:
    """Paths of the working folder's modules that were passed over, by name."""
    return dict(_aside)


def namesake() -> str | None:
    """What shadows `ablate` itself in the working folder, which no finder can fix; None if nothing.

    Processes that Ablate starts import `ablate` before anything of it can intervene.
    """
    spec = PathFinder.find_spec("ablate", ["", *sys.path])
    places = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or ())]
    first = next(filter(None, places), None)
    ours = str(Path(__file__).resolve().parents[1])
    is_ours = first is None or os.path.dirname(os.path.realpath(first)) == ours
    return None if is_ours else first


class NeededModules:
    """Finds needed modules outside the working folders; leaves the rest to other finders."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The installed version of a needed module that a working folder shadows.

        Args:
            fullname: The module's name.
            path: Its package's path; None for top-level modules, the only ones handled.
            target: Unused.
        """
        if path is not None:
            return None
        folders = _working_folders()
        theirs = next(filter(None, (_module_in(f, fullname) for f in folders.values())), None)
        if theirs is None:
            return None
        elsewhere = [_HOME] if fullname == OURS else [e for e in sys.path if e not in folders]
        spec = PathFinder.find_spec(fullname, elsewhere)
        if spec is None or not _is_needed(fullname):
            return None
        if os.path.dirname(theirs) != _HOME:
            _aside[fullname] = theirs
        return spec


def install() -> None:
    """Puts the finder first, unless it is there already."""
    if not any(isinstance(finder, NeededModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, NeededModules())


def _working_folders() -> dict[str, str]:
    """Import path entries before the installed ones, except PYTHONPATH's, which are deliberate.

    They are the working directory, a script's folder, and what Ray adds of these in its workers.
    """
    wanted = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    folders: dict[str, str] = {}
    for entry in sys.path:
        if entry == _STANDARD_LIBRARY:
            break
        installed = any(place in entry for place in _INSTALLED)
        if not installed and not entry.endswith(".zip") and (entry not in wanted or not entry):
            folders[entry] = entry or os.curdir
    return folders


def _module_in(folder: str, name: str) -> str | None:
    """The module or package of a name in a folder, except packages without `__init__`."""
    for path in (os.path.join(folder, name, "__init__.py"), os.path.join(folder, f"{name}.py")):
        if os.path.isfile(path):
            return os.path.abspath(path)
    # An editable install of ours is found last, after folders without `__init__`.
    bare = os.path.join(folder, name)
    return os.path.abspath(bare) if name == OURS and os.path.isdir(bare) else None


@functools.cache
def _is_needed(name: str) -> bool:
    if name == OURS or name in LIBRARIES or name in sys.stdlib_module_names:
        return True
    from importlib.metadata import packages_distributions

    return not _needed_distributions().isdisjoint(packages_distributions().get(name, ()))


@functools.cache
def _needed_distributions() -> frozenset[str]:
    """The installed distributions that the libraries depend on, directly or not."""
    from importlib.metadata import PackageNotFoundError, packages_distributions, requires

    providers = packages_distributions()
    spelled = {_normal(name): name for names in providers.values() for name in names}
    queue = [dist for name in LIBRARIES for dist in providers.get(name, ())]
    needed: set[str] = set()
    while queue:
        dist = queue.pop()
        if dist in needed:
            continue
        needed.add(dist)
        try:
            wanted = requires(dist) or []
        except PackageNotFoundError:
            continue
        asked = [line for line in wanted if "extra ==" not in line or "tune" in line]
        names = {_normal(line) for line in asked}
        queue += [spelled[name] for name in names & spelled.keys()]
    return frozenset(needed)


def _normal(requirement: str) -> str:
    """The name in a requirement, normalised."""
    import re

    name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
    return re.sub("[-_.]+", "-", name).lower()
