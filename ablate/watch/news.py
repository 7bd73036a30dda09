"""What a page is told of a study: all of it first, then what is new."""

import contextlib
import time
from dataclasses import asdict
from typing import Any

from ablate.watch.seen_study import SeenStudy
from ablate.watch.shown_curves import ShownCurves, metrics_of, one_of_each_cell

METRICS_EVERY_S = 10.0
"""Between two looks for further metrics: some are measured late, or seldom."""
FIRST_METRIC_S = 1.0
"""As long as runs have measured none."""


class StudyNews:
    """What one page does not know yet of a study.

    Args:
        study: The study.
        metric: The metric whose curves the page shows; by default the study's, if it has any.
        first: The id of the run whose curve comes first, where there are too many.
    """

    def __init__(self, study: SeenStudy, metric: str | None = None, first: str = "") -> None:
        self._study, self._metric, self._first = study, metric, first
        self._head: dict[str, Any] = {}
        self._revision = self._removed_in = -1
        self._metrics: list[str] = []
        self._metrics_at = 0.0
        self._told_metrics: set[str] = set()
        """Ids of ended runs whose metrics are known."""
        self._curves: ShownCurves | None = None

    def next(self) -> dict[str, Any]:
        """What is new, as JSON; empty where nothing is."""
        with self._study.lock:
            self._study.refresh()
            return {**self._of_head(), **self._of_runs()}

    def _of_head(self) -> dict[str, Any]:
        head = self._study.head()
        if head == self._head:
            return {}
        self._head = head
        return {"head": head, "now": time.time()}

    def _of_runs(self) -> dict[str, Any]:
        study, news = self._study, dict[str, Any]()
        is_whole = study.removed_in > self._removed_in
        is_known = study.revision == self._revision and not is_whole
        changed = [] if is_known else [
            run_id for run_id in study.runs if is_whole or study.revised[run_id] > self._revision
        ]  # fmt: skip
        self._revision, self._removed_in = study.revision, study.removed_in
        if is_whole:
            self._metrics, self._curves, self._metrics_at = [], None, 0.0
            self._told_metrics = set()
        if is_whole:
            news["all"] = True
        if changed or is_whole:
            news["runs"] = {run_id: asdict(study.runs[run_id]) for run_id in changed}
        with contextlib.suppress(OSError):  # a disk that is away: the next look may find it
            news |= self._of_metrics()
        return {**news, **self._of_curves(set(changed))}

    def _of_metrics(self) -> dict[str, Any]:
        study, now = self._study, time.monotonic()
        pause_s = METRICS_EVERY_S if self._metrics else FIRST_METRIC_S
        if now < self._metrics_at + pause_s:
            return {}
        self._metrics_at = now
        asked = one_of_each_cell(study.runs.values())
        asked = [run for run in asked if run.run_id not in self._told_metrics]
        found = metrics_of(study.paths, asked, study.metric, self._metrics)
        self._told_metrics |= {run.run_id for run in asked if run.ended}
        if found == self._metrics:
            return {}
        self._metrics = found
        metric = self._metric if self._metric in found else found[0]
        if self._curves is None or self._curves.metric != metric:
            self._curves = ShownCurves(study.paths, metric, self._first)
        return {"metrics": found, "metric": metric}

    def _of_curves(self, changed: set[str]) -> dict[str, Any]:
        if self._curves is None:
            return {}
        points, hidden = self._curves.refresh(self._study.runs, changed)
        news: dict[str, Any] = {"leftOut": self._curves.num_left_out} if points or hidden else {}
        return {**news, **({"points": points} if points else {}),
                **({"hidden": hidden} if hidden else {})}  # fmt: skip
