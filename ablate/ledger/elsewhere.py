"""Runs that other studies of the same storage have finished."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ablate.errors import AblateError
from ablate.ledger.parquet_files import DamagedFileError
from ablate.ledger.rows import finished_rows
from ablate.run_row import RunRows
from ablate.study_dir import StudyPaths
from ablate.study_format import check_format


@dataclass(frozen=True)
class OtherStudy:
    """A study that has finished some runs of another one."""

    paths: StudyPaths
    rows: RunRows
    """Of those runs."""

    @property
    def name(self) -> str:
        """What it is called: its directory's name."""
        return self.paths.root.name


def studies_with(paths: StudyPaths, wanted: Collection[str]) -> list[OtherStudy]:
    """The studies beside a study that have finished some of its runs, by name.

    Directories that cannot be read are passed over, and so are those that a fresh start of the
    study itself has put aside: whoever starts over does not want their results.

    Args:
        paths: The study's own directory.
        wanted: Ids of runs.
    """
    if not wanted:
        return []
    found = (_finished(folder, wanted) for folder in _studies_beside(paths))
    return [study for study in found if study.rows]


def _studies_beside(paths: StudyPaths) -> list[Path]:
    try:
        folders = sorted(paths.root.parent.iterdir())
    except OSError:
        return []
    return [each for each in folders if each != paths.root and not paths.has_put_aside(each)]


def _finished(folder: Path, wanted: Collection[str]) -> OtherStudy:
    paths = StudyPaths(folder)
    try:
        if paths.runs_parquet.is_file():
            check_format(paths)
            return OtherStudy(paths, finished_rows(paths, wanted))
    except (AblateError, DamagedFileError, OSError, ValueError):
        pass
    return OtherStudy(paths, RunRows())
