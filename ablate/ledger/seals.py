"""Sizes and checksums of files, which tell whether a file has changed."""

import contextlib
import shutil
import zlib
from collections.abc import Generator, Iterable
from pathlib import Path

from ablate.errors import reason_of
from ablate.ledger.history import History
from ablate.ledger.parquet_files import looks_whole
from ablate.run_row import RunRow, RunRows
from ablate.study_dir import StudyPaths, replacing

CHUNK_BYTES = 2**20

Seal = tuple[int, int]
"""Bytes and CRC-32."""


def seal_of(path: Path) -> Seal:
    """The seal of a file.

    Raises:
        OSError: If it cannot be read.
    """
    size = checksum = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            size, checksum = size + len(chunk), zlib.crc32(chunk, checksum)
    return size, checksum


def seal_columns(paths: StudyPaths, run_id: str, run_name: str) -> dict[str, int | None]:
    """Ledger columns of a run that ends: the seals of its best weights and of its curve."""
    columns: dict[str, int | None] = {}
    for what, path in _files(paths, run_id, run_name).items():
        size, checksum = seal_of(path) if path.exists() else (None, None)
        columns[f"{what}_bytes"], columns[f"{what}_crc32"] = size, checksum
    return columns


def lost_files(paths: StudyPaths, rows: RunRows, run_ids: Iterable[str]) -> dict[str, str]:
    """By run id, what is wrong with the files of runs that have ended.

    Args:
        paths: The study directory.
        rows: The ledger's rows by run id.
        run_ids: The runs to look at.
    """
    lost: dict[str, str] = {}
    for run_id in run_ids:
        row = rows.of(run_id)
        if row.status.has_ended:
            files = _files(paths, run_id, row.run_name)
            losses = [_loss(path, row, what) for what, path in files.items()]
            if any(losses):
                lost[run_id] = " and ".join(filter(None, losses))
    return lost


class UnsealedFileError(Exception):
    """A run's file is not the one that it wrote, as far as its row says."""


@contextlib.contextmanager
def copied_files(
    source: StudyPaths, row: RunRow, target: StudyPaths, run_name: str
) -> Generator[None]:
    """Copies a finished run's files into another study, where they replace others in the end.

    Args:
        source: The study that trained the run.
        row: Its row there.
        target: The other study.
        run_name: What it is called there.

    Raises:
        UnsealedFileError: If a file is missing, or a copy has not the seal that the row keeps.
        OSError: If one cannot be read or written.
    """
    theirs = _files(source, row.run_id, row.run_name)
    never_made: list[Path] = []
    with contextlib.ExitStack() as stack:
        for what, place in _files(target, row.run_id, run_name).items():
            seal = row.get(f"{what}_bytes"), row.get(f"{what}_crc32")
            if seal[0] is None and not theirs[what].exists():
                never_made.append(place)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            partial = stack.enter_context(replacing(place))
            try:
                shutil.copyfile(theirs[what], partial)
            except FileNotFoundError as error:
                raise UnsealedFileError(f"{_NAMES[what]} is gone") from error
            if seal_of(partial) != seal:
                raise UnsealedFileError(f"{_NAMES[what]} is not the one that the run wrote")
        yield
    for place in never_made:
        place.unlink(missing_ok=True)  # of what was begun here


def _files(paths: StudyPaths, run_id: str, run_name: str) -> dict[str, Path]:
    return {"checkpoint": paths.best(run_name), "curve": History(paths).file(run_id)}


_NAMES = {"checkpoint": "best.pt", "curve": "the curve"}


def _loss(path: Path, row: RunRow, what: str) -> str:
    """What is wrong with a file; empty if nothing."""
    name, size = _NAMES[what], row.get(f"{what}_bytes")
    written_at = row.reused_at or row.ended_at
    try:
        if size is None:
            return _loss_unsealed(path, row, what)
        stat = path.stat()
        # Read only if it may have changed: renaming and copying also change the ctime.
        is_as_it_was = stat.st_size == size and (
            (written_at is not None and stat.st_ctime <= written_at.timestamp())
            or seal_of(path)[1] == row.get(f"{what}_crc32")
        )
    except FileNotFoundError:
        return f"{name} is gone"
    except OSError as error:
        return f"{name} cannot be read ({reason_of(error)})"
    return "" if is_as_it_was else f"{name} is not the one that the run wrote"


def _loss_unsealed(path: Path, row: RunRow, what: str) -> str:
    """What can be checked without a seal, which earlier versions did not keep."""
    if what == "checkpoint":
        return "best.pt is gone" if row.checkpoint and not path.exists() else ""
    return "the curve is torn" if path.exists() and not looks_whole(path) else ""
