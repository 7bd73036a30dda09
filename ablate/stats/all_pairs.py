"""All pairs of cells, where no baseline is natural: Tukey's intervals and letters. Pure functions.

Tukey-Kramer where runs are missing: Kramer 1956 (Biometrics 12, 307-310), proven to be cautious in
a one-way layout by Hayter 1984 (Ann. Stat. 12, 61-75); with blocks no counter-example is known.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ablate.stats.contrasts import Contrasts, contrasts_of
from ablate.stats.distributions import t_quantile, t_tail
from ablate.stats.equivalence import lies_inside
from ablate.stats.error_terms import ErrorTerm
from ablate.stats.pooling import ALPHA, certain_p
from ablate.stats.tukey import StudentizedRange
from ablate.stats.verdicts import Cause, Comparison, Mode, Verdict, VerdictKind
from ablate.stats.worst_case import no_surer

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """Two cells, the one with the better mean first; the difference is one minus other."""

    one: int
    other: int
    comparison: Comparison


@dataclass(frozen=True)
class AllPairs:
    """All pairs of a study's cells."""

    pairs: Sequence[Pair]
    """Of cells with results enough, in the order of their means, the best first."""
    letters: Sequence[str]
    """One a cell: cells that share a letter are not told apart; empty without results enough."""
    residual_sd: float
    """Pooled; nan where there is none."""
    df: float
    critical: float
    """Half-width of the pooled intervals in standard errors; nan where there is none."""


def compare_pairs(
    values: Values,
    mode: Mode,
    margin: float | None = None,
    *,
    first_seeds: int | None = None,
    num_families: int = 1,
    widening: float = 1.0,
    is_paired: bool = True,
) -> AllPairs:
    """Compares all cells with each other, all at once.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        mode: Whether lower (`min`) or higher values are better.
        margin: Differences smaller than this do not matter.
        first_seeds: As for `compare_to_baseline`.
        num_families: Families, of so many metrics, that are to hold all at once.
        widening: As for `compare_to_baseline`.
        is_paired: Whether runs of one seed have something in common.
    """
    contrasts = contrasts_of(values, first_seeds, widening, is_paired)
    return pairs_of(contrasts, mode, margin, ALPHA / num_families)


def pairs_of(
    contrasts: Contrasts, mode: Mode, margin: float | None = None, alpha: float = ALPHA
) -> AllPairs:
    """The same from the differences."""
    order, family = _best_first(contrasts, mode), _Family(contrasts, alpha)
    pairs = [
        _pair(contrasts, one, other, family, mode, margin)
        for one, other in itertools.combinations(order, 2)
    ]
    letters = _letters_of(pairs, order, contrasts.num_cells)
    return AllPairs(pairs, letters, contrasts.residual_sd, contrasts.residual_df, family.critical)


def pairs_at_worst(worst: AllPairs, observed: AllPairs) -> AllPairs:
    """All pairs with lost runs as the worst, none surer than that of the runs that ended.

    Args:
        worst: With lost runs as the worst.
        observed: Of the runs that ended.
    """
    seen = {(p.one, p.other): p.comparison for p in observed.pairs}
    seen |= {(p.other, p.one): _turned(p.comparison) for p in observed.pairs}
    pairs = [
        replace(p, comparison=no_surer(p.comparison, seen.get((p.one, p.other), _UNKNOWN)))
        for p in worst.pairs
    ]
    order = [*dict.fromkeys(cell for p in worst.pairs for cell in (p.one, p.other))]
    return replace(worst, pairs=pairs, letters=_letters_of(pairs, order, len(worst.letters)))


_UNKNOWN = Comparison(verdict=Verdict.none(Cause.TOO_FEW_SEEDS))


def _turned(found: Comparison) -> Comparison:
    return replace(found, difference=-found.difference, low=-found.high, high=-found.low)


def _letters_of(pairs: Sequence[Pair], order: Sequence[int], num_cells: int) -> list[str]:
    """The letters of each cell; empty for those that are in no order."""
    different = {(p.one, p.other) for p in pairs if p.comparison.verdict.is_different}
    letters = [""] * num_cells
    for cell, letter in _letters(order, different):
        letters[cell] += letter
    return letters


class _Family:
    """What all pairs share: pooled ones by Tukey, those apart by Bonferroni."""

    def __init__(self, contrasts: Contrasts, alpha: float) -> None:
        at = np.ix_(contrasts.members, contrasts.members)
        num_pooled = int((~contrasts.apart[at]).sum() - len(contrasts.members)) // 2
        self.num = math.comb(len(contrasts.members), 2)
        self.alpha = alpha
        self._share = alpha * num_pooled / max(self.num, 1)
        # Pooled are the pairs of the cells that are not apart: n (n - 1) / 2 of them.
        num_cells = round((1 + math.sqrt(1 + 8 * num_pooled)) / 2)
        self._tukey = StudentizedRange(num_cells, contrasts.residual_df)
        has_variance = num_pooled and contrasts.residual_df >= 1
        self.critical = self._tukey.critical_value(1 - self._share) if has_variance else math.nan

    def priced(self, t: float, df: float, pooled: bool) -> tuple[float, float]:
        """Half-width in standard errors and adjusted p, below `ALPHA` just where t is beyond."""
        if pooled:
            share, tukey = self._share, self._tukey
            p = certain_p(t, df) if math.isinf(t) or not t else tukey.adjusted_p(t)
            return self.critical, min(1.0, p * ALPHA / share)
        share = self.alpha / self.num
        p = certain_p(t, df) if math.isinf(t) or not t else 2 * t_tail(abs(t), df)
        return t_quantile(1 - share / 2, df), min(1.0, p * ALPHA / share)


def _best_first(contrasts: Contrasts, mode: Mode) -> list[int]:
    """The cells of which anything is known, the best mean first."""
    known = [int(c) for c in contrasts.members if not np.isnan(contrasts.se[c]).all()]
    sign = 1 if mode == "min" else -1
    # The sum of a cell's differences orders as the means do.
    sums = np.nansum(contrasts.differences, axis=1)
    return sorted(known, key=lambda cell: sign * float(sums[cell]))


def _pair(
    contrasts: Contrasts, one: int, other: int, family: _Family, mode: Mode, margin: float | None
) -> Pair:
    value = float(contrasts.differences[one, other])
    if (value > 0) == (mode == "min") and value:  # least squares and own pairs may disagree
        one, other, value = other, one, -value
    at = (one, other)
    se, df, pooled = float(contrasts.se[at]), float(contrasts.df[at]), not contrasts.apart[at]
    error = ErrorTerm.POOLED if pooled else contrasts.own_error
    if math.isnan(se):
        few = Verdict.none(Cause.TOO_FEW_SEEDS)
        return Pair(one, other, Comparison(verdict=few, difference=value, error=error))
    t = value / se if se else math.inf * bool(value) if value else 0.0
    critical, p = family.priced(t, df, pooled)
    half, inside = critical * se, False
    if margin is not None:
        inside = lies_inside(value, se, df, margin, family.alpha / family.num)
    if abs(value) > half:
        verdict = Verdict(VerdictKind.BETTER, inside)
    else:
        verdict = Verdict(VerdictKind.EQUIVALENT if inside else VerdictKind.WITHIN_NOISE)
    return Pair(one, other, Comparison(
        verdict=verdict, difference=value, low=value - half, high=value + half, p=p, error=error,
        df=df,
    ))  # fmt: skip


def _letters(order: Sequence[int], different: set[tuple[int, int]]) -> Iterator[tuple[int, str]]:
    """Cells and their letters: a letter for each largest set of cells of which no two differ.

    Piepho 2004 (J. Comput. Graph. Stat. 13, 456-466).
    """
    alike = {
        one: {o for o in order if o != one and not {(one, o), (o, one)} & different}
        for one in order
    }
    place = {cell: number for number, cell in enumerate(order)}
    sets = sorted(
        sorted(place[c] for c in found) for found in _cliques(set(), set(order), set(), alike)
    )
    for number, members in enumerate(sets):
        again, letter = divmod(number, 26)
        for member in members:
            yield order[member], f"{chr(ord('a') + letter)}{again or ''}"


def _cliques(
    inside: set[int], open_: set[int], done: set[int], alike: dict[int, set[int]]
) -> Iterator[set[int]]:
    """All largest sets of cells that are alike: Bron & Kerbosch 1973 (Commun. ACM 16), pivoted."""
    if not open_ and not done:
        if inside:
            yield inside
        return
    pivot = max(open_ | done, key=lambda cell: len(alike[cell] & open_))
    for cell in sorted(open_ - alike[pivot]):
        yield from _cliques(inside | {cell}, open_ & alike[cell], done & alike[cell], alike)
        open_, done = open_ - {cell}, done | {cell}
