"""Runs that other studies of the same storage have finished."""

from collections.abc import Collection
from dataclasses import dataclass

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


def studies_beside(paths: StudyPaths) -> list[StudyPaths]:
    """The directories in a study's storage that may hold other studies, by name.

    Those that a fresh start of the study itself has put aside are none of them: whoever starts over
    does not want their results.

    Args:
        paths: The study's own directory.
    """
    try:
        folders = sorted(paths.root.parent.iterdir())
    except OSError:
        return []
    others = [each for each in folders if each != paths.root and not paths.has_put_aside(each)]
    return [StudyPaths(each) for each in others]


def finished_in(paths: StudyPaths, wanted: Collection[str]) -> OtherStudy:
    """What a study has finished of some runs; nothing where its directory cannot be read.

    Args:
        paths: Its directory.
        wanted: Ids of runs.
    """
    try:
        if wanted and paths.runs_parquet.is_file():
            check_format(paths)
            return OtherStudy(paths, finished_rows(paths, wanted))
    except (AblateError, DamagedFileError, OSError, ValueError):
        pass
    return OtherStudy(paths, RunRows())
