"""Which run somebody means: by its name, the beginning of it, or `best`."""

import difflib
from collections.abc import Callable, Sequence

from ablate.analysis.best_run import best_run
from ablate.errors import InputError, Problem
from ablate.plan.plan import Plan
from ablate.run_row import RunRow, RunRows
from ablate.text import some

BEST = "best"
NAMES_SHOWN = 10


def chosen_run(
    wanted: str, plan: Plan, rows: RunRows, has_it: Callable[[str], bool], source: str
) -> RunRow:
    """The row of the run that somebody means.

    Args:
        wanted: A run's name, as much of its beginning as tells it apart, or `best`: by the study's
            metric.
        plan: The study's plan.
        rows: The ledger's rows.
        has_it: Whether a run, by its name, has what is asked for: of those it is the best.
        source: What errors call the study.

    Raises:
        InputError: If there is none, or several begin so.
    """
    by_name = {row.run_name: row for row in rows.values()}
    if wanted in by_name:
        return by_name[wanted]
    if wanted == BEST:
        return _best(plan, rows, has_it, source)
    names = [name for name in by_name if wanted and name.startswith(wanted)]
    if len(names) == 1:
        return by_name[names[0]]
    if names:
        told, fix = "is how several runs begin", f"write one of {some(names, NAMES_SHOWN)}"
        raise InputError(source, [Problem("run", told, wanted, fix=fix)])
    choices = _near(wanted, [*by_name])
    raise InputError(source, [Problem("run", "is no run of the study", wanted, (*choices, BEST))])


def _best(plan: Plan, rows: RunRows, has_it: Callable[[str], bool], source: str) -> RunRow:
    metric = plan.study.metric
    if not plan.model.metric(metric).ranks:
        told = f"neither lower nor higher {metric} is better, so no run is the best"
        raise InputError(source, [Problem("run", told, BEST, fix="name a run")])
    found = best_run(plan, rows, lambda run: has_it(run.run_name))
    if found is None:
        told = f"no run that ended well has both a value of {metric} and what is asked for"
        raise InputError(source, [Problem("run", told, BEST, fix="name a run")])
    return rows[found.run.run_id]


def _near(wanted: str, names: Sequence[str]) -> Sequence[str]:
    near = difflib.get_close_matches(wanted, names, n=NAMES_SHOWN, cutoff=0.3)
    return near or names[:NAMES_SHOWN]
