"""What the median runs of a study have kept: samples, pictures of their own, or why neither."""

import hashlib
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ablate.errors import InputError
from ablate.ledger.parquet_files import DamagedFileError
from ablate.report.pictures.grids import is_image
from ablate.report.pictures.median_runs import MedianRun
from ablate.report.pictures.shown import Floats
from ablate.samples.kept import KeptData, KeptSamples, read_data, read_samples
from ablate.study_dir import StudyPaths

NONE_KEPT = "none are kept"
Kind = Literal["images", "ranked", "plane", "projected", "unseen"]


@dataclass(frozen=True)
class Samples:
    """The samples of a run, and the data beside them.

    Attributes:
        run: The run, and its cell.
        kept: Its samples.
        data: Rows of the data; None where they are not there, or of another shape.
    """

    run: MedianRun
    kept: KeptSamples
    data: KeptData | None

    @property
    def kind(self) -> Kind:
        """How they are drawn."""
        kept = self.kept
        if kept.projected is not None:
            return "projected"
        if (num := math.prod(kept.shape)) <= 2:
            return "ranked" if num == 1 else "plane"
        return "images" if is_image(kept.shape) else "unseen"

    def nearest_beside(self, others: "Sequence[Samples]") -> Floats | None:
        """The test rows' distances, where it has to be told beside them: training rows differ."""
        differ = len({each.kept.data for each in others}) > 1
        return self.data.nearest if self.data and differ else None

    @property
    def group(self) -> Hashable:
        """Equal for those that are drawn beside each other: the same data, however they are named.

        Cells that train on parts of different sizes have files of their own with the same rows.
        """
        rows = self.data.rows.tobytes() if self.data else b""
        return self.kind, self.kept.shape, hashlib.sha256(rows).digest()


def samples_of(
    runs: Sequence[MedianRun], paths: StudyPaths
) -> tuple[list[Samples], dict[str, str]]:
    """The samples of runs that have them; of the others why they are not there, by run name."""
    found: list[Samples] = []
    lacking: dict[str, str] = {}
    for run in runs:
        try:
            kept = read_samples(paths.samples(run.run_name))
        except FileNotFoundError:
            lacking[run.run_name] = NONE_KEPT
        except (DamagedFileError, OSError, InputError) as error:
            lacking[run.run_name] = _without_folder(error, paths.root)
        else:
            if not len(kept.rows):
                lacking[run.run_name] = "the file has none"
            else:
                found.append(Samples(run, kept, _data(kept, paths)))
    return found, lacking


def _data(kept: KeptSamples, paths: StudyPaths) -> KeptData | None:
    if not kept.data:
        return None
    try:
        data = read_data(paths.sampled_data(kept.data))
    except (DamagedFileError, OSError, InputError):
        return None
    dim = math.prod(kept.shape) if kept.projected is None else 2
    return data if len(data.rows) and data.rows.shape[1] == dim else None


def _without_folder(error: Exception, root: Path) -> str:
    """An error as a report tells it, which may be read elsewhere."""
    return str(error).replace(f"{root}/", "")
