"""The studies that come with Ablate, by name: `quickstart` is `search_spaces/quickstart.yaml`."""

from pathlib import Path

SUFFIXES = (".yaml", ".yml")
FOLDER = Path(__file__).parents[2] / "search_spaces"
"""Beside the package `ablate`, in the source tree as where it is installed."""


def ready_studies() -> dict[str, Path]:
    """The files of the ready studies, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob(f"*{SUFFIXES[0]}"))}


def study_file(given: Path) -> Path:
    """The file that was meant: a ready study's where nothing here has its name.

    A study of one's own comes first, also where its suffix was left out: that is a mistake.
    """
    ready = ready_studies().get(str(given))
    own = [given, *(given.with_suffix(suffix) for suffix in SUFFIXES)] if ready else []
    return given if ready is None or any(path.exists() for path in own) else ready
