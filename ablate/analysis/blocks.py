"""What the factors of a block do, as a report has it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ablate.analysis.families import detectable, told
from ablate.analysis.measured import Measured, with_cause
from ablate.analysis.records import BlockRecord
from ablate.plan.plan import Plan, PlannedBlock
from ablate.spec.models import text
from ablate.stats.effects import Effects, MainEffect, factor_effects
from ablate.stats.layout import num_results
from ablate.stats.verdicts import Cause, Comparison, Verdict
from ablate.stats.worst_case import partial
from ablate.text import printable


def block_record(block: PlannedBlock, measured: Measured, plan: Plan) -> BlockRecord:
    """A block with the effects of its factors, and with lost runs as the worst beside them."""
    names = [factor.name for factor in block.factors]
    codes = [[levels.get(name, -1) for name in names] for levels in block.levels]
    baseline_levels = block.baseline_levels
    labels = [[text(level.label) for level in factor.levels] for factor in block.factors]
    is_member = np.isin(np.arange(len(measured.lost)), block.members)[:, np.newaxis]
    lost = measured.lost & is_member
    effects = at_worst = None
    # Factors are compared with the baseline's levels: where there is none, they are not.
    if block.design == "grid" and len(names) > 1 and not plan.study.compares_pairs:
        effects = _effects(block, measured, np.array(codes), baseline_levels)
        at_worst = measured.at_worst(plan, lost)
        at_worst = at_worst and _effects(block, at_worst, np.array(codes), baseline_levels)
    mains = effects.mains if effects else ()
    return BlockRecord(
        name=block.name,
        factors=[printable(name) for name in names],
        levels=labels,
        baseline_levels=baseline_levels,
        members=block.members,
        codes=codes,
        conditions=frozenset(map(printable, block.conditions)),
        effects=effects,
        detectable=[_detectable_levels(effect, measured.widening) for effect in mains],
        of_those_that_ended=bool(lost.any()),
        at_worst=at_worst,
    )


def _detectable_levels(effect: MainEffect, widening: float) -> float:
    """The difference of a factor's levels that such a study finds four times in five."""
    found = effect.comparisons
    judged = [one.pooled and not np.isnan(one.p) for one in found.each]
    num_seeds = num_results(effect.level_table[judged])
    return detectable(found.each, widening * found.residual_sd, found.df, num_seeds, 1)


def _effects(
    block: PlannedBlock, measured: Measured, codes: NDArray[np.intp], baseline: Sequence[int]
) -> Effects:
    found = factor_effects(
        measured.values[list(block.members)], codes, [len(f.levels) for f in block.factors],
        baseline, measured.mode, measured.margin, first_seeds=measured.first_seeds,
        groups=measured.groups[list(block.members)], widening=measured.widening,
        is_paired=measured.is_paired,
    )  # fmt: skip
    levels = np.full((len(measured.values), codes.shape[1]), -1)
    levels[list(block.members)] = codes
    mains = [
        _told_effect(effect, levels[:, effect.factor], baseline[effect.factor], measured)
        for effect in found.mains
    ]
    return replace(found, mains=mains)


def _told_effect(
    effect: MainEffect, levels: NDArray[np.intp], baseline: int, measured: Measured
) -> MainEffect:
    """An effect whose verdicts name the causes that its cells' do.

    Args:
        effect: As computed.
        levels: (num_cells,), of each cell of the study the factor's level; -1 where it has none.
        baseline: The level that the others are compared with.
        measured: The metric.
    """
    # Results that cannot be told from other factors' effects are too few, and no failure.
    there = (~np.isnan(measured.values)).sum(axis=1) > 0
    waiting, some_ok = there | np.array(measured.waiting), np.array(measured.some_ok)
    with_lost = np.any(measured.lost, axis=1)
    each: list[Comparison] = []
    for level, comparison in enumerate(effect.comparisons.each):
        cells = levels == level
        unmeasured = bool(some_ok[cells].any() and not there[cells].any())
        one = with_cause(comparison, bool(waiting[cells].any()), unmeasured)
        if one.verdict.cause is Cause.NO_BASELINE and there[levels == baseline].any():
            one = replace(one, verdict=Verdict.none(Cause.TOO_FEW_SEEDS))
        one = told(one, measured.ranked, measured.is_judged)
        is_partial = with_lost[cells | (levels == baseline)].any()
        each.append(partial(one) if is_partial else one)
    return replace(effect, comparisons=replace(effect.comparisons, each=each))
