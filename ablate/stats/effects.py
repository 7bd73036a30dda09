"""What each factor of a grid does over all the others, and where factors interact. Pure functions.

Effects are fixed and seeds random, so each effect is tested on its own scatter over seeds, never on
the residual of the cells: an effect that differs from seed to seed is not yet an effect. Only where
runs of one seed have nothing in common it is the residual of the runs: see `level_tests`.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ablate.stats.components import Components, variance_components
from ablate.stats.groups import Groups
from ablate.stats.level_tests import LevelTests, level_tests
from ablate.stats.marginal_means import Codes, adjusted_means, cell_effects, without
from ablate.stats.units import unit_of
from ablate.stats.verdicts import Comparisons, Mode

Values = NDArray[np.float64]
UNEVEN = 2
"""Level means of up to so many times the runs of others share a variance.

By simulation false verdicts are 5 to 7 % at twice, 11 % where the baseline is the poor one of eight
levels; at six times they are up to 17 %, judged by own pairs 3 to 5 %.
"""


@dataclass(frozen=True, kw_only=True)
class MainEffect:
    """A factor over all the others."""

    factor: int
    level_means: Values
    """(num_levels,), of cells over an average seed, adjusted for the other factors: where runs are
    missing their differences are not those of the comparisons, which are seed by seed."""
    level_table: Values
    """(num_levels, num_seeds), the same seed by seed; nan where not estimable."""
    comparisons: Comparisons
    """Each level against the baseline's: a family of its own; its residual is factor x seed, or
    that of the runs."""
    f: float
    """Whether the levels differ at all: MS(factor) / MS(factor x seed), or / MS(runs)."""
    df: int
    error_df: int
    p: float
    """Of this one F test, adjusted for nothing; nan where levels are `uneven`."""
    omega2: float
    """Share of variance, see `Shares`."""
    uneven: bool
    """Whether levels are means of so different numbers of runs that each is judged by itself."""
    across_groups: bool
    """Whether levels measure different things, as data sets do: each is judged by itself."""

    @property
    def has_noisy_level(self) -> bool:
        """Whether levels are judged by own pairs since one scatters more than the others."""
        return any(group.spreads.noisy for group in self.comparisons.groups) and not (
            self.uneven or self.across_groups
        )


@dataclass(frozen=True, kw_only=True)
class Interaction:
    """Whether what one factor does depends on another."""

    factors: tuple[int, int]
    means: Values
    """(num_levels, num_levels), adjusted for the other factors, over an average seed."""
    residuals: Values
    """What the two factors' sum leaves of the means; nan for combinations left out."""
    f: float
    """MS(pair) / MS(pair x seed), of the combinations that are there."""
    df: int
    error_df: int
    p: float
    """Adjusted for the number of pairs (Holm 1979, Scand. J. Stat. 6)."""
    omega2: float
    """Share of variance, see `Shares`."""
    across_groups: bool
    """Whether a factor's levels measure different things: no F test is right, and p is nan."""
    estimable: bool
    """False where so many combinations are left out that nothing tells of the interaction."""


@dataclass(frozen=True)
class Shares:
    """Shares of the variance of a run: of any cell, with a new seed. nan without a residual.

    Omega squared, which takes from every sum of squares what its error term puts there, and not
    eta squared, which does not: Vaughan & Corballis 1969 (Psychol. Bull. 72, 204-213); Olejnik &
    Algina 2003 (Psychol. Methods 8, 434-447). Estimates below 0 are 0. Of a factor that applies to
    a part of the cells only, the share is by this part.
    """

    factors: Sequence[float]
    pairs: Sequence[float]
    """In the order of the interactions."""
    seeds: float
    left: float
    """The residual, interactions of more than two factors, and what seeds change of effects."""


@dataclass(frozen=True)
class Effects:
    """What the factors of a block do."""

    mains: Sequence[MainEffect]
    """One a factor, in their order."""
    interactions: Sequence[Interaction]
    """One a pair of factors: (0, 1), (0, 2), ..., (1, 2), ..."""
    shares: Shares


def factor_effects(
    values: Values,
    codes: Codes,
    num_levels: Sequence[int],
    baseline_levels: Sequence[int],
    mode: Mode,
    margin: float | None = None,
    *,
    first_seeds: int | None = None,
    groups: Groups | None = None,
    widening: float = 1.0,
    is_paired: bool = True,
) -> Effects:
    """Main effects, two-factor interactions and shares of variance.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        codes: (num_cells, num_factors), the level of each factor; -1 where it does not apply: such
            cells are left out of what concerns the factor. Cells of the grid may be left out.
        num_levels: (num_factors,).
        baseline_levels: (num_factors,), the level that the others are compared with.
        mode: Whether lower (`min`) or higher values are better.
        margin: Differences of level means smaller than this do not matter.
        first_seeds: As for `compare_to_baseline`: all error terms come from so many seeds, the
            first ones.
        groups: (num_cells,), equal for cells that measure the same; all where None. Levels of a
            factor that tells groups apart scatter differently: they are judged by own pairs, its
            interactions are not tested, and shares of variance are nan.
        widening: As for `compare_to_baseline`: F ratios are divided by its square. Of paired runs.
        is_paired: Whether runs of one seed have something in common.
    """
    unit = unit_of(values)
    groups = np.zeros(len(values), dtype=np.intp) if groups is None else groups
    scaled = values / unit
    block = _Block(
        values=scaled, unit=unit, codes=codes, num_levels=num_levels, groups=groups,
        is_paired=is_paired, tests=level_tests(scaled, first_seeds, widening, is_paired),
    )  # fmt: skip
    mains = [
        block.main_effect(factor, level, mode, margin)
        for factor, level in enumerate(baseline_levels)
    ]
    pairs = [block.interaction(*pair) for pair in itertools.combinations(range(len(num_levels)), 2)]
    adjusted = _holm([pair.p for pair in pairs])
    pairs = [replace(pair, p=p) for pair, p in zip(pairs, adjusted, strict=True)]
    return Effects(mains, pairs, block.shares(mains, pairs))


@dataclass(frozen=True, kw_only=True)
class _Block:
    """The runs of a grid and the levels of its cells."""

    values: Values
    """In the unit."""
    unit: float
    codes: Codes
    num_levels: Sequence[int]
    groups: Groups
    is_paired: bool
    tests: LevelTests

    def main_effect(
        self, factor: int, baseline: int, mode: Mode, margin: float | None
    ) -> MainEffect:
        """A factor over all the others, its levels against the baseline's."""
        levels, num_levels = self.codes[:, factor], self.num_levels[factor]
        others = np.delete(self.codes, factor, axis=1)
        found = self.tests.estimate(levels, num_levels, others)
        # Of unpaired runs the number is in the standard error already.
        uneven = self.is_paired and are_uneven(self.values, levels, num_levels)
        across = tells_groups(self.groups, levels)
        scaled = None if margin is None else margin / self.unit
        comparisons = self.tests.compared(found, baseline, mode, scaled, uneven or across)
        test = self.tests.test(found, np.ones((num_levels, 1)))
        table = adjusted_means(self.values, levels, num_levels, others)
        return MainEffect(
            factor=factor,
            level_means=self._means(levels, num_levels, others) * self.unit,
            level_table=table * self.unit,
            comparisons=comparisons.in_units(self.unit),
            f=test.f,
            df=test.df,
            error_df=test.error_df,
            p=math.nan if uneven or across else test.p,
            omega2=self._share(test.variance, levels >= 0),
            uneven=uneven,
            across_groups=across,
        )

    def interaction(self, one: int, other: int) -> Interaction:
        """The interaction of two factors, its p value not adjusted yet."""
        a, b, shape = self.codes[:, one], self.codes[:, other], self._shape(one, other)
        levels = np.where((a >= 0) & (b >= 0), a * shape[1] + b, -1)
        others = np.delete(self.codes, (one, other), axis=1)
        found = self.tests.estimate(levels, shape[0] * shape[1], others)
        row, column = np.divmod(np.arange(len(found)), shape[1])
        both = np.hstack([np.eye(shape[0])[row], np.eye(shape[1])[column]])
        test = self.tests.test(found, both)
        means = self._means(levels, shape[0] * shape[1], others)
        across = tells_groups(self.groups, a) or tells_groups(self.groups, b)
        return Interaction(
            factors=(one, other),
            means=means.reshape(shape) * self.unit,
            residuals=without(both, means).reshape(shape) * self.unit,
            f=test.f,
            df=test.df,
            error_df=test.error_df,
            p=math.nan if across else test.p,
            omega2=self._share(test.variance, levels >= 0),
            across_groups=across,
            estimable=test.df > 0,
        )

    def shares(self, mains: Sequence[MainEffect], pairs: Sequence[Interaction]) -> Shares:
        """What the effects, the seeds and the rest make of the variance."""
        factors, both = [main.omega2 for main in mains], [pair.omega2 for pair in pairs]
        total = self._components
        seeds = total.seeds / total.sum if total.sum > 0 else math.nan
        left = max(0.0, 1 - seeds - float(np.nansum([*factors, *both])))
        return Shares(factors, both, seeds, left if seeds == seeds else math.nan)

    def _means(self, levels: Codes, num_levels: int, others: Codes) -> Values:
        """Least-squares means: of cells over an average seed, each of which counts alike."""
        return adjusted_means(self._cells[:, None], levels, num_levels, others)[:, 0]

    @cached_property
    def _cells(self) -> Values:
        return cell_effects(self.values, self.groups, self.is_paired)

    def _shape(self, one: int, other: int) -> tuple[int, int]:
        return self.num_levels[one], self.num_levels[other]

    def _share(self, variance: float, applies: NDArray[np.bool_]) -> float:
        """The share of an effect that some cells have."""
        there = ~np.isnan(self.values).all(axis=1)
        total = self._components.sum
        if not there.any() or not total > 0 or math.isnan(variance):
            return math.nan
        return max(0.0, variance) * float(applies[there].mean()) / total

    @cached_property
    def _components(self) -> Components:
        if len(np.unique(self.groups)) > 1:
            return Components(math.nan, math.nan, math.nan)
        return variance_components(self.values, self.is_paired)


def are_uneven(values: Values, levels: Codes, num_levels: int) -> bool:
    """Whether levels are means of too different numbers of runs to share one variance.

    Of two levels there is one difference: nothing is shared.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        levels: (num_cells,), -1 leaves a cell out.
        num_levels: How many levels there are.
    """
    there = (~np.isnan(values)).sum(axis=1)
    runs = np.array([there[levels == level].sum() for level in range(num_levels)])
    runs = runs[runs > 0]
    return len(runs) > 2 and bool(runs.max() > UNEVEN * runs.min())


def tells_groups(groups: Groups, levels: Codes) -> bool:
    """Whether cells of different levels measure different things.

    Args:
        groups: (num_cells,), equal for cells that measure the same.
        levels: (num_cells,), -1 leaves a cell out.
    """
    present = np.unique(levels[levels >= 0])
    return len({frozenset(groups[levels == level].tolist()) for level in present}) > 1


def _holm(p: Sequence[float]) -> list[float]:
    """Adjusted for their number, nan left out: Holm 1979 (Scand. J. Stat. 6, 65-70)."""
    adjusted, known, least = list(p), [i for i, value in enumerate(p) if value == value], 0.0
    for rank, index in enumerate(sorted(known, key=lambda i: p[i])):
        least = max(least, min(1.0, (len(known) - rank) * p[index]))
        adjusted[index] = least
    return adjusted
