"""What the results of a study are of: data, split, test part, samples, weights."""

from ablate.analysis.arrays import value_text
from ablate.analysis.records import Scope
from ablate.plan.plan import Plan
from ablate.run_row import RunRows
from ablate.text import printable

MOST_NAMED = 4
"""Ways in which cells differ that are named one by one."""


def scope_of(plan: Plan, rows: RunRows, metric: str) -> Scope:
    """What a metric's verdicts are of.

    What the trainable says of each cell, see `TrainableConfig.scope`, and which value of a run
    counts. Where cells differ in a part, it has what each says: `solver by cell: euler | heun`.

    Args:
        plan: The plan.
        rows: The ledger's rows.
        metric: The metric.
    """
    told = [plan.model.scope(cell.validated, metric) for cell in plan.cells]
    names = dict.fromkeys(name for parts in told for name in parts)
    parts = [_part(name, [said.get(name, "none") for said in told]) for name in names]
    return Scope([part for part in parts if part], value_text(plan, rows, metric))


def _part(name: str, texts: list[str]) -> str:
    different = list(dict.fromkeys(map(printable, texts)))
    if len(different) == 1:
        return f"{printable(name)} {different[0]}".strip()
    listed = " | ".join(different[:MOST_NAMED])
    more = len(different) - MOST_NAMED
    return f"{printable(name)} by cell: {listed}".strip() + f" and {more} more" * (more > 0)
