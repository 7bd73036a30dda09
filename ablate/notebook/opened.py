"""`ablate.open(STUDY_DIR)`: a study's table and figures, its runs as a frame, samples as tensors.

Everything is read when it is asked for, so that it is as the study is then, also while a driver
runs it; nothing is written.
"""

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ablate.analysis.as_it_stands import record_as_it_stands
from ablate.analysis.seed_rule import plan_so_far
from ablate.errors import InputError, Problem
from ablate.ledger.history import History
from ablate.ledger.ledger import Ledger
from ablate.ledger.lock import holder_of
from ablate.ledger.parquet_files import DamagedFileError
from ablate.ledger.rows import columns_of
from ablate.notebook.chosen_run import BEST, chosen_run
from ablate.notebook.fragment import fragment
from ablate.notebook.frames import Kind, frame_of
from ablate.plan.glance import glance_at
from ablate.plan.plan import Plan
from ablate.report.terminal import print_report
from ablate.run_row import RunRow
from ablate.samples.kept import KeptSamples, read_samples
from ablate.spec.load import load_saved_study
from ablate.study_dir import StudyPaths
from ablate.text import quoted

if TYPE_CHECKING:
    import torch

NARROWEST, WIDEST = 60, 160
"""Columns of the table as text."""


class OpenStudy:
    """A study directory to look at.

    In a notebook it shows the report as it stands; elsewhere its tables as text.

    Args:
        directory: The study directory.

    Raises:
        InputError: If it holds no study.
    """

    def __init__(self, directory: str | Path) -> None:
        self._directory = Path(os.path.expanduser(directory))  # `Path.expanduser` may raise
        if not StudyPaths(self._directory).study_yaml.is_file():
            told = "is not a study directory (no study.yaml)"
            fix = "give the directory that `ablate run` has named: STORAGE/STUDY"
            raise InputError("ablate.open", [Problem("directory", told, str(directory), fix=fix)])
        self._paths = StudyPaths(load_saved_study(self._directory).directory)

    @property
    def directory(self) -> Path:
        """The study directory."""
        return self._paths.root

    def frame(self, kind: Kind | None = None) -> Any:
        """The runs, a row each, as in `runs.parquet`, those under way included.

        Args:
            kind: `pandas` or `polars`; by default pandas, or polars where only that is installed.

        Returns:
            A `pandas.DataFrame` or a `polars.DataFrame`.

        Raises:
            InputError: If the library is not installed.
        """
        return frame_of(columns_of(Ledger(self._paths).rows.values()), kind)

    def curves(self, run: str = BEST, kind: Kind | None = None) -> Any:
        """What a run measured, a row a step, also while it trains.

        Args:
            run: Its name, as much of the beginning as tells it apart, or `best`.
            kind: As of `frame`.

        Raises:
            InputError: If there is no such run, or the library is not installed.
        """
        row = self._run(run, lambda name: True)
        points = History(self._paths).read(row.run_id)
        names = dict.fromkeys(["step", *(name for point in points for name in point)])
        return frame_of({n: (None, [point.get(n) for point in points]) for n in names}, kind)

    def samples(self, run: str = BEST) -> "torch.Tensor":
        """What a run generated and kept, in the data's own coordinates.

        Args:
            run: Its name, as much of the beginning as tells it apart, or `best`.

        Returns:
            (num, *shape) tensor: the n-th of every run is made from the same noise.

        Raises:
            InputError: If there is no such run, or it has kept none.
        """
        kept = self._kept(self._run(run, self._sampled()))
        import torch

        return torch.from_numpy(kept.rows.reshape(len(kept.rows), *kept.shape))

    def _sampled(self) -> Callable[[str], bool]:
        """Says which runs have samples; where none has, all: the best one then says why."""
        names = [row.run_name for row in Ledger(self._paths).rows.values()]
        having = {name for name in names if self._paths.samples(name).is_file()}
        return lambda name: not having or name in having

    def _kept(self, row: RunRow) -> KeptSamples:
        path = self._paths.samples(row.run_name)
        again = f"{quoted(['ablate', 'evaluate', self.directory])} --samples"
        try:
            return read_samples(path)
        except FileNotFoundError:
            told = f"has kept no samples (it is {row.status})"
            run = self._now()[0].by_id.get(row.run_id)
            if run and not run.cell.entry.hooks.keep_samples:
                told = "has kept no samples: nothing says how to make some"
                again = f"give {run.cell.entry.name} a hook: TrainableHooks.keep_samples"
        except DamagedFileError:
            told = f"its samples cannot be read: {path}"
            again = f"remove that file, then {again}"
        raise InputError(str(self.directory), [Problem("run", told, row.run_name, fix=again)])

    def _run(self, wanted: str, has_it: Callable[[str], bool]) -> RunRow:
        plan, ledger = self._now()
        return chosen_run(wanted, plan, ledger.rows, has_it, str(self.directory))

    def _now(self) -> tuple[Plan, Ledger]:
        """Plan and ledger as they are now."""
        study = load_saved_study(self._directory)
        ledger = Ledger(self._paths)
        return plan_so_far(study, ledger), ledger

    def __repr__(self) -> str:
        width = min(max(NARROWEST, shutil.get_terminal_size((100, 24)).columns), WIDEST)
        # In a notebook Rich would display it there and then.
        text = io.StringIO()
        console = Console(file=text, width=width, color_system=None, force_jupyter=False)
        plan, ledger = self._now()
        console.print(self._glance(plan, ledger))
        print_report(record_as_it_stands(plan, ledger), console)
        return text.getvalue().strip("\n")

    def _repr_html_(self) -> str:
        """The report as it stands, as HTML that needs neither network nor script."""
        plan, ledger = self._now()
        record = record_as_it_stands(plan, ledger)
        return fragment(record, self._paths, self._glance(plan, ledger))

    def _glance(self, plan: Plan, ledger: Ledger) -> str:
        has_driver = holder_of(self._paths.lock) is not None
        return glance_at(plan, ledger.rows, has_driver).text


def open(directory: str | Path) -> OpenStudy:
    """Opens a study directory, to look at it; the study may still be running.

    Args:
        directory: The study directory.

    Raises:
        InputError: If it holds no study.
    """
    return OpenStudy(directory)
