"""What a plan can find beside differences of cells: factors, equivalence, more seeds instead."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ablate.analysis.families import error_behind
from ablate.analysis.plan_design import Design, FactorDesign
from ablate.numbers import size_text
from ablate.plan.plan import Plan
from ablate.run_row import RunRows
from ablate.spec.seeds import SeedRule
from ablate.stats.layout import (
    residual_df,
)
from ablate.stats.pooling import ALPHA
from ablate.stats.power import detectable_margin, equivalence_power, level_sd
from ablate.stats.replication import visible_differences
from ablate.stats.spread_cost import NONE, SpreadTests
from ablate.stats.verdicts import Comparison

UNIT = "seed sd"
"""Of differences, as long as no results say how much of the metric that is: the residual's."""
SIZES = {0.5: "small", 1.5: "moderate", 3.0: "large", math.inf: "very large"}
"""What a difference below so many of them is called.

Wider than those of Cohen, which are of people: runs of one network scatter less.
"""

NEARLY = 0.995


def no_verdict(plan: Plan) -> str:
    """Why a plan that can find no difference of cells cannot."""
    num_seeds = max((len(runs) for runs in plan.runs_of.values()), default=0)
    if len(plan.cells) < 2:
        why = "the study has one cell"
    elif num_seeds < 2:
        why = f"{num_seeds} seed does not tell a difference from noise; 3 or more do (seeds: 3)"
    else:
        why = "no comparison is planned (compare:)"
    return f"no verdict will be possible: {why}"


def further_visible(plan: Plan, rows: RunRows) -> list[str]:
    """What the design finds of factors and equivalence, and with more seeds of fewer cells.

    Args:
        plan: A plan that can find differences of cells.
        rows: The ledger's rows by run id: with results all is in the metric's own units.
    """
    design = Design(plan, rows)
    return [*_of_factors(design), *_of_equivalence(design), *_of_more_seeds(design)]


def found_equivalent(
    comparisons: Sequence[Comparison],
    residual_sd: float,
    df: float,
    num_seeds: float,
    margin: float | None,
    families: int,
    tests: SpreadTests = NONE,
) -> float:
    """The chance that what does not differ is found equivalent; nan without a margin.

    Args:
        comparisons: Those with a baseline, one a cell; or all pairs.
        residual_sd: Pooled.
        df: Its degrees of freedom.
        num_seeds: Of a cell.
        margin: On the same scale.
        families: Metrics whose verdicts are to hold all at once.
        tests: Of the cells' spreads.
    """
    if margin is None:
        return math.nan
    judged = [found.pooled and not np.isnan(found.p) for found in comparisons]
    alpha = ALPHA / families / max(1, sum(judged))
    sd, df = error_behind(comparisons, residual_sd, df, num_seeds, families)
    return equivalence_power(margin, sd, df, num_seeds, alpha, tests)


def resolution_text(difference: float, df: float | None, log_scale: bool) -> str:
    """`0.0021 (df 4)`; on the log scale a share."""
    shown = size_text(difference, log_scale)
    return shown if df is None else f"{shown} (df {round(df, 1):g})"


def size_word(difference: float) -> str:
    """How large a difference in seed standard deviations is."""
    return next(word for below, word in SIZES.items() if difference < below)


def in_seed_sd(difference: float, is_paired: bool) -> str:
    """`0.8 seed standard deviations (moderate: the better cell wins on 71 % of seeds)`.

    Two runs differ by noise of sqrt(2) of them: the better cell's is ahead with Phi(d / sqrt(2)).

    Args:
        difference: In residual sd.
        is_paired: Whether that is what remains where runs are compared by seed.
    """
    share = share_of_studies((1 + math.erf(difference / 2)) / 2)
    where = f"on {share} of seeds" if is_paired else f"in {share} of pairs of runs"
    return (
        f"{difference:.2g} seed standard deviations ({size_word(difference)}: the better cell wins "
        f"{where})"
    )


def share_of_studies(power: float) -> str:
    """`63 %`; what is almost certain is not called certain."""
    return f"{100 * power:.0f} %" if power < NEARLY else "over 99 %"


def _of_factors(design: Design) -> list[str]:
    if not design.factors:
        return []
    told = ", ".join(
        f"{factor.name} {_shown(design, *_found(design, factor))}" for factor in design.factors
    )
    is_all = design.is_known or not design.plan.is_paired
    condition = "" if is_all else "; more where seeds change what a factor does"
    return [f"resolution of factors, each over all the others: {told}{condition}"]


def _of_equivalence(design: Design) -> list[str]:
    """What a margin lets one find, where the study has one."""
    asked = design.plan.study.margin
    if asked is None:
        return []
    num = design.num_seeds
    alpha = ALPHA / design.families / max(1, design.num_compared)
    sd = design.widening() * design.sd
    tests = design.tests()
    least = detectable_margin(sd, design.df, num, alpha, tests=tests)
    told = f"four times in five within ±{_shown(design, least, design.df)}"
    if design.is_known and design.log_scale == design.plan.study.log_scale:
        margin = math.log1p(asked) if design.log_scale else asked
        power = equivalence_power(margin, sd, design.df, num, alpha, tests)
        told = f"in {share_of_studies(power)} of studies within the margin of {asked:g}, {told}"
    return [f"equivalence: a cell that does not differ is found so {told}"]


def _of_more_seeds(design: Design) -> list[str]:
    """The same runs as twice the seeds of half the cells."""
    num_cells, num_seeds = design.num_cells, 2 * len(design.plan.seeds)
    half = num_cells // 2
    if half < 2 or isinstance(design.plan.study.seeds, SeedRule) or not design.is_balanced:
        return []
    df = residual_df(np.ones((half, num_seeds), dtype=bool), design.plan.is_paired)
    num = max(1, design.num_compared * half // num_cells)
    critical = design.critical(df, num, half)
    sd = design.widening(2) * design.sd
    tests = replace(design.tests(), num_cells=half, num_seeds=num_seeds)
    cells = visible_differences(
        sd, df, num * design.families, num_seeds, critical=critical, tests=tests
    ).found
    runs = f"{half * num_seeds} runs in place of {num_cells * len(design.plan.seeds)}"
    told = (
        f"seeds against cells: {half} cells x {num_seeds} seeds ({runs}) find differences of "
        f"{_shown(design, cells, df)}"
    )
    factors = [
        f"{factor.name} {_shown(design, *_found(design, factor, 2))}"
        for factor in design.factors
        if factor.num_cells > 1
    ]
    also = f"; of one factor, with half the others' cells: {', '.join(factors)}" if factors else ""
    return [told + also]


def _found(design: Design, factor: FactorDesign, times: int = 1) -> tuple[float, int]:
    """What is found of a factor, and its degrees of freedom, with so many times the seeds.

    As many times fewer cells of a level add to its scatter; what seeds change of its effect stays.
    """
    more = (times - 1) * level_sd(design.sd, factor.num_cells, factor.num_reference) ** 2
    df = (factor.num_levels - 1) * (times * design.first - 1)
    if not design.plan.is_paired:  # the residual of runs
        df = design.num_cells // times * (times * design.first - 1)
    num_seeds = times * len(design.plan.seeds)
    sd = design.widening(times) * math.sqrt(factor.sd**2 + more)
    tests = SpreadTests(factor.num_levels, num_seeds) if design.plan.is_paired else NONE
    num = factor.num_levels - 1
    return visible_differences(sd, df, num, num_seeds, tests=tests).found, df


def _shown(design: Design, difference: float, df: int) -> str:
    if not design.is_known:
        return f"{difference:.2g} {UNIT} ({size_word(difference)}, df {df})"
    return resolution_text(difference, df, design.log_scale)
