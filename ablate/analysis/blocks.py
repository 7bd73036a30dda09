"""What the factors of a block do, as a report has it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ablate.analysis.arrays import Values
from ablate.analysis.families import as_same, detectable, told
from ablate.analysis.measured import Measured, with_cause
from ablate.analysis.records import BlockRecord
from ablate.plan.plan import Plan
from ablate.plan.planned_block import PlannedBlock
from ablate.spec.models import text
from ablate.stats.effects import Effects, MainEffect, factor_effects
from ablate.stats.layout import num_results
from ablate.stats.simple_effects import SimpleEffects, interacting, simple_effects
from ablate.stats.spread_cost import NONE
from ablate.stats.verdicts import Cause, Comparison, Comparisons, Verdict
from ablate.stats.worst_case import all_no_surer, partial
from ablate.text import printable

Codes = NDArray[np.intp]
OneEffect = TypeVar("OneEffect", MainEffect, SimpleEffects)


def block_record(block: PlannedBlock, measured: Measured, plan: Plan) -> BlockRecord:
    """A block with the effects of its factors, and with lost runs as the worst beside them."""
    names = [factor.name for factor in block.factors]
    codes = [[levels.get(name, -1) for name in names] for levels in block.levels]
    labels = [[text(level.label) for level in factor.levels] for factor in block.factors]
    is_member = np.isin(np.arange(len(measured.lost)), block.members)[:, np.newaxis]
    lost = measured.lost & is_member
    record = BlockRecord(
        name=block.name,
        factors=[printable(name) for name in names],
        levels=labels,
        baseline_levels=block.baseline_levels,
        members=block.members,
        codes=codes,
        conditions=frozenset(map(printable, block.conditions)),
        effects=None,
        is_listed=block.design == "cells",
        of_those_that_ended=bool(lost.any()),
    )
    # Factors are compared with the baseline's levels: where there is none, they are not.
    if block.design != "grid" or len(names) < 2 or plan.study.compares_pairs:
        return record
    found = _Factors(block, measured, np.array(codes))
    effects, worst = found.effects, measured.at_worst(plan, lost)
    partners = interacting(effects)
    within = found.within(partners)
    record = replace(record, effects=effects, within=within)
    if worst:
        at_worst = _Factors(block, worst, np.array(codes))
        record = replace(
            record,
            at_worst=_effects_no_surer(at_worst.effects, effects),
            within_at_worst={
                factor: _no_surer(one, within[factor])
                for factor, one in at_worst.within(partners).items()
                if factor in within
            },
        )
    seen = [_detectable(record.effect(n), measured.widening) for n in range(len(names))]
    return replace(record, detectable=seen)


def _effects_no_surer(worst: Effects, observed: Effects) -> Effects:
    """Effects with lost runs as the worst, none surer than that of the runs that ended."""
    mains = [
        replace(_no_surer(one, other), p=float(np.maximum(one.p, other.p)))
        for one, other in zip(worst.mains, observed.mains, strict=True)
    ]
    pairs = [
        replace(one, p=float(np.maximum(one.p, other.p)))  # nan where either is
        for one, other in zip(worst.interactions, observed.interactions, strict=True)
    ]
    return replace(worst, mains=mains, interactions=pairs)


def _no_surer(worst: OneEffect, observed: OneEffect) -> OneEffect:
    each = all_no_surer(worst.comparisons.each, observed.comparisons.each)
    return replace(worst, comparisons=replace(worst.comparisons, each=each))


def _detectable(effect: MainEffect | SimpleEffects, widening: float) -> float:
    """The difference of a factor's levels that such a study finds four times in five."""
    found = effect.comparisons
    table = effect.level_table if isinstance(effect, MainEffect) else effect.table
    judged = [one.pooled and not np.isnan(one.p) for one in found.each]
    num_seeds = num_results(table[judged])
    # Of unpaired runs cells are tested, not levels, and by far fewer are found to scatter more.
    tests = found.tests if found.tests.is_paired else NONE
    sd = widening * found.residual_sd
    return detectable(found.each, sd, found.df, num_seeds, 1, tests=tests)


class _Factors:
    """The factors of a block's grid, and one metric."""

    def __init__(self, block: PlannedBlock, measured: Measured, codes: Codes) -> None:
        """Takes levels as (num_members, num_factors), -1 where one does not apply."""
        self._block, self._measured, self._codes = block, measured, codes
        self._members = list(block.members)

    @property
    def effects(self) -> Effects:
        """What each does over all the others, and whether they interact."""
        baseline, found = self._block.baseline_levels, self._effects(self._once)
        if self._is_repeated:
            found = self._as_shown(found, self._effects(self._values))
        mains: list[MainEffect] = []
        for effect in found.mains:
            levels = self._codes[:, effect.factor]
            references = np.full(len(effect.level_means), baseline[effect.factor])
            mains.append(replace(
                effect,
                comparisons=self._told(effect.factor, effect.comparisons, levels, references),
            ))  # fmt: skip
        return replace(found, mains=mains)

    def _effects(self, values: Values) -> Effects:
        block, measured = self._block, self._measured
        return factor_effects(
            values, self._codes, [len(factor.levels) for factor in block.factors],
            block.baseline_levels, measured.mode, measured.margin,
            first_seeds=measured.first_seeds, groups=measured.groups[self._members],
            widening=measured.widening, is_paired=measured.is_paired,
        )  # fmt: skip

    def _as_shown(self, once: Effects, of_all: Effects) -> Effects:
        """Effects of runs counted once, with the means of levels that have the same runs again."""
        mains = [
            replace(
                effect,
                level_means=_filled(effect.level_means, every.level_means),
                level_table=_filled(effect.level_table, every.level_table),
            )
            for effect, every in zip(once.mains, of_all.mains, strict=True)
        ]
        idle = {factor for factor in range(len(mains)) if self._repeated(factor).all()}
        pairs = [
            every if idle & {*pair.factors} else pair  # of what does nothing: exactly none
            for pair, every in zip(once.interactions, of_all.interactions, strict=True)
        ]
        return replace(once, mains=mains, interactions=pairs)

    def within(self, partners: Sequence[Sequence[int]]) -> Mapping[int, SimpleEffects]:
        """What factors do at the levels of others.

        Args:
            partners: Of each factor those others; none where it is not asked for.
        """
        told: dict[int, SimpleEffects] = {}
        for factor, others in enumerate(partners):
            found = self._simple(self._once, factor, others) if others else None
            if found is None:
                continue
            every = self._simple(self._values, factor, others) if self._is_repeated else found
            assert every is not None
            told[factor] = replace(
                found,
                means=_filled(found.means, every.means),
                table=_filled(found.table, every.table),
                comparisons=self._told(factor, found.comparisons, found.entries, found.references),
            )
        return told

    def _simple(self, values: Values, factor: int, within: Sequence[int]) -> SimpleEffects | None:
        measured = self._measured
        return simple_effects(
            values, self._codes, factor, within, self._block.baseline_levels[factor],
            measured.mode, measured.margin, first_seeds=measured.first_seeds,
            groups=measured.groups[self._members], widening=measured.widening,
            is_paired=measured.is_paired,
        )  # fmt: skip

    @property
    def _values(self) -> Values:
        return self._measured.values[self._members]

    @cached_property
    def _once(self) -> Values:
        """(num_members, num_seeds), where runs are the unit those with the same numbers are one.

        They are where most factors have the baseline's level. Paired, seeds are the unit: of them
        repeated runs add none.
        """
        if self._measured.is_paired:
            return self._values
        is_own = (self._codes < 0) | (self._codes == np.array(self._block.baseline_levels))
        order = np.argsort((~is_own).sum(axis=1), kind="stable")
        same = self._measured.same[self._members]
        kept = np.zeros(len(same), dtype=bool)
        kept[order[np.unique(same[order], return_index=True)[1]]] = True
        return np.where(kept[:, np.newaxis], self._measured.values[same], np.nan)

    @property
    def _is_repeated(self) -> bool:
        """Whether runs are left out since they repeat others."""
        return not np.array_equal(np.isnan(self._once), np.isnan(self._values))

    def _told(
        self, factor: int, found: Comparisons, entries: Codes, references: Codes
    ) -> Comparisons:
        """Comparisons whose verdicts name the causes that their cells' do.

        Args:
            factor: Whose levels are compared.
            found: As computed, one an entry.
            entries: (num_members,), the entry that each cell is part of; -1 for none.
            references: (num_entries,), what each is compared with.
        """
        # Results that cannot be told from other factors' effects are too few, and no failure.
        measured, members = self._measured, self._members
        there = (~np.isnan(self._values)).sum(axis=1) > 0
        waiting = there | np.array(measured.waiting)[members]
        some_ok = np.array(measured.some_ok)[members]
        with_lost, repeated = measured.lost[members].sum(axis=1) > 0, self._repeated(factor)
        each: list[Comparison] = []
        for entry, comparison in enumerate(found.each):
            cells, others = entries == entry, entries == references[entry]
            unmeasured = bool(some_ok[cells].any() and not there[cells].any())
            one = with_cause(comparison, bool(waiting[cells].any()), unmeasured)
            if one.verdict.cause is Cause.NO_BASELINE and there[others].any():
                one = replace(one, verdict=Verdict.none(Cause.TOO_FEW_SEEDS))
            one = told(one, measured.ranked, measured.is_judged)
            one = partial(one) if with_lost[cells | others].any() else one
            is_own = references[entry] == entry or not cells.any()
            each.append(as_same(one) if not is_own and repeated[cells].all() else one)
        return replace(found, each=each)

    def _repeated(self, factor: int) -> NDArray[np.bool_]:
        """(num_members,), whether a cell has the numbers of the one with the baseline's level."""
        same, codes = self._measured.same.tolist(), self._codes.tolist()
        members = self._members
        places = {tuple(code): number for number, code in enumerate(codes)}
        baseline = self._block.baseline_levels[factor]
        others = [places.get((*c[:factor], baseline, *c[factor + 1 :])) for c in codes]
        return np.array(
            [
                code[factor] >= 0 and other is not None and same[member] == same[members[other]]
                for member, code, other in zip(members, codes, others, strict=True)
            ]
        )


def _filled(found: Values, every: Values) -> Values:
    """What was found, and what all runs say where that is nothing."""
    return np.where(np.isnan(found), every, found)
