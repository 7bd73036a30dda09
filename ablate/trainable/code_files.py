"""The files of training code, named independently of the machine and the folder."""

import functools
import hashlib
import importlib.util
import json
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib.machinery import BYTECODE_SUFFIXES, SOURCE_SUFFIXES
from pathlib import Path
from typing import NamedTuple

from ablate.process.needed_modules import LIBRARIES

IMPORTED = ""
"""The place of files found by Python's import path, wherever they are."""


class CodeFile(NamedTuple):
    """A file of code.

    Attributes:
        place: The folder it was imported from, relative to the trainable's; `IMPORTED` if that
            folder is on Python's import path.
        path: The file's, relative to its place.
    """

    place: str
    path: str


Hashes = Mapping[CodeFile, str]
"""Content hashes of files."""


def hash_of(path: Path) -> str:
    """A hash of a file's content; empty if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError:
        return ""


def dump_hashes(hashes: Hashes) -> str:
    """Hashes as stored in a row of the ledger: by place and path."""
    places: dict[str, dict[str, str]] = {}
    for file in sorted(hashes):
        places.setdefault(file.place, {})[file.path] = hashes[file]
    return json.dumps(places) if places else ""


def parse_hashes(text: str | None) -> Hashes:
    """What `dump_hashes` wrote; empty if there is nothing, as in rows of earlier versions."""
    try:
        places: dict[str, dict[str, str]] = json.loads(text or "{}")
        return {
            CodeFile(place, path): content
            for place, files in places.items()
            for path, content in files.items()
        }
    except (ValueError, AttributeError):
        return {}


def shown(file: CodeFile) -> str:
    """A file's path for people."""
    return os.path.normpath(f"{file.place or '.'}/{file.path}")


def differing(hashes: Hashes, others: Hashes) -> list[str]:
    """The files in both whose content differs."""
    return [shown(file) for file, was in hashes.items() if others.get(file, was) != was]


def num_versions(all_hashes: Iterable[Hashes]) -> int:
    """A lower bound on the number of code versions; each may cover only some of the files."""
    versions: list[dict[CodeFile, str]] = []
    for hashes in all_hashes:
        same = next((version for version in versions if not differing(hashes, version)), None)
        if same is None:
            versions.append(dict(hashes))
        else:
            same.update(hashes)
    return len(versions)


@dataclass(frozen=True)
class OwnCode:
    """The trainable's own package, as found in this process.

    Attributes:
        package: Its name; the module's if the module is not in a package.
        root: The folder that it is in.
        files: All its files beside and below the trainable's module, imported or not.
        is_imported: Whether Python finds them by its import path: not those of a command.
    """

    package: str
    root: Path
    files: tuple[Path, ...] = ()
    is_imported: bool = True

    @classmethod
    def of(cls, target: str) -> "OwnCode":
        """The package of `module:Class`; without files if it has none, as a built-in module."""
        module = target.partition(":")[0]
        names = module.split(".")
        prefixes = [".".join(names[: i + 1]) for i in range(len(names))]
        try:
            # A folder without `__init__` may be shared by other packages.
            package = next(name for name in prefixes if _origin(name))
            if package in LIBRARIES:  # a whole library would be too much
                package = module.rpartition(".")[0] or module
            origin = _origin(module)
        except (StopIteration, ImportError, ValueError):
            return cls(module, Path(os.sep))
        file = on_disk(origin) if origin else None
        if origin is None or file is None:
            return cls(package, Path(os.sep))
        root, _ = split_path(module, file)
        return cls(package, root, _files_beside(module, origin))

    def has(self, name: str) -> bool:
        """Whether a module belongs to the package."""
        return name == self.package or name.startswith(f"{self.package}.")

    def name(self, root: Path, path: str, import_path: Collection[str]) -> CodeFile:
        """The name of a file.

        Args:
            root: The folder that it was imported from.
            path: The file's path below it.
            import_path: The driver's.
        """
        if self.is_imported and _real(root) in import_path:
            return CodeFile(IMPORTED, path)
        return CodeFile(Path(os.path.relpath(root, self.root)).as_posix(), path)

    def hashes(self, import_path: Collection[str]) -> dict[CodeFile, str]:
        """The hashes of its files as they are now.

        Args:
            import_path: The driver's.
        """
        names = [Path(os.path.relpath(path, self.root)).as_posix() for path in self.files]
        return {
            self.name(self.root, name, import_path): hash_of(path)
            for name, path in zip(names, self.files, strict=True)
        }


def on_disk(path: Path) -> Path | None:
    """The file that a path names or is inside of: the path itself, or an archive."""
    return next((p for p in (path, *path.parents) if p.is_file()), None)


def split_path(name: str, file: Path) -> tuple[Path, str]:
    """The folder that a module was imported from, and the file's path below it."""
    parts = name.split(".")
    if file.name.partition(".")[0] == "__init__":
        parts.append("__init__")
    below = file.parts[-len(parts) :]
    if [*below[:-1], below[-1].partition(".")[0]] != parts:
        return file.parent, file.name  # imported under another name, or from an archive
    return file.parents[len(parts) - 1], "/".join(below)


_real = functools.cache(os.path.realpath)


def _origin(name: str) -> Path | None:
    """The file of a module; None for built-in ones and packages without `__init__`."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None or not spec.has_location:
        return None
    return Path(os.path.abspath(spec.origin))


def _files_beside(module: str, origin: Path) -> tuple[Path, ...]:
    file = on_disk(origin)
    if file != origin:
        return (file,) if file else ()
    if "." not in module and origin.name.partition(".")[0] != "__init__":
        return (origin,)
    suffixes = (*SOURCE_SUFFIXES, *BYTECODE_SUFFIXES)
    code_files = (path for path in origin.parent.rglob("*") if path.suffix in suffixes)
    return tuple(
        sorted(p for p in code_files if _is_plain(p.relative_to(origin.parent)) and p.is_file())
    )


def _is_plain(path: Path) -> bool:
    """Whether it is not part of a cache, an editor's files or an environment."""
    return not any(
        part[0] == "." or part in ("__pycache__", "site-packages") for part in path.parts
    )
