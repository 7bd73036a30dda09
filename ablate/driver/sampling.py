"""Makes samples of finished runs that lack them, from their best weights, without training."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ablate.ledger.ledger import Ledger
from ablate.plan.plan import Plan, Run
from ablate.samples.files import has_samples, keep
from ablate.study_dir import StudyPaths
from ablate.text import num_runs, told_error


@dataclass(frozen=True)
class Sampled:
    """How many runs got samples, had them, and could get none."""

    num_made: int
    num_had: int
    num_failed: int

    @property
    def told(self) -> str:
        """`2 runs sampled, 1 had them before`."""
        failed = f", {self.num_failed} failed" if self.num_failed else ""
        return f"{num_runs(self.num_made)} sampled, {self.num_had} had them before{failed}"


@dataclass(frozen=True)
class Sampling:
    """Where samples are made, and who hears of it.

    Attributes:
        plan: The plan of the runs.
        ledger: Their record.
        tell: Is told of each run of which none could be made, and why.
    """

    plan: Plan
    ledger: Ledger
    tell: Callable[[str], None]

    def sample(self, runs: Iterable[Run]) -> Sampled:
        """Makes samples of finished runs that lack them, have fewer than asked, or a torn file."""
        runs = [run for run in runs if run.cell.entry.hooks.keep_samples is not None]
        rows = self.ledger.rows
        lacking = [run for run in runs if not self._has(run, rows[run.run_id].run_name)]
        made = [self._sample(run) for run in lacking]
        return Sampled(sum(made), len(runs) - len(lacking), made.count(False))

    def _has(self, run: Run, name: str) -> bool:
        num = self.plan.launch_config(run).get("keep_samples")
        return has_samples(self._paths, name, num if isinstance(num, int) else 0)

    def _sample(self, run: Run) -> bool:
        row = self.ledger.rows[run.run_id]
        make = run.cell.entry.keep_samples()
        assert make is not None
        best = self._paths.best(row.run_name)
        if not best.exists():
            self.tell(f"{row.run_name}: has no best weights: {best}")
            return False
        try:
            samples, data = make(best, self.plan.launch_config(run))
            keep(self._paths, row.run_name, samples, lambda: data)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a run's boundary
            self.tell(f"{row.run_name}: {told_error(error)}")
            return False
        return True

    @property
    def _paths(self) -> StudyPaths:
        return StudyPaths(self.plan.study.directory)
