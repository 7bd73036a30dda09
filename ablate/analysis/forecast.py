"""What a design can see and what it costs, from the runs that have ended so far."""

import math
from collections.abc import Sequence

import numpy as np

from ablate.analysis.arrays import uses_log
from ablate.analysis.plan_design import Design
from ablate.analysis.resolution import in_seed_sd
from ablate.analysis.scatter import groups_of
from ablate.numbers import clock, size_text
from ablate.plan.plan import Plan, Run
from ablate.plan.time_left import Durations
from ablate.run_row import RunRows
from ablate.stats.groups import linked
from ablate.stats.layout import fit_layout
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
    """Training time of runs, by those that have ended; nan without any."""
    durations = Durations.of(plan.runs, rows)
    return sum(durations.of_cell(run.cell) for run in todo)


def visible(plan: Plan, rows: RunRows) -> str:
    """Which differences the design sees, in words; with results in units of the metric.

    Of several data sets that of the fewest cells and of the one that scatters most.
    """
    metric, design = plan.study.metric, Design(plan, rows)
    groups = linked(groups_of(plan, metric), np.array(plan.references))
    members = [groups == group for group in dict.fromkeys(groups.tolist())]
    several = [at for at in members if at.sum() > 1]
    fewest = min(several, key=design.df_of, default=np.zeros(len(plan.cells), dtype=bool))
    df = design.df_of(fewest)
    if df < 1 or design.num_compared < 1:
        return ""
    seen = visible_differences(
        design.widening(), df, design.num_compared * design.families, design.num_seeds,
        critical=design.critical(df), tests=design.tests(fewest),
    )  # fmt: skip
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
