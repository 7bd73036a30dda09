"""The code and packages that a run was made with."""

import hashlib
import importlib.metadata
import importlib.util
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ablate.process.git import git
from ablate.trainable.registry import TrainableEntry

PACKAGES = ("ablate", "numpy", "pyarrow", "ray", "scikit-learn", "torch", "wandb")


def code_hash(entry: TrainableEntry) -> str:
    """A hash of a trainable's source: its package, or its file if it is in no package."""
    digest = hashlib.sha256()
    for path in _sources(entry):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def provenance(entry: TrainableEntry) -> dict[str, Any]:
    """Ledger columns: code hash, git commit and whether dirty, package versions."""
    own = Path(entry.folder) if entry.folder else None
    folder = own or next((path.parent for path in _sources(entry)), Path.cwd())
    commit = _git(folder, "rev-parse", "HEAD")
    return {
        "code_hash": code_hash(entry),
        "git_commit": commit or None,
        "git_dirty": bool(_git(folder, "status", "--porcelain")) if commit else None,
        "versions": versions(),
    }


def versions() -> str:
    """Python's and the packages' versions in one line."""
    return versions_of(PACKAGES)


def versions_of(packages: Iterable[str]) -> str:
    """Python's version and those of the packages that are installed."""
    installed = [f"python {platform.python_version()}"]
    for name in packages:
        try:
            installed.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(installed)


def version_in(versions: str, package: str) -> str:
    """A package's version in what `versions_of` has made, empty where it is not among them."""
    known = dict(entry.split(" ", 1) for entry in versions.split(", ") if " " in entry)
    return known.get(package, "")


def _sources(entry: TrainableEntry) -> Sequence[Path]:
    if entry.command is not None:
        return entry.own_code().files
    module = entry.target.partition(":")[0]
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return []
    path = Path(spec.origin)
    if "." not in module and not spec.submodule_search_locations:
        return [path] if path.is_file() else []  # otherwise it is in an archive, or gone
    # Editors keep files of their own beside the sources, under names with a dot in front.
    return sorted(p for p in path.parent.rglob("*.py") if p.is_file() and p.name[0] != ".")


def _git(folder: Path, *arguments: str) -> str:
    said = git(folder, *arguments, timeout_s=10)
    return (said or b"").decode(errors="replace").strip()
