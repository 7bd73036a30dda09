"""The best run of a study: the one whose weights somebody wants who asks for none by name."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ablate.analysis.arrays import text_of
from ablate.analysis.records import directed
from ablate.numbers import rounded, spread_text
from ablate.plan.plan import Plan, Run
from ablate.run_row import RunRows, Value
from ablate.spec.design import Cell
from ablate.stats.spread import Spread, spread
from ablate.text import seeds_text, some


@dataclass(frozen=True, kw_only=True)
class BestRun:
    """A run, and what it is the best of."""

    run: Run
    result: float
    by: str
    """The metric for people, with its direction and which weights it is of."""
    num_runs: int
    """Those that measured it."""
    cell: Spread
    """Results of its cell's runs."""
    best_cell: Cell
    """That with the best mean, which may be another one."""
    best_mean: Spread
    lost: Sequence[str] = ()
    """Better runs whose weights are no longer there."""
    unlike: Sequence[str] = ()
    """Runs that measured another value alone, which is not compared with these."""
    is_last: bool = False
    """Whether no run has a value of its best weights, so that the last ones count."""

    @property
    def told(self) -> list[str]:
        """Which run it is and why, a line each."""
        run, num = self.run, self.num_runs
        of = f"the best of {num} runs" if num > 1 else "the only run"
        lines = [f"{run.run_name}: {run.cell.name}, seed {run.seed}; {of} by {self.by}: "
                 f"{rounded(self.result)}; its cell {_mean(self.cell)}"]  # fmt: skip
        if self.best_cell.index != run.cell.index:
            lines.append(f"the best mean is another cell's: {self.best_cell.name}, "
                         f"{_mean(self.best_mean)}")  # fmt: skip
        if self.is_last:
            lines.append("no run has a value of its best weights: the last one counts instead")
        if self.unlike:
            lines.append(f"passed over, without a value of best weights: {some(self.unlike)}")
        if self.lost:
            lines.append(f"better, but without best weights: {some(self.lost)}")
        return lines


def best_run(plan: Plan, rows: RunRows, has_weights: Callable[[Run], bool]) -> BestRun | None:
    """The run with the best value of the study's metric among those whose weights are there.

    What counts is the value of the best weights, whatever the study's verdicts are about: those are
    the weights that a run keeps. Only where no run has it the last values count: the two are never
    compared. Of equal runs it is the first.

    Args:
        plan: The plan.
        rows: The ledger's rows.
        has_weights: Whether a run's best weights are there.

    Returns:
        None where no run has both.
    """
    metric = plan.study.metric
    runs = [run for run in plan.runs if not run.cell.is_aa]

    def has_best(run: Run) -> bool:
        return rows.of(run.run_id).has(metric, "best")

    sign = 1 if plan.mode(metric) == "min" else -1
    results = {run.run_id: rows.of(run.run_id).result(metric, "best") for run in runs}
    finite = [run for run in runs if not math.isnan(results[run.run_id])]
    alike = [run for run in finite if has_best(run)]
    value: Value = "best" if alike else "last"
    measured = sorted(alike or finite, key=lambda run: sign * results[run.run_id])
    place = next((n for n, run in enumerate(measured) if has_weights(run)), None)
    if place is None:
        return None
    run, better = measured[place], measured[:place]
    means = _by_cell(measured, results)
    best = min(means, key=lambda index: sign * means[index].mean)
    told = text_of(plan, metric, value)
    return BestRun(
        run=run,
        result=results[run.run_id],
        by=directed(metric, plan.mode(metric), plan.model.metric(metric).ranks, told),
        num_runs=len(measured),
        cell=means[run.cell.index],
        best_cell=plan.cells[best],
        best_mean=means[best],
        lost=[other.run_name for other in better],
        unlike=[other.run_name for other in finite if alike and not has_best(other)],
        is_last=not alike,
    )


def _by_cell(runs: Sequence[Run], results: dict[str, float]) -> dict[int, Spread]:
    found: dict[int, list[float]] = {}
    for run in runs:
        found.setdefault(run.cell.index, []).append(results[run.run_id])
    return {cell: spread(np.array(values)) for cell, values in found.items()}


def _mean(found: Spread) -> str:
    """`0.158 ± 0.003 over 3 seeds`."""
    return f"{spread_text(found.mean, found.sd)} over {seeds_text(found.num)}"
