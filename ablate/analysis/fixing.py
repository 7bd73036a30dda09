"""What was fixed before results were seen, and how that is said of a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.plan.analysis_changes import ChangeKind, Deviation, results_text, there_text
from ablate.stats.verdicts import Verdict, VerdictKind


@dataclass(frozen=True, kw_only=True)
class Fixing:
    """Since when a choice has been what it is."""

    num_results: int
    """Results that were there by then."""
    is_fixed: bool = True
    """Whether a later choice would count as a change."""
    change: ChangeKind | None = None
    """How it differs from what was fixed, where it does."""
    unknown: str = ""
    """Why that is not known, where it is not."""

    @property
    def text(self) -> str:
        """For people: `fixed before the first result`."""
        if self.change is not None:
            return f"{self.change} {results_text(self.num_results)}"
        if self.unknown:
            return f"whether it was fixed beforehand was not kept: {self.unknown}"
        word = "fixed" if self.is_fixed else "set"
        if self.num_results == 0:
            return f"{word} before the first result"
        return f"{word} when {there_text(self.num_results)}"


@dataclass(frozen=True, kw_only=True)
class AnalysisHistory:
    """What was fixed before results were seen, for people."""

    summary: str
    deviations: Sequence[str]
    """How today's analysis differs from what was fixed."""
    log: Sequence[str]
    """Every change since the analysis was first kept, in order."""


_SAYS_NOTHING = (VerdictKind.BASELINE, VerdictKind.NOT_COMPARED, VerdictKind.NONE)


def remark(verdict: Verdict, exploratory: Sequence[Deviation], added_after: int | None) -> str:
    """What is to be said with a verdict, for people; empty where it was planned all along."""
    if exploratory and verdict.kind not in _SAYS_NOTHING:
        return " (exploratory)"
    return "" if added_after is None else f" (added {results_text(added_after)})"
