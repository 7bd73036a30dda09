"""What of the spread comes of training seeds, and what of evaluations within a run."""

from ablate.evaluations import Evaluations
from ablate.numbers import rounded
from ablate.plan.plan import Plan
from ablate.stats.nested import NestedSpread, nested_spread

LITTLE = 0.25
"""Of the variance of comparisons: with any number of evaluations intervals were an eighth narrower
at most."""


def spread_within(plan: Plan, metric: str, evaluations: Evaluations) -> str:
    """Both spreads of a metric in words, and which replicates would help; empty where unknown."""
    results = {
        (run.cell.index, run.seed): found[metric]
        for run in plan.runs
        if not run.cell.is_aa and metric in (found := evaluations.results.get(run.run_id, {}))
    }
    spread = nested_spread(results)
    if spread is None:
        return ""
    runs, within = (rounded(sd, sd) for sd in (spread.runs, spread.evaluations))
    told = f"sd over training seeds {runs}, over {evaluations.name} within a run {within}"
    return told + _advice(spread)


def _advice(spread: NestedSpread) -> str:
    if not spread.share >= 0:
        return ""
    if spread.share < LITTLE:
        return ": more training seeds, not more evaluations, would narrow the intervals"
    of = f"{100 * spread.share:.0f} %"
    return (
        f": evaluation makes {of} of the variance that comparisons rest on, so more evaluations "
        "a run would narrow the intervals, as would more training seeds"
    )
