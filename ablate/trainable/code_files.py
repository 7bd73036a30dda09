"""The files that training code is made of, named the same on every machine and in every folder."""

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
"""The place of what Python finds by its path, wherever that is."""


class CodeFile(NamedTuple):
    """A file of code.

    Attributes:
        place: The folder that its import began in, relative to the one of the trainable; or
            `IMPORTED`, where Python's path has that folder.
        path: The file's, relative to its place.
    """

    place: str
    path: str


Hashes = Mapping[CodeFile, str]
"""What files held."""


def hash_of(path: Path) -> str:
    """A hash of a file's content; none where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError:
        return ""


def dump_hashes(hashes: Hashes) -> str:
    """Hashes as a row of the ledger keeps them: by place and path."""
    places: dict[str, dict[str, str]] = {}
    for file in sorted(hashes):
        places.setdefault(file.place, {})[file.path] = hashes[file]
    return json.dumps(places) if places else ""


def parse_hashes(text: str | None) -> Hashes:
    """What `dump_hashes` wrote; nothing where there is none, as in rows of earlier versions."""
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
    """A file as people are told of it."""
    return os.path.normpath(f"{file.place or '.'}/{file.path}")


def differing(hashes: Hashes, others: Hashes) -> list[str]:
    """The files that both know, with other content."""
    return [shown(file) for file, was in hashes.items() if others.get(file, was) != was]


def num_versions(all_hashes: Iterable[Hashes]) -> int:
    """How many versions of code there are at least, where each may know only some files of it."""
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
    """The trainable's own package, as it is found in this process.

    Attributes:
        package: Its name; of a module that is in none, the module's.
        root: The folder that it is in.
        files: All its files beside and below the trainable's module, imported or not.
    """

    package: str
    root: Path
    files: tuple[Path, ...] = ()

    @classmethod
    def of(cls, target: str) -> "OwnCode":
        """That of `module:Class`; without files where it has none, as a built-in module."""
        module = target.partition(":")[0]
        names = module.split(".")
        prefixes = [".".join(names[: i + 1]) for i in range(len(names))]
        try:
            # A folder without `__init__` is a package that others share.
            package = next(name for name in prefixes if _origin(name))
            if package in LIBRARIES:  # all of which would be too much
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
        """Whether a module is of the package."""
        return name == self.package or name.startswith(f"{self.package}.")

    def name(self, root: Path, path: str, import_path: Collection[str]) -> CodeFile:
        """How a file is called.

        Args:
            root: The folder that its import began in.
            path: The file's below it.
            import_path: The driver's.
        """
        if _real(root) in import_path:
            return CodeFile(IMPORTED, path)
        return CodeFile(Path(os.path.relpath(root, self.root)).as_posix(), path)

    def hashes(self, import_path: Collection[str]) -> dict[CodeFile, str]:
        """What its files hold now.

        Args:
            import_path: The driver's.
        """
        names = [Path(os.path.relpath(path, self.root)).as_posix() for path in self.files]
        return {
            self.name(self.root, name, import_path): hash_of(path)
            for name, path in zip(names, self.files, strict=True)
        }


def on_disk(path: Path) -> Path | None:
    """The file that a path is of or in: the path itself, or an archive that it leads into."""
    return next((p for p in (path, *path.parents) if p.is_file()), None)


def split_path(name: str, file: Path) -> tuple[Path, str]:
    """The folder that a module's import began in, and the file's path below it."""
    parts = name.split(".")
    if file.name.partition(".")[0] == "__init__":
        parts.append("__init__")
    below = file.parts[-len(parts) :]
    if [*below[:-1], below[-1].partition(".")[0]] != parts:
        return file.parent, file.name  # under another name than its own, or in an archive
    return file.parents[len(parts) - 1], "/".join(below)


_real = functools.cache(os.path.realpath)


def _origin(name: str) -> Path | None:
    """What a module is made from; None for a folder that is a package, and for built-in ones."""
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
    """Whether it is no cache, nor an editor's or an environment's own."""
    return not any(
        part[0] == "." or part in ("__pycache__", "site-packages") for part in path.parts
    )
