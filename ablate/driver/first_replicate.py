"""The analysis of a study is fixed at the moment at which its first whole replicate has ended."""

from ablate.analysis.kept_analysis import is_whole, keep_analysis
from ablate.events import Event, RunEnded
from ablate.ledger.ledger import Ledger
from ablate.plan.plan import Plan
from ablate.run_row import Status


class FirstReplicate:
    """A listener that fixes the analysis: whoever changes it later may have seen results.

    Args:
        plan: The study's.
        ledger: Has heard of each event before.
    """

    def __init__(self, plan: Plan, ledger: Ledger) -> None:
        self._plan = plan
        self._ledger = ledger
        self._left: dict[int, set[str]] = {}
        """Of each seed, the runs that have not ended well; by far the most events are not it."""
        for runs in (plan.runs_of[cell.index] for cell in plan.cells):
            for seed, run in runs.items():
                if ledger.rows.status(run.run_id) is not Status.OK:
                    self._left.setdefault(seed, set()).add(run.run_id)

    def on_event(self, event: Event) -> None:
        """Looks whether a run that has ended was the last one of its seed."""
        if not isinstance(event, RunEnded) or event.status is not Status.OK:
            return
        run = self._plan.by_id.get(event.run_id)
        if run is None or run.seed not in self._left:
            return
        self._left[run.seed].discard(event.run_id)
        if not self._left[run.seed] and is_whole(self._plan, self._ledger.rows, run.seed):
            keep_analysis(self._plan, self._ledger.rows)

    def tick(self) -> None:
        """Nothing is due."""
