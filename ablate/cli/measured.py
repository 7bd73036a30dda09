"""The metrics that runs of a study report, for options that name one."""

from collections.abc import Sequence

from ablate.errors import InputError, Problem
from ablate.ledger.ledger import Ledger
from ablate.run_row import metric_in


def refuse_unmeasured(ledger: Ledger, factors: Sequence[str], metric: str) -> None:
    """Refuses a `--metric` of which no run has a value.

    Raises:
        InputError: With the metrics that there are.
    """
    columns = {name for row in ledger.rows.values() for name in row.metrics(factors)}
    measured = {metric_in(name) for name in columns if not name.endswith("_floor")}
    if metric not in measured:
        problem = Problem("--metric", "no run reports it", metric, tuple(sorted(measured)))
        raise InputError("command line", [problem])
