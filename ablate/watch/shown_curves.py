"""Which curves of a study are on a page, and what is new of them."""

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence

from ablate.ledger.followed_curve import XY, FollowedCurve
from ablate.ledger.history import History
from ablate.study_dir import StudyPaths
from ablate.watch.seen_run import RUNNING, SeenRun

MAX_CURVES = 200
"""On one page."""

News = dict[str, tuple[int, Sequence[XY]]]
"""By run id, the position from which points are others, and those points."""


class ShownCurves:
    """The curves of one metric: of the runs under way, then of the newest.

    Args:
        paths: The study directory.
        metric: The metric.
        first: The id of the run that comes first, and then those of its cell, where there are too
            many.
    """

    def __init__(self, paths: StudyPaths, metric: str, first: str = "") -> None:
        self.num_left_out = 0
        """Runs that have begun and are not shown."""
        self.metric = metric
        self._paths, self._first = paths, first
        self._curves: dict[str, FollowedCurve] = {}
        self._shown: Sequence[str] = ()
        self._statuses: dict[str, str] = {}

    def refresh(
        self, runs: Mapping[str, SeenRun], changed: Collection[str]
    ) -> tuple[News, list[str]]:
        """What is new.

        Args:
            runs: The study's runs.
            changed: Those whose rows have changed since the last time.

        Returns:
            New points, and the ids of runs that are shown no more.
        """
        self._choose(runs, changed)
        dropped = self._curves.keys() - set(self._shown)
        for run_id in dropped:
            del self._curves[run_id]
        news: News = {}
        for run_id in self._shown:
            curve = self._curves.get(run_id)
            if curve and runs[run_id].status != RUNNING and run_id not in changed:
                continue  # nothing is appended
            curve, is_new = curve or FollowedCurve(self._paths, run_id, self.metric), curve is None
            with contextlib.suppress(OSError):  # away for a moment: the next look may find it
                start = curve.refresh()
                self._curves[run_id] = curve
                if start is not None and (curve.points or not is_new):
                    news[run_id] = start, curve.points[start:]
        return news, sorted(dropped)

    def _choose(self, runs: Mapping[str, SeenRun], changed: Collection[str]) -> None:
        """Chooses anew where runs have gone, or began or ended."""
        if len(runs) == len(self._statuses) and all(
            runs[run_id].status == self._statuses.get(run_id) for run_id in changed
        ):
            return
        self._statuses = {run_id: run.status for run_id, run in runs.items()}
        self._shown = [run.run_id for run in chosen(runs.values(), self._first)]
        self.num_left_out = sum(run.has_begun for run in runs.values()) - len(self._shown)


def chosen(
    runs: Iterable[SeenRun], first: str = "", most: int | None = MAX_CURVES
) -> list[SeenRun]:
    """The runs whose curves are shown: a run, if there is such, then its cell's, then others."""
    begun = [run for run in runs if run.has_begun]
    cell = next((run.cell for run in begun if run.run_id == first), None)
    begun.sort(key=lambda run: (
        run.run_id != first, run.cell != cell, run.status != RUNNING, -run.ended
    ))  # fmt: skip
    return begun[:most]


def one_of_each_cell(runs: Iterable[SeenRun]) -> list[SeenRun]:
    """Of each cell a run that has begun: one under way, else the newest."""
    of_cells: dict[int, SeenRun] = {}
    for run in chosen(runs, most=None):
        of_cells.setdefault(run.cell, run)
    return list(of_cells.values())


def metrics_of(
    paths: StudyPaths, asked: Iterable[SeenRun], first: str, known: Iterable[str] = ()
) -> list[str]:
    """The metrics that have curves: the study's own first, else `val_loss`; also those known."""
    history = History(paths)
    found = (name for run in asked for name in history.names(run.run_id))
    names = dict.fromkeys([*known, *found])
    return sorted(names, key=lambda name: (name != first, name != "val_loss"))
