"""Runs of a plan that were made with other code than today's, whatever their trainables."""

from ablate.ledger.code_today import CodeToday
from ablate.plan.plan import Plan
from ablate.run_row import RunRows


def outdated_runs(plan: Plan, rows: RunRows) -> dict[str, frozenset[str]]:
    """Runs that were made or begun with other code, and the files that differ.

    Args:
        plan: The plan; what it no longer has counts as trained with its first trainable.
        rows: The ledger's rows by run id.
    """
    first = plan.entries[0]
    owners = {run_id: run.cell.entry for run_id, run in plan.by_id.items()}
    outdated: dict[str, frozenset[str]] = {}
    for entry in plan.entries:
        own = {i: row for i, row in rows.items() if owners.get(i, first).name == entry.name}
        outdated |= CodeToday(entry).outdated(RunRows(own))
    return outdated
