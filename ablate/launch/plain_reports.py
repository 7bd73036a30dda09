"""Makes run reports from the results of trainables that know nothing of Ablate."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from ablate.events import TIMESTAMP
from ablate.plain_values import joined, plain_number
from ablate.trainable.contract import REPORT_KEY, RunReport

_TUNE_KEYS = frozenset(
    {
        "trial_id", "date", "timestamp", "time_this_iter_s", "time_total_s", "pid", "hostname",
        "node_ip", "config", "done", "time_since_restore", "iterations_since_restore",
        "training_iteration", "timesteps_total", "timesteps_since_restore", "episodes_total",
        "should_checkpoint", REPORT_KEY,
    }
)  # fmt: skip
_MOST = 2**1000
"""Largest integer that Tune can convert to a float."""


def plain_report(result: Mapping[str, Any], run_id: str, reason: str = "") -> RunReport:
    """A Tune result as the report of its run: its numbers are a point of the curve.

    One that says `done` and measured nothing is no point, and no step: it only ends the run.

    Args:
        result: The result.
        run_id: The run's.
        reason: Why it ends the run; by default that the trainable says `done`.
    """
    iteration, dense = result["training_iteration"], result.get(REPORT_KEY) or {}
    numbers = {name: plain_number(value) for name, value in measurements(result)}
    metrics = {name: value for name, value in numbers.items() if value is not None}
    ended = bool(result.get("done"))
    is_end = ended and not numbers
    return RunReport(
        run_id=run_id,
        status="ok" if ended else "running",
        stop_reason=(reason or "done") if ended else "",
        points=[*dense.get("points", []), *[(iteration, metrics)] * (not is_end)],
        facts={"step": iteration - is_end},
    )


def measurements(result: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a trainable put into a result, of any type; nested names as Tune flattens them."""
    return joined({name: value for name, value in result.items() if name not in _TUNE_KEYS})


def numbers_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """All of a result by name, with what Tune adds to it; nested names as Tune flattens them.

    Of a trial that reports its one run by itself, the points of its report as well.
    """
    numbers = dict(joined({name: value for name, value in result.items() if name != "config"}))
    reports = numbers.pop(REPORT_KEY, None)
    for report in reports if isinstance(reports, list) and len(reports) == 1 else ():
        for _, metrics in report.get("points", []):
            numbers |= metrics
    return numbers


def tune_safe(result: Any) -> Any:
    """A result in a form that Tune can take: it computes with numbers and joins names."""
    if isinstance(result, Mapping):
        return {str(name): tune_safe(value) for name, value in result.items()}
    return plain_number(result) if type(result) is int and abs(result) > _MOST else result


def names_text(measured: Iterator[tuple[str, Any]]) -> str:
    """Names of measurements for people, with the type of each that is not a number."""
    names = [
        name if plain_number(value) is not None else f"{name} ({_kind(value)})"
        for name, value in measured
    ]
    return ", ".join(names) or "nothing"


def with_numbers(report: RunReport) -> RunReport:
    """A report whose metrics are plain numbers, from any library; others are dropped."""
    report["points"] = [
        (int(step), _numbers(metrics)) for step, metrics in report.get("points", [])
    ]
    if "metrics" in report:
        report["metrics"] = _numbers(report["metrics"])
    return report


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    numbers = {name: plain_number(value) for name, value in metrics.items()}
    return {name: value for name, value in numbers.items() if value is not None}


def stamp(report: RunReport, gpus: Mapping[str, float]) -> None:
    """Adds to each point when it was measured, and to the last one how busy the GPU was."""
    now, points = time.time(), report.get("points", [])
    times = report.pop("times", None) or [now] * len(points)
    stamped = [
        (step, {**metrics, TIMESTAMP: measured})
        for (step, metrics), measured in zip(points, times, strict=True)
    ]
    if stamped:
        stamped[-1][1].update(gpus)
    report["points"] = stamped


def _kind(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__} of shape {tuple(shape)}" if shape else type(value).__name__
