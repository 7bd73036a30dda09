"""The version of a study directory's format: older ones are read, newer ones refused."""

from ablate.errors import AblateError
from ablate.study_dir import StudyPaths, write_atomically

FORMAT = 2
"""Raised when an older Ablate could not read, or would damage, what this one writes.

Directories without a version are older than all versions. Since 2 the ledger may have several
journals.
"""


def check_format(paths: StudyPaths) -> None:
    """Refuses a directory that a newer Ablate has written.

    Raises:
        AblateError: If a newer Ablate has written it.
    """
    written = paths.format.read_text("utf-8").strip() if paths.format.is_file() else ""
    if written.isdecimal() and int(written) > FORMAT:
        raise AblateError(
            f"{paths.root} has format {written}, made by a newer Ablate; this one knows formats up "
            f"to {FORMAT}\n  update Ablate, or start a study under another name"
        )


def write_format(paths: StudyPaths) -> None:
    """Marks the directory as being of the current format."""
    if not paths.format.is_file() or paths.format.read_text("utf-8").strip() != str(FORMAT):
        write_atomically(paths.format, f"{FORMAT}\n")
