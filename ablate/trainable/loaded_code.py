"""The training code that this process has loaded.

Python does not keep a module's source, and a file may be edited after its module was imported. So
a file is read once, when its module is first seen here, and that content counts for as long as the
module lives. Modules are looked at right after the trainable's class was imported, when a trial
starts, and with each result after which there are more modules than before.
"""

import os
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.process.needed_modules import LIBRARIES
from ablate.trainable.code_files import (
    IMPORTED,
    CodeFile,
    OwnCode,
    dump_hashes,
    hash_of,
    on_disk,
    split_path,
)

_INSTALLED = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
_STANDARD = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib")})
_ABLATE = f"{Path(__file__).absolute().parents[1]}{os.sep}"
_SCRIPTS = frozenset({"__main__", "__mp_main__"})
"""The script that started a process: workers do not import it."""


@dataclass(frozen=True)
class _Loaded:
    """The file of a module, and the hash of its content at the time."""

    file: Path
    content: str


class LoadedCode:
    """The files that modules were loaded from, by module name."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[object, _Loaded | None]] = {}

    def look(self, own: OwnCode) -> None:
        """Records modules that are new or were reloaded."""
        for name, module in list(sys.modules.items()):
            content: dict[str, Any] = getattr(module, "__dict__", None) or {}
            made_by = content.get("__spec__") or module
            hashed, loaded = self._seen.get(name, (None, None))
            if hashed is not made_by or (not loaded and own.has(name)):
                self._seen[name] = made_by, _loaded(name, content, own)

    def of(self, own: OwnCode) -> dict[str, _Loaded]:
        """The training code of a trainable, by the modules' names."""
        return {
            name: loaded
            for name, (_, loaded) in self._seen.items()
            if loaded and name in sys.modules and _counts(name, str(loaded.file), own)
        }


_LOADED = LoadedCode()
"""One per process: modules outlive trials."""


class RunCode:
    """The training code of a trial's runs.

    Args:
        target: `module:Class` of the trainable.
        import_path: The driver's path for imports.
    """

    def __init__(self, target: str, import_path: Iterable[str]) -> None:
        self._own = OwnCode.of(target)
        self._import_path = frozenset(import_path)
        self._modules = -1
        _LOADED.look(self._own)
        self._at_start = self._own.hashes(self._import_path)
        self._reported = ""

    def news(self) -> str:
        """The current files as stored in a row; empty if unchanged since the last call."""
        if len(sys.modules) == self._modules:
            return ""
        self._modules = len(sys.modules)
        _LOADED.look(self._own)
        before, self._reported = self._reported, dump_hashes(self.hashes())
        return self._reported if self._reported != before else ""

    def hashes(self) -> dict[CodeFile, str]:
        """Hashes of the files when they were loaded; when the trial began if they were not."""
        own, path, files = self._own, self._import_path, dict(self._at_start)
        for name, loaded in _LOADED.of(own).items():
            file = own.name(*split_path(name, loaded.file), path)
            if own.has(name) or file.place == IMPORTED or not _is_made(file, loaded.file, own):
                files[file] = loaded.content
        return files


class KnownCode:
    """The code of a command's runs: another process loads it, from files that stay as they are.

    Args:
        code_files: As stored in a row.
    """

    def __init__(self, code_files: str) -> None:
        self._news = code_files

    def news(self) -> str:
        """The files as stored in a row; empty from the second call on."""
        news, self._news = self._news, ""
        return news


def code_of(host: Mapping[str, Any]) -> RunCode | KnownCode:
    """The code of a trial's runs, from what its host was given."""
    known = host.get("code_files")
    return KnownCode(known) if known else RunCode(host["trainable"], host["import_path"])


def import_path() -> list[str]:
    """This process's path for imports, as `RunCode` takes it."""
    entries = sys.path if os.access(os.curdir, os.F_OK) else filter(os.path.isabs, sys.path)
    return [os.path.realpath(entry or os.curdir) for entry in entries]


def note_loaded(target: str) -> None:
    """Records what this process has loaded so far, for later trials of a trainable."""
    if target.partition(".")[0] not in LIBRARIES:
        _LOADED.look(OwnCode.of(target))


def _is_made(file: CodeFile, path: Path, own: OwnCode) -> bool:
    """Whether it was generated: compilers leave modules in caches and temporary folders."""
    temporary = Path(tempfile.gettempdir())
    if path.is_relative_to(temporary) and not own.root.is_relative_to(temporary):
        return True
    parts = f"{file.place}/{file.path}".split("/")
    return any(part.startswith(".") and part.strip(".") for part in parts)


def _loaded(name: str, content: dict[str, Any], own: OwnCode) -> _Loaded | None:
    """The file that a module was loaded from; None if it is not training code."""
    origin = content.get("__file__") or getattr(content.get("__spec__"), "origin", None)
    if not isinstance(origin, str) or not _counts(name, os.path.abspath(origin), own):
        return None
    file = on_disk(Path(os.path.abspath(origin)))
    return _Loaded(file, hash_of(file)) if file else None


def _counts(name: str, path: str, own: OwnCode) -> bool:
    """Whether a module is training code, and not a library."""
    if own.has(name):
        return True
    installed = path.startswith((_ABLATE, *_STANDARD)) or any(part in path for part in _INSTALLED)
    return not (installed or name in _SCRIPTS or name.partition(".")[0] in LIBRARIES)
