"""Which files are a command's code: its script, what is beside and below, what it watches."""

import glob
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from ablate.commands.spec import Command
from ablate.commands.template import TemplateError, plain_words

MAX_ENTRIES = 50_000
"""Files and folders that are looked at: a script may lie in a home directory."""
_NO_CODE = frozenset({"__pycache__", "site-packages", "node_modules"})
_MARKS = ("study.yaml", ".lock", "pyvenv.cfg")
"""Files in folders that are no code of the script's: study directories, environments."""


def code_files(command: Command, folder: Path) -> tuple[Path, ...]:
    """The files of a command's code.

    Those that its words name, the Python files beside and below the first of them, and those that
    `watch` names.

    Args:
        command: The command.
        folder: Where it is started.
    """
    named = list(named_files(command, folder))
    script = next((path for path in named if path.suffix == ".py"), next(iter(named), None))
    beside = _python_files(folder if script is None else script.parent)
    watched = (path for pattern in command.watch for path in watched_files(pattern, folder))
    return tuple(sorted({*named, *beside, *watched}))


def named_files(command: Command, folder: Path) -> Iterator[Path]:
    """The files that words of a command name: `train.py`, and that of `-m package.train`."""
    words = _words(command)
    for before, word in zip(["", *words], words, strict=False):
        path = folder / word
        if before == "-m":
            yield from module_files(word, folder)
        elif "{" not in word and "\0" not in word and os.path.isfile(path):
            yield path


def watched_files(pattern: str, folder: Path) -> list[Path]:
    """The files that a pattern of `watch` names; what Python and studies leave there is no code."""
    found = glob.glob(pattern, root_dir=folder, recursive=True)
    files = [name for name in sorted(found) if (folder / name).is_file()]
    places = {place for name in files for place in Path(name).parents}
    no_code = {place for place in places if place.name and not _may_hold_code(folder / place)}
    return [folder / name for name in files if no_code.isdisjoint(Path(name).parents)]


def pruned(folder: str, names: list[str]) -> list[str]:
    """The folders below one that may hold code: no caches, environments or study directories."""
    return sorted(name for name in names if name[0] != "." and _may_hold_code(Path(folder, name)))


def _may_hold_code(folder: Path) -> bool:
    return folder.name not in _NO_CODE and not any((folder / mark).exists() for mark in _MARKS)


def _words(command: Command) -> list[str]:
    try:
        words = plain_words(command.command)
    except TemplateError:
        return []
    inner: list[str] = []
    for word in words:
        if " " in word:  # the script of `bash -c`
            try:
                inner += shlex.split(word)
            except ValueError:
                continue
    return [*words, *inner]


def module_files(name: str, folder: Path) -> Iterator[Path]:
    """The files that `-m name` may run, of those in a folder or its `src`."""
    parts = name.split(".")
    for root in (folder, folder / "src"):
        for path in (
            root.joinpath(*parts).with_suffix(".py"),
            root.joinpath(*parts, "__main__.py"),
        ):
            if path.is_file():
                yield path


def _python_files(folder: Path) -> Iterator[Path]:
    seen = 0
    for place, folders, files in os.walk(folder):
        folders[:] = pruned(place, folders)
        seen += len(folders) + len(files)
        if seen > MAX_ENTRIES:
            return
        yield from (Path(place, name) for name in files if name.endswith(".py") and name[0] != ".")
