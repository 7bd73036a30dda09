"""Checks that runs measure the metric of their study."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ablate.launch.plain_reports import measurements, names_text
from ablate.text import some
from ablate.trainable.contract import RunReport

METRIC_MISSING = "MetricMissing"
"""The kind of failure of a run that ended without the study's metric."""


class MetricCheck:
    """Tracks which runs of a trial have measured a finite value of the study's metric so far.

    Args:
        metric: The study's metric.
        is_due: Whether a run must have measured it by its end: not in a smoke test.
    """

    def __init__(self, metric: str, is_due: bool = True) -> None:
        self.runs: set[str] = set()
        self._names: dict[str, None] = {}
        self._metric = metric
        self._is_due = is_due
        self._has_told = False

    def look_at(self, report: RunReport) -> None:
        """Fails a run that ends without having measured it, and says what it has measured."""
        points = [metrics for _, metrics in report.get("points", [])]
        self._names.update(
            dict.fromkeys(n for p in (*points, report.get("metrics", {})) for n in p)
        )
        self._judge(report)
        others = [name for name in self._names if name != self._metric]
        told = "; ".join(report.get("warnings", ())) or f"it measured {some(others, 10)}" * bool(
            others
        )
        if told and report.get("failure", {}).get("kind") == METRIC_MISSING:
            report["failure"]["message"] += f": {told}"  # pyright: ignore

    def _judge(self, report: RunReport) -> None:
        values = list(self._values(report))
        if any(map(math.isfinite, values)):
            self.runs.add(report["run_id"])
        elif self._is_due and report["status"] == "ok" and report["run_id"] not in self.runs:
            report["status"], report["stop_reason"] = "failed", ""
            message = f"`{self._metric}`, the study's metric, was never a finite number"
            report["failure"] = {"kind": METRIC_MISSING, "message": message}

    def look_at_plain(self, report: RunReport, result: Mapping[str, Any]) -> None:
        """As `look_at`; a run whose metric was finite and no longer is has diverged.

        Values before the first finite one do not count: some trainables return NaN until they
        evaluate.
        """
        values, had_measured = list(self._values(report)), report["run_id"] in self.runs
        if had_measured and values and not math.isfinite(values[-1]):
            report["status"] = report["stop_reason"] = "diverged"
            step = report.get("facts", {}).get("step")
            report["error"] = f"{self._metric} is {values[-1]} at iteration {step}"
            return
        if not values and not had_measured and not self._has_told:
            self._has_told = True
            report["notices"] = [
                f"the first result has no number `{self._metric}`, the study's metric: "
                f"it has {names_text(measurements(result))}"
            ]
        self._judge(report)
        if report["status"] == "failed":
            there = f"; the last result has {names_text(measurements(result))}"
            report["failure"]["message"] += there  # pyright: ignore[reportTypedDictNotRequiredAccess]

    def _values(self, report: RunReport) -> Iterable[float]:
        for _, metrics in report.get("points", []):
            if self._metric in metrics:
                yield metrics[self._metric]
        for name, value in report.get("metrics", {}).items():
            if name in (self._metric, f"{self._metric}_best", f"{self._metric}_final"):
                yield value
