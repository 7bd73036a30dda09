"""What a design can see and what it costs, from the runs that have ended so far."""

import math
from collections.abc import Sequence

import numpy as np

from ablate.analysis.arrays import planned_of, uses_log
from ablate.analysis.families import critical_in_pairs
from ablate.analysis.resolution import Design, in_seed_sd
from ablate.analysis.scatter import groups_of
from ablate.numbers import clock, size_text
from ablate.plan.plan import Plan, Run
from ablate.run_row import RunRows, Status
from ablate.stats.groups import linked
from ablate.stats.layout import fit_layout, residual_df
from ablate.stats.replication import visible_differences


def price(plan: Plan, todo: Sequence[Run], rows: RunRows, at_once: int = 1) -> str:
    """The training time that runs will take, in words; empty where there is nothing to do.

    Args:
        plan: The plan.
        todo: The runs.
        rows: The ledger's rows by run id.
        at_once: How many trials run at a time, where that is known.
    """
    if not todo:
        return ""
    seconds = expected_seconds(plan, todo, rows)
    if math.isnan(seconds):
        return "time: unknown until the first run has ended (--smoke tries every cell)"
    told = f"time: about {clock(seconds)} of training"
    if at_once > 1:
        told += f", {clock(seconds / at_once)} with {at_once} trials at a time"
    return told


def expected_seconds(plan: Plan, todo: Sequence[Run], rows: RunRows) -> float:
    """Training time of runs: that of their cell's ended runs, else of all; nan without any."""
    by_cell: dict[int, list[float]] = {}
    for run in plan.runs:
        row = rows.of(run.run_id)
        if row.status is Status.OK and row.seconds:
            by_cell.setdefault(run.cell.index, []).append(row.seconds)
    if not by_cell:
        return math.nan
    means = {cell: float(np.mean(seconds)) for cell, seconds in by_cell.items()}
    overall = float(np.mean(list(means.values())))
    return sum(means.get(run.cell.index, overall) for run in todo)


def visible(plan: Plan, rows: RunRows) -> str:
    """Which differences the design sees, in words; with results in units of the metric.

    Of several data sets that of the fewest cells and of the one that scatters most.
    """
    metric, design, planned = plan.study.metric, Design(plan, rows), planned_of(plan)
    groups = linked(groups_of(plan, metric), np.array(plan.references))
    members = [groups == group for group in dict.fromkeys(groups.tolist())]
    dfs = [
        residual_df(planned[at, : design.first], plan.is_paired) for at in members if at.sum() > 1
    ]
    df = min(dfs, default=0)
    if df < 1 or design.num_compared < 1:
        return ""
    num_cells, families = len(plan.cells), design.families
    critical = critical_in_pairs(num_cells, df, families) if design.in_pairs else None
    seen = visible_differences(
        design.widening(), df, design.num_compared * families, design.num_seeds, critical=critical
    )
    sds = [
        math.sqrt(fit_layout(design.values[at], plan.is_paired).variance)
        for at in members
        if not np.isnan(design.values[at]).all()
    ]
    sd = max((each for each in sds if each > 0), default=math.nan)
    if not sd > 0:
        return (
            f"resolution: can see differences of {in_seed_sd(seen.found, plan.is_paired)}, four "
            f"times in five (df {df}); in units of {metric} once runs have ended"
        )
    log_scale = uses_log(plan, rows, metric)
    least, found, known = (size_text(size * sd, log_scale) for size in (*seen, 1.0))
    return (
        f"resolution: differences in {metric} below about {least} cannot be seen; one of {found} "
        f"is found four times in five (seed sd so far {known}, df {df})"
    )
