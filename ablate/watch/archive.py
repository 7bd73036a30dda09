"""A study as one file that needs neither server nor network: its runs, curves and logs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ablate.ledger.followed_curve import MAX_POINTS, XY, FollowedCurve
from ablate.run_row import Status
from ablate.study_dir import StudyPaths, write_atomically
from ablate.text import printable
from ablate.watch.page import whole_page
from ablate.watch.run_details import facts_of
from ablate.watch.seen_run import SeenRun
from ablate.watch.seen_study import SeenStudy
from ablate.watch.shown_curves import chosen, metrics_of

POINTS_AT_MOST = 200_000
"""In one file: about 3 MB."""
POINTS_AT_LEAST = 40
"""Of a curve; where there are too many curves for that, some metrics or runs are left out."""
LOGS_AT_MOST = 100
"""Of runs that failed."""


def write_archive(paths: StudyPaths) -> None:
    """Writes `report/study.html`.

    Raises:
        OSError: If it cannot be written.
    """
    paths.report.mkdir(exist_ok=True)
    write_atomically(paths.study_page, whole_page(study_told(paths)))


def study_told(paths: StudyPaths) -> dict[str, Any]:
    """All that a page shows of a study, as JSON."""
    study = SeenStudy(paths)
    study.refresh()
    runs = chosen(study.runs.values(), most=POINTS_AT_MOST // POINTS_AT_LEAST)
    found = metrics_of(paths, runs, study.metric)
    metrics = found[: max(1, POINTS_AT_MOST // (POINTS_AT_LEAST * max(1, len(runs))))]
    most = min(MAX_POINTS, POINTS_AT_MOST // max(1, len(runs) * len(metrics)))
    begun = sum(run.has_begun for run in study.runs.values())
    failed = [run for run in study.runs.values() if Status.of(run.status).has_failed]
    return {
        "head": study.head(),
        "runs": {run_id: asdict(run) for run_id, run in study.runs.items()},
        "metrics": metrics,
        "curves": {metric: _curves(paths, runs, metric, most) for metric in metrics},
        "leftOut": begun - len(runs),
        "metricsLeftOut": [printable(name) for name in found[len(metrics):]],
        "facts": {run_id: facts_of(study.row(run_id), study.factors) for run_id in study.runs},
        "logs": {run.run_id: study.log(run.run_id)
                 for run in failed[:LOGS_AT_MOST]},
    }  # fmt: skip


def _curves(
    paths: StudyPaths, runs: Sequence[SeenRun], metric: str, most: int
) -> dict[str, list[XY]]:
    curves: dict[str, list[XY]] = {}
    for run in runs:
        curve = FollowedCurve(paths, run.run_id, metric, most)
        curve.refresh()
        if curve.points:
            curves[run.run_id] = curve.points
    return curves
