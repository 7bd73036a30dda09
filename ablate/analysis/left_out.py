"""Runs that have results and are in no table: of seeds and cells that are no longer planned."""

from collections import Counter
from collections.abc import Iterator

from ablate.plan.plan import Plan
from ablate.run_row import RunRow, RunRows, Status
from ablate.spec.models import text
from ablate.text import printable, some

NAMED = 20
"""Seeds and cells that are named."""


def left_out_notes(plan: Plan, rows: RunRows) -> list[str]:
    """`6 runs with results are left out: seed 123 (6 cells)`. Nothing where all are in."""
    out = [r for i, r in rows.items() if r.status is Status.OK and i not in plan.by_id]
    if not out:
        return []
    planned = {run.seed for run in plan.runs}
    seeds = Counter(r.seed for r in out if r.seed is not None and r.seed not in planned)
    cells = Counter(_cell_name(plan, r) for r in out if r.seed is None or r.seed in planned)
    named = [f"seed {seed} ({_counted(num, 'cell')})" for seed, num in sorted(seeds.items())]
    named += [f"{name} ({_counted(num, 'seed')})" for name, num in cells.items()]
    what = "1 run with results is" if len(out) == 1 else f"{len(out)} runs with results are"
    return [f"{what} left out: {some(named, NAMED, '; ')}"]


def _cell_name(plan: Plan, row: RunRow) -> str:
    """The cell as its labels say it, as far as today's factors have them; else the run's name."""
    labels = ", ".join(_labels(plan, row))
    block = f"{row.block}: " if row.block else ""
    return f"{block}{labels}" if labels else row.run_name


def _labels(plan: Plan, row: RunRow) -> Iterator[str]:
    for name in plan.factors:
        if row.get(name) is not None:
            yield f"{printable(name)}={text(row[name])}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
