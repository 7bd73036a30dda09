"""Ends trials where the study says so, and not the trainable: by `stop`, or because it only tries.

A trainable's result is one. A script's is a point of its curve: several may become known together,
those of one step one by one, and none for long.
"""

import math
import time
from collections.abc import Mapping
from typing import Any

from ablate.launch.plain_reports import measurements, names_text, numbers_of
from ablate.plan.stop_rule import StopRule, missing_note
from ablate.trainable.contract import REPORT_KEY, RunReport

TRIED = "smoke"
"""Why runs end that are only tried."""
MOST_S = 60.0
"""How long a tried script is waited for that tells other numbers, and not the study's metric."""
_BY_STEP = ("training_iteration", "step")
"""What a bound of a script's steps may be called."""


class EarlyEnd:
    """Looks at the results of a trial, one after another.

    Args:
        host: What hosting knows of the trial.
    """

    def __init__(self, host: Mapping[str, Any]) -> None:
        self.is_tried = host["max_results"] is not None
        self.notices: list[str] = []
        """For the study's user, once."""
        self._stop = StopRule.of_plain(host.get("stop"))
        self._metric: str = host["metric"]
        self._results_left: float = host["max_results"] if self.is_tried else math.inf
        self._has_metric = self._has_looked = False
        self._waits_since: float | None = None

    def reason(self, result: dict[str, Any]) -> str:
        """Why a result ends its trial, which it then says by `done`; empty where it does not."""
        script = _of_script(result)
        enough, ended = self._is_enough(result, script), bool(result.get("done"))
        if self._stop.bounds and script is not None:
            reason = self._cut(script, result)
        elif self._stop.bounds and not ended:
            reason = self._reached_by(numbers_of(result), names_text(measurements(result)))
        else:
            reason = ""
        reason = reason or TRIED * (enough and not ended)
        result["done"] = ended or bool(reason)
        return reason

    def _reached_by(self, numbers: Mapping[str, Any], there: str) -> str:
        if not self._has_looked and (absent := self._stop.unknown(numbers)):
            self.notices.append(missing_note(absent, there))
        self._has_looked = True
        return self._stop.reached_by(numbers)

    def _cut(self, report: RunReport, result: Mapping[str, Any]) -> str:
        """Ends a script at the first point that reaches a bound: those after it are not its own."""
        if report["status"] not in ("running", "ok"):
            return ""
        points = report.get("points", [])
        for number, (step, metrics) in enumerate(points, 1):
            # What a step measures may be told long after what it trained by.
            steps = dict.fromkeys(_BY_STEP, step if self._metric in metrics else -1)
            own = {"time_total_s": result.get("time_total_s"), **steps}
            reason = self._reached_by({**own, **metrics}, ", ".join(metrics))
            if reason:
                report["points"] = points[:number]
                report["times"] = report.get("times", [])[:number]
                report.setdefault("facts", {})["step"] = step
                report["stop_reason"] = reason
                return reason
        return self._stop.reached_by({"time_total_s": result.get("time_total_s")})

    def _is_enough(self, result: Mapping[str, Any], script: RunReport | None) -> bool:
        """Whether a trial that is only tried has shown what it can.

        Of a script that has to be the study's metric, unless it is waited for too long.
        """
        if not self.is_tried:
            return False
        reports = result.get(REPORT_KEY)
        self._results_left -= not isinstance(reports, list) or any(
            report.get("points") for report in reports
        )
        self._has_metric |= script is None or self._metric in numbers_of(result)
        if self._results_left > 0:
            return False
        now = time.monotonic()
        self._waits_since = now if self._waits_since is None else self._waits_since
        return self._has_metric or now - self._waits_since > MOST_S


def _of_script(result: Mapping[str, Any]) -> RunReport | None:
    reports = result.get(REPORT_KEY)
    of_it = [one for one in reports if one.get("amends")] if isinstance(reports, list) else []
    return of_it[0] if of_it else None
