"""The samples of runs in a study directory: kept, looked for, copied and dropped."""

import contextlib
import shutil
from collections.abc import Callable

from ablate.errors import InputError
from ablate.ledger.parquet_files import DamagedFileError
from ablate.samples.kept import read_data, read_samples, write_data, write_samples
from ablate.study_dir import StudyPaths, replacing
from ablate.trainable.contract import KeptData, KeptSamples, room_for


def keep(
    paths: StudyPaths, run_name: str, samples: KeptSamples, data: Callable[[], KeptData | None]
) -> None:
    """Writes what a run generated, and the data beside it where they are not there yet.

    Args:
        paths: The study directory.
        run_name: The run.
        samples: What it generated.
        data: Makes the rows that `samples.data` names.

    Raises:
        OSError: If a file cannot be written.
    """
    write_samples(paths.samples(run_name), samples)
    place = paths.sampled_data(samples.data) if samples.data else None
    if place is None or _has_data(paths, samples.data):
        return
    made = data()
    if made is None:
        return
    try:
        write_data(place, made)
    except OSError:
        if not _has_data(paths, samples.data):  # another worker, perhaps elsewhere, was faster
            raise


def has_samples(paths: StudyPaths, run_name: str, num: int = 0) -> bool:
    """Whether a run has whole samples, and the data beside them.

    Args:
        paths: The study directory.
        run_name: The run.
        num: How many it should have, or as many as a file has room for.
    """
    try:
        kept = read_samples(paths.samples(run_name))
    except (OSError, DamagedFileError):
        return False
    if len(kept.rows) < min(num, room_for(kept.rows.shape[1])):
        return False
    return not kept.data or _has_data(paths, kept.data)


def copy_samples(source: StudyPaths, their_name: str, target: StudyPaths, run_name: str) -> None:
    """Copies a run's samples into another study, and the data beside them.

    Nothing is measured of them: where they cannot be copied, the run has none.
    """
    drop_samples(target, run_name)
    with contextlib.suppress(OSError, DamagedFileError):
        data = read_samples(source.samples(their_name)).data
        target.samples(run_name).parent.mkdir(exist_ok=True)
        pairs = [(source.samples(their_name), target.samples(run_name))]
        if data and not _has_data(target, data):
            pairs.insert(0, (source.sampled_data(data), target.sampled_data(data)))
        for theirs, ours in pairs:
            with replacing(ours) as partial:
                shutil.copyfile(theirs, partial)


def drop_samples(paths: StudyPaths, run_name: str) -> None:
    """Removes what a run generated before it began anew."""
    with contextlib.suppress(OSError):
        paths.samples(run_name).unlink()


def _has_data(paths: StudyPaths, name: str) -> bool:
    """Whether there are rows of the data; a damaged file counts as none, and is written anew."""
    try:
        read_data(paths.sampled_data(name))
    except (OSError, DamagedFileError, InputError):  # or a name that Ablate does not give
        return False
    return True
