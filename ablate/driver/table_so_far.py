"""`--verbose`: the ablation table so far, whenever a whole replicate has ended."""

import time

from rich.console import Console

from ablate.events import Event, RunEnded
from ablate.ledger.ledger import Ledger
from ablate.plan.plan import Plan

LEAST_PAUSE_S = 30.0
COST_SHARE = 19
"""Making tables takes at most one part in twenty of the driver's time."""


class TableSoFar:
    """A listener that prints the table of the runs that have ended, but the last one: the report's.

    Args:
        plan: The study's.
        ledger: Has heard of each event before.
        console: Where to print.
    """

    def __init__(self, plan: Plan, ledger: Ledger, console: Console) -> None:
        self._plan = plan
        self._ledger = ledger
        self._console = console
        self._left: dict[int, set[str]] = {}
        """Of each seed, the runs that have not ended."""
        for run in plan.runs:
            if not ledger.rows.status(run.run_id).has_ended:
                self._left.setdefault(run.seed, set()).add(run.run_id)
        self._is_due = False
        self._pause_s = 0.0
        self._printed_at = time.monotonic()

    def on_event(self, event: Event) -> None:
        """Looks whether a run that has ended was the last one of its seed."""
        run = self._plan.by_id.get(event.run_id) if isinstance(event, RunEnded) else None
        if run is None or run.seed not in self._left:
            return
        self._left[run.seed].discard(run.run_id)
        if not self._left[run.seed]:
            del self._left[run.seed]
            self._is_due = True

    def tick(self) -> None:
        """Prints the table where one is due, and the last is long enough ago."""
        if not self._is_due or not self._left:
            return
        begun_at = time.monotonic()
        if begun_at - self._printed_at < self._pause_s:
            return
        self._is_due = False
        self._print()
        self._printed_at = time.monotonic()
        self._pause_s = max(LEAST_PAUSE_S, COST_SHARE * (self._printed_at - begun_at))

    def _print(self) -> None:
        # What it needs takes half a second to import, and only who asks for tables waits for it.
        from ablate.analysis.build import study_record
        from ablate.analysis.kept_analysis import analysis_today
        from ablate.report.terminal import print_so_far

        plan, rows = self._plan, self._ledger.rows
        record = study_record(plan, rows, kept=analysis_today(plan, rows))
        print_so_far(record, self._console)
