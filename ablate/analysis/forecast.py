"""What a design can see and what it costs, from the runs that have ended so far."""

import math
from collections.abc import Sequence

import numpy as np

from ablate.analysis.arrays import on_scale, planned_of, uses_log, values_of
from ablate.analysis.families import critical_in_pairs, num_families
from ablate.analysis.scatter import groups_of, held_out_of
from ablate.analysis.seed_rule import first_stage
from ablate.numbers import clock, rounded, share_text
from ablate.plan.plan import Plan, Run
from ablate.run_row import RunRows, Status
from ablate.stats.groups import linked
from ablate.stats.layout import fit_layout, num_results, residual_df, seeds_alike
from ablate.stats.replication import detectable_difference
from ablate.stats.splits import widening


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
    """The smallest difference that the design finds four times in five, in words.

    Of several data sets that of the fewest cells and of the one that scatters most.
    """
    study = plan.study
    num_cells, references = len(plan.cells), np.array(plan.references)
    compared = np.flatnonzero(np.array(plan.compared) & (references != np.arange(num_cells)))
    num_compared, planned = len(compared), planned_of(plan)
    num_seeds = seeds_alike(planned, compared, references, plan.is_paired)
    if study.compares_pairs:
        num_seeds = num_results(np.where(planned, 0.0, np.nan))
    num_pairs = num_cells * (num_cells - 1) // 2 * study.compares_pairs
    first = first_stage(plan) or len(plan.seeds)
    groups = linked(groups_of(plan, study.metric), references)
    several = [groups == group for group in set(groups.tolist()) if (groups == group).sum() > 1]
    df = min((residual_df(planned[at, :first], plan.is_paired) for at in several), default=0)
    if df < 1 or num_compared + num_pairs < 1:
        return ""
    log_scale = uses_log(plan, rows, study.metric)
    values = on_scale(values_of(plan, rows, study.metric)[:, :first], log_scale)
    families = num_families(study, study.metric)
    critical = critical_in_pairs(num_cells, df, families) if study.compares_pairs else None
    found = detectable_difference(
        widening(len(plan.seeds), held_out_of(plan, study.metric)),
        df,
        num_compared * families + num_pairs,
        num_seeds,
        critical=critical,
    )
    sds = [
        math.sqrt(fit_layout(values[groups == g], plan.is_paired).variance)
        for g in set(groups.tolist())
    ]
    sd = max((each for each in sds if each > 0), default=math.nan)
    if not sd > 0:
        return (
            f"resolution: finds differences of {found:.2g} residual sd four times in five "
            f"(df {df}); once runs have ended: how much of {study.metric} that is"
        )
    shown = share_text(found * sd).lstrip("+") if log_scale else rounded(found * sd, found * sd)
    return (
        f"resolution: finds differences of {shown} in {study.metric} four times in five "
        f"(residual sd so far {share_text(sd).lstrip('+') if log_scale else rounded(sd, sd)}, "
        f"df {df})"
    )
