"""What the levels of factors are compared and tested on: seed by seed, or run by run.

Where runs of one seed have something in common, a factor is tested on what seeds change of its
effect (factor x seed). Where they have not there is no such thing: level means are contrasts of the
cells' means, and their error is what the cells leave of runs. Pure functions on arrays.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ablate.stats.distributions import f_tail
from ablate.stats.dunnett import Family
from ablate.stats.equivalence import lies_inside
from ablate.stats.error_terms import ErrorTerm
from ablate.stats.groups import pool_groups
from ablate.stats.layout import fit_layout
from ablate.stats.marginal_means import Codes, EffectTest, adjusted_means, shared_effect, without
from ablate.stats.own_spread import weighted_means
from ablate.stats.pooling import (
    ALPHA,
    Evidence,
    Pool,
    References,
    certain_p,
    least_correlation,
    own_evidence,
)
from ablate.stats.spread_check import check_spreads
from ablate.stats.units import rounding_error
from ablate.stats.verdicts import (
    Cause,
    Comparison,
    Comparisons,
    GroupError,
    Mode,
    Verdict,
    VerdictKind,
    compare_to_baseline,
    judged,
)

Values = NDArray[np.float64]
NOTHING = 1e-8
"""Shares of a variance that are rounding errors."""


class LevelTests(Protocol):
    """How entries (levels of a factor, or of two factors at once) are estimated and tested."""

    def estimate(self, levels: Codes, num_levels: int, others: Codes) -> Values:
        """Entries over the levels of the other factors, in a form that the methods below take."""
        ...

    def test(self, estimate: Values, nuisance: Values) -> EffectTest:
        """Whether there is more than a nuisance (num_entries, num_columns) in the entries."""
        ...

    def compared(
        self, estimate: Values, references: References, mode: Mode, margin: float | None, own: bool,
        codes: Codes | None = None,
    ) -> Comparisons:  # fmt: skip
        """Every entry against another one; each by its own spread alone if so asked.

        Args:
            estimate: The entries.
            references: (num_entries,), the entry that each is compared with; or one for all.
            mode: Whether lower (`min`) or higher values are better.
            margin: Differences smaller than this do not matter.
            own: Whether each is judged by its own spread.
            codes: (num_entries, num_factors) where entries are of several factors: their levels,
                of which seeds may change what one does.
        """
        ...


def level_tests(
    values: Values, first_seeds: int | None, widening: float, is_paired: bool
) -> LevelTests:
    """How the entries of some runs are tested, see `ablate.stats.effects.factor_effects`."""
    if is_paired:
        return SeedBySeed(values, first_seeds, widening)
    return RunByRun(values, first_seeds)


@dataclass(frozen=True)
class SeedBySeed:
    """Of runs that are paired by seed: an estimate is (num_entries, num_seeds)."""

    values: Values
    """(num_cells, num_seeds), nan where a run is missing."""
    first_seeds: int | None
    widening: float = 1.0
    """What standard errors are multiplied by, see `ablate.stats.splits`."""

    def estimate(self, levels: Codes, num_levels: int, others: Codes) -> Values:
        """See `LevelTests`, as for the methods below."""
        return adjusted_means(self.values, levels, num_levels, others)

    def test(self, estimate: Values, nuisance: Values) -> EffectTest:
        """On the scatter over seeds of what is tested."""
        return shared_effect(estimate, nuisance, self.first_seeds, self.widening)

    def compared(
        self, estimate: Values, references: References, mode: Mode, margin: float | None, own: bool,
        codes: Codes | None = None,
    ) -> Comparisons:  # fmt: skip
        """Its residual is factor x seed; of several factors, what entries and seeds leave."""
        # A seed of one entry alone tells of no difference, and how it varies is not factor x seed.
        several = (~np.isnan(estimate)).sum(axis=0) > 1
        used = np.where(several, estimate, np.nan) if several.any() else estimate
        found = compare_to_baseline(
            used, references, mode, margin, first_seeds=self.first_seeds, own_pairs=own,
            widening=self.widening, codes=codes,
        )  # fmt: skip
        if codes is not None:
            return found
        each = [
            replace(one, error=ErrorTerm.FACTOR_BY_SEED) if one.pooled else one
            for one in found.each
        ]
        return replace(found, each=each)


@dataclass(frozen=True)
class RunByRun:
    """Of unpaired runs: an estimate is the weights of cells, (num_entries, num_cells)."""

    values: Values
    first_seeds: int | None

    @cached_property
    def _pool(self) -> Pool:
        none = np.zeros(len(self.values), dtype=bool)
        [pool] = pool_groups(self.values, 0, none, self.first_seeds, is_paired=False)
        return pool

    @cached_property
    def _cells(self) -> Values:
        return fit_layout(self.values, is_paired=False).cells

    @cached_property
    def _per_cell(self) -> Values:
        return np.maximum((~np.isnan(self.values)).sum(axis=1), 1).astype(np.float64)

    def estimate(self, levels: Codes, num_levels: int, others: Codes) -> Values:
        """See `LevelTests`: means over cells, each of which counts alike."""
        has_some = (~np.isnan(self.values)).sum(axis=1) > 0
        one_each = np.where(has_some[:, None], np.eye(len(self.values)), np.nan)
        return adjusted_means(one_each, levels, num_levels, others)

    def test(self, estimate: Values, nuisance: Values) -> EffectTest:
        """A Wald F test on the residual of runs; no p where cells differ in spread."""
        there = _are_known(estimate)
        contrasts = np.array([without(nuisance[there], w) for w in estimate[there].T]).T
        variance, error_df = self._pool.residual
        if not there.any() or not error_df >= 1:
            return EffectTest(math.nan, 0, 0, math.nan, math.nan)
        effect = contrasts @ np.nan_to_num(self._cells)
        effect[np.abs(effect) <= rounding_error(self.values)] = 0.0
        covariance = (contrasts / self._per_cell) @ contrasts.T
        strengths, directions = np.linalg.eigh(covariance)
        known = strengths > NOTHING * max(float(strengths[-1]), NOTHING)
        df = int(known.sum())
        if not df:
            return EffectTest(math.nan, 0, int(error_df), math.nan, math.nan)
        squares = float(((directions[:, known].T @ effect) ** 2 / strengths[known]).sum())
        of_means = float(effect @ effect) - variance * float(np.trace(covariance))
        spread = of_means / int(there.sum())
        if variance == 0:
            f = math.inf if effect.any() else math.nan
            return EffectTest(
                f, df, int(error_df), certain_p(float(effect.any()), error_df), spread
            )
        f = squares / df / variance
        p = math.nan if self._pool.noisy else f_tail(f, df, error_df)
        return EffectTest(f, df, int(error_df), p, spread)

    def compared(
        self, estimate: Values, references: References, mode: Mode, margin: float | None, own: bool,
        codes: Codes | None = None,
    ) -> Comparisons:  # fmt: skip
        """Dunnett on the residual of runs; by Welch where cells differ in spread."""
        own = own or bool(self._pool.noisy)
        entries = np.arange(len(estimate))
        others = np.broadcast_to(np.asarray(references, dtype=np.intp), entries.shape)
        differences = estimate - estimate[others]
        known = _are_known(differences) & (others != entries)
        evidence = self._own(differences, known) if own else self._pooled(differences, known)
        each: list[Comparison] = []
        alpha = ALPHA / max(1, int(known.sum()))
        for entry in range(len(estimate)):
            found = evidence.get(entry)
            if found is None:
                each.append(Comparison(verdict=self._verdict(estimate, entry, int(others[entry]))))
            elif math.isnan(found.p):
                few = Verdict.none(Cause.TOO_FEW_SEEDS)
                each.append(Comparison(
                    verdict=few, difference=found.difference, error=found.error
                ))  # fmt: skip
            else:
                inside = margin is not None and lies_inside(
                    found.difference, found.se, found.df, margin, alpha
                )
                each.append(judged(found, mode, inside))
        # Of a level's mean in one seed, as the seeds of a cell are counted.
        num_seeds = self.values.shape[1]
        errors = [found.se for found in evidence.values() if not math.isnan(found.se)]
        sd = float(np.median(errors)) * math.sqrt(num_seeds / 2) if errors else math.nan
        # Levels have a baseline, whose cells are tested as all are.
        spreads = replace(check_spreads(self._pool, has_ratios=False), num_references=1)
        df = self._pool.residual.df
        group = GroupError(cells=list(range(len(estimate))), residual_sd=sd, df=df, spreads=spreads)
        return Comparisons(each, [group])

    def _verdict(self, estimate: Values, entry: int, reference: int) -> Verdict:
        is_missing = bool(np.isnan(estimate[entry]).any())
        if entry == reference:
            return Verdict(VerdictKind.BASELINE, cause=Cause.FAILED if is_missing else None)
        return Verdict.none(Cause.FAILED if is_missing else Cause.NO_BASELINE)

    def _pooled(self, differences: Values, known: NDArray[np.bool_]) -> dict[int, Evidence]:
        variance, df = self._pool.residual
        entries = np.flatnonzero(known)
        means = np.nan_to_num(differences[entries]) @ np.nan_to_num(self._cells)
        means[np.abs(means) <= rounding_error(self.values)] = 0.0
        covariance = (differences[entries] / self._per_cell) @ differences[entries].T
        scale = np.sqrt(np.diag(covariance))
        family, error = None, ErrorTerm.RUNS
        if len(entries) and df >= 1:
            family = Family(len(entries), least_correlation(covariance), df)
        found: dict[int, Evidence] = {}
        for entry, mean, unscaled in zip(entries.tolist(), means.tolist(), scale, strict=True):
            if family is None:
                found[entry] = Evidence(mean, math.nan, df, math.nan, math.nan, error)
                continue
            se = math.sqrt(variance) * float(unscaled)
            p = family.adjusted_p(mean / se) if se else certain_p(mean, df)
            critical = family.critical_value(1 - ALPHA)
            found[entry] = Evidence(mean, se, df, critical, p, error)
        return found

    def _own(self, differences: Values, known: NDArray[np.bool_]) -> dict[int, Evidence]:
        found: dict[int, Evidence] = {}
        for entry in np.flatnonzero(known).tolist():
            own = weighted_means(self.values, differences[entry])
            found[entry] = own_evidence(own, int(known.sum()), ErrorTerm.OWN_RUNS)
        return found


def _are_known(entries: Values) -> NDArray[np.bool_]:
    """(num_entries,), those without any nan."""
    return np.asarray(np.isnan(entries).sum(axis=1) == 0, dtype=np.bool_)
