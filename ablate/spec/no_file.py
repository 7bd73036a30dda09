"""Where the YAML of a study is not: what was meant, as far as the folder and the storage tell."""

import contextlib
import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from ablate.errors import InputError, Problem, reason_of
from ablate.spec.models import Study
from ablate.spec.ready import SUFFIXES, ready_studies
from ablate.spec.yaml12 import parse_yaml
from ablate.study_dir import StudyPaths
from ablate.text import quoted, some


def no_file(path: Path, error: OSError, overrides: Sequence[str] = ()) -> Problem:
    """What is wrong with the path of a study's YAML.

    Args:
        path: As given.
        error: What reading it raised.
        overrides: Of the command line; they may name the storage.
    """
    if isinstance(error, IsADirectoryError):
        return _of_a_folder(path)
    message = f"cannot be read: {reason_of(error)}"
    if not isinstance(error, FileNotFoundError):
        return Problem("the file", message)
    fix = _meant(path, _storage(overrides))
    ready = tuple(ready_studies())
    if path.suffix or len(path.parts) > 1 or str(path) in ready:
        return Problem("the file", message, fix=fix)
    return Problem("the file", message, str(path), ready, fix)


def studies_in(storage: Path) -> list[Path]:
    """The study directories of a storage, by name."""
    return [path for path in _inside(storage) if _is_study(path)]


def resuming(directory: Path) -> str:
    """The option that goes on with a study directory."""
    return quoted(["--resume", directory])


def _of_a_folder(path: Path) -> Problem:
    if _is_study(path):
        fix = f"go on with it: {resuming(path)}"
        return Problem("the file", "is a study directory, not a YAML file", fix=fix)
    files, ways = _yaml_files(path), _ways(studies_in(path))
    fix = f"give one of its files: {some(files)}" if files else ways or "give a YAML file"
    return Problem("the file", "is a folder, not a YAML file", fix=fix)


def _meant(path: Path, storage: Path) -> str:
    """What to write instead of the path of a file that is not there."""
    studies = studies_in(storage)
    same = next((study for study in studies if study.name == path.stem), None)
    if same is not None:
        return f"go on with its study, without the file: {resuming(same)}"
    files = {Path(name).stem: name for name in reversed(_yaml_files(path.parent))}
    close = difflib.get_close_matches(path.stem, files, n=3, cutoff=0.5)
    written = " or ".join(str(path.with_name(files[stem])) for stem in close)
    way = f"write {written}" if close else _ready(path.stem) or "check the path"
    nearest = sorted(studies, key=lambda study: -_likeness(study.name, path.stem))
    return ", or ".join(filter(None, [way, _ways(nearest)]))


def _ready(name: str) -> str:
    """What to write for a study that comes with Ablate; `` where none was meant."""
    close = difflib.get_close_matches(name, ready_studies(), n=1, cutoff=0.7)
    return f"write {close[0]}, a study that comes with Ablate" if close else ""


def _likeness(name: str, meant: str) -> float:
    return difflib.SequenceMatcher(None, name, meant).ratio()


def _ways(studies: Sequence[Path]) -> str:
    """How to go on with studies that are there; `` without any."""
    ways = [resuming(study) for study in studies]
    return f"go on with a study that is there: {some(ways, most=3)}" if ways else ""


def _storage(overrides: Iterable[str]) -> Path:
    """Where study directories go, as far as the command line says."""
    storage = Study.model_fields["storage"].default
    for override in overrides:
        key, _, written = override.partition("=")
        with contextlib.suppress(InputError):
            storage = parse_yaml(written, key) if key == "storage" else storage
    return Path(str(storage))


def _yaml_files(folder: Path) -> list[str]:
    return [path.name for path in _inside(folder) if path.suffix in SUFFIXES]


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (OSError, ValueError):  # no folder, or no name of one
        return []


def _is_study(path: Path) -> bool:
    try:
        return StudyPaths(path).study_yaml.is_file()
    except OSError:
        return False
