"""Keeps the code of a command as it is at launch: what is edited later does not reach its runs.

The working tree of git is copied: tracked files as they are now, and untracked ones up to a limit.
What git ignores, what is too large, and hidden files that nobody tracks (`.env`: secrets) are
linked, so that relative paths to data hold. The commit and the difference to it are written beside
the copy. Without git it is the command's folder.
"""

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ablate.commands.code import MAX_ENTRIES, pruned
from ablate.process.git import git

LIMIT_MB = 50
"""Of all untracked files together, and of one tracked file."""
_MODULE = "160000 "
"""git's mode of a submodule."""
_NOT_LINKED = frozenset({".git", "__pycache__"})


@dataclass(frozen=True)
class Tree:
    """The files that a command's code is among.

    Attributes:
        root: The folder that is copied: git's top level, or the command's folder.
        storage: Where study directories are, which are no part of it.
        files: Those that are copied, relative to it.
        left_out: Those that are linked, since they are too large.
        commit: git's, if there is one.
        is_git: Whether git says what belongs to it.
    """

    root: Path
    storage: Path
    files: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    commit: str = ""
    is_git: bool = False

    @property
    def links_out(self) -> list[str]:
        """Links in it to what is not in it, which stay links."""
        root = self.root.resolve()
        links = [name for name in self.files if (self.root / name).is_symlink()]
        return [name for name in links if not (self.root / name).resolve().is_relative_to(root)]


@dataclass(frozen=True)
class Snapshot:
    """A copy of a tree.

    Attributes:
        root: The tree's.
        copy: The copy of it; the root itself where there is none.
    """

    root: Path
    copy: Path

    def at(self, path: Path) -> Path:
        """Where a file or folder of the tree is in the copy; elsewhere itself."""
        moved = self.copy / os.path.relpath(path, self.root)
        return moved if path.is_relative_to(self.root) and moved.exists() else path


def tree_of(folder: Path, storage: Path) -> Tree | None:
    """The tree that a folder is in; None where it has too many files to copy.

    Args:
        folder: Where the command is started, absolute.
        storage: Where study directories are, which are no part of it.
    """
    top = git(folder, "rev-parse", "--show-toplevel")
    root = Path(os.fsdecode(top or b"").rstrip("\n"))
    listed = _listed(root) if top else None
    if listed is None:
        return _plain_tree(folder, storage)
    tracked, others = listed
    commit = (git(root, "rev-parse", "-q", "--verify", "HEAD") or b"").decode().strip()
    own, large = _small(root, tracked, storage, of_all=False)
    new, larger = _small(root, filter(_is_open, others), storage, of_all=True)
    return Tree(root, storage, (*own, *new), (*large, *larger), commit, is_git=True)


def take_snapshot(tree: Tree, place: Path) -> Snapshot:
    """Copies a tree, once per content.

    Args:
        tree: The tree.
        place: The folder of all copies.
    """
    place.mkdir(parents=True, exist_ok=True)
    partial = place / f".{os.getpid()}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    digest = hashlib.sha256(os.fsencode(tree.root))
    for name in sorted(tree.files):
        _copy(tree.root, partial, name, digest.update)
    partial.mkdir(exist_ok=True)
    for name in _link_rest(tree, partial):
        digest.update(os.fsencode(name) + b"\0link\0")
    copy = place / digest.hexdigest()[:12]
    if copy.exists():
        shutil.rmtree(partial)
    else:
        _record(tree, copy)
        os.rename(partial, copy)
    return Snapshot(tree.root, copy)


def _listed(root: Path, at: str = "") -> tuple[list[str], list[str]] | None:
    """What git tracks, and what it neither tracks nor ignores; of submodules and clones, too.

    A submodule's tracked files are tracked. Nobody has said so of a clone that lies in the tree.
    """
    staged = git(root / at, "ls-files", "-z", "--stage")
    new = git(root / at, "ls-files", "-z", "--others", "--exclude-standard")
    if staged is None or new is None:
        return None
    entries = [entry.partition("\t") for entry in _names(staged)]
    modules = [name for mode, _, name in entries if mode.startswith(_MODULE)]
    tracked = [f"{at}{name}" for mode, _, name in entries if not mode.startswith(_MODULE)]
    others = [f"{at}{name}" for name in _names(new)]
    for place in (f"{at}{name}/" for name in modules):
        if (root / place / ".git").exists() and (inner := _listed(root, place)):
            tracked, others = tracked + inner[0], others + inner[1]
    for place in [name for name in others if name.endswith("/")]:
        for names in _listed(root, place) or ():
            others += names
    return tracked, others


def _plain_tree(folder: Path, storage: Path) -> Tree | None:
    """A folder without git: all its files, up to the limit."""
    names: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = pruned(place, folders)
        names += [os.path.relpath(os.path.join(place, name), folder) for name in sorted(files)]
        if len(names) + len(folders) > MAX_ENTRIES:
            return None
    code = [name for name in names if name.endswith(".py")]
    own, large = _small(folder, code, storage, of_all=False)
    others = filter(_is_open, sorted({*names} - {*code}))
    rest, larger = _small(folder, others, storage, of_all=True)
    return Tree(folder, storage, (*own, *rest), (*large, *larger))


def _is_open(name: str) -> bool:
    """Whether neither a file nor a folder that it is in is hidden: those may hold secrets."""
    return not any(part.startswith(".") for part in Path(name).parts)


def _small(
    root: Path, names: Iterable[str], storage: Path, of_all: bool
) -> tuple[list[str], list[str]]:
    """Files within the limit, the smallest first if it is one of all together; and the others."""
    sizes: dict[str, int] = {}
    for name in names:
        path = root / name
        if path.is_relative_to(storage) or (path.is_dir() and not path.is_symlink()):
            continue
        try:
            found = path.lstat()
        except OSError:
            continue  # deleted, but still in git's index
        if stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode):  # no pipes: they never end
            sizes[name] = found.st_size
    within: list[str] = []
    left, limit = LIMIT_MB * 2**20, LIMIT_MB * 2**20
    for name in sorted(sizes, key=sizes.__getitem__):
        left -= sizes[name] if of_all else 0
        if left >= 0 and sizes[name] <= limit:
            within.append(name)
    return within, sorted(sizes.keys() - set(within))


def _copy(root: Path, partial: Path, name: str, hashed: Callable[[bytes], None]) -> None:
    source, target = root / name, partial / name
    target.parent.mkdir(parents=True, exist_ok=True)
    hashed(os.fsencode(name) + b"\0")
    if source.is_symlink():
        link = os.readlink(source)
        inside = Path(os.path.normpath(source.parent / link)).is_relative_to(root)
        # A relative link out of the tree would miss from elsewhere.
        link = link if inside and not os.path.isabs(link) else str(source.parent / link)
        hashed(os.fsencode(link))
        target.symlink_to(link)
        return
    try:
        content = source.read_bytes()
    except OSError:
        return  # not ours to read, and linked then; or gone meanwhile
    hashed(str(len(content)).encode() + b"\0" + content)
    target.write_bytes(content)
    shutil.copystat(source, target)


def _link_rest(tree: Tree, partial: Path) -> Iterator[str]:
    """Links what is beside the copied files and was not copied; yields the names."""
    places = {tree.root, *(place for name in tree.files for place in (tree.root / name).parents)}
    for place in sorted(place for place in places if place.is_relative_to(tree.root)):
        for source in sorted(place.iterdir()):
            name = source.relative_to(tree.root)
            is_left = source.name in _NOT_LINKED or source == tree.storage
            if not is_left and not os.path.lexists(partial / name):
                (partial / name).symlink_to(source)
                yield str(name)


def _record(tree: Tree, copy: Path) -> None:
    """Writes beside a copy what it is a copy of."""
    patch = git(tree.root, "diff", "--binary", "HEAD") if tree.commit else None
    if patch:
        copy.with_suffix(".patch").write_bytes(patch)
    facts = {
        "root": str(tree.root),
        "commit": tree.commit or None,
        "patch": bool(patch),
        "left_out": tree.left_out,
    }
    copy.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _names(listed: bytes) -> list[str]:
    return [os.fsdecode(name) for name in dict.fromkeys(listed.split(b"\0")) if name]
