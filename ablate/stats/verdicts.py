"""What the runs of a study allow to be said of each cell against its baseline. Pure functions.

The residuals of the cells x seeds layout are pooled. Cells that vary more than the others, and
cells compared with such a one, are judged by their own paired differences; where seeds change
what a factor of a grid does, cells that differ in it have a split-plot error. Intervals are
Dunnett's, so a verdict and its interval never contradict each other; between baselines they
are Sidak's, see `Pool.shared`, as between groups.

Where some cells have several results, others may have one: it is taken to vary as theirs do.
Unpaired, the layout has cells alone, and cells apart have a variance each (Welch).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from ablate.stats.equivalence import lies_inside
from ablate.stats.error_terms import Codes, ErrorTerm
from ablate.stats.groups import Groups, pool_groups
from ablate.stats.pooling import Cells, Evidence, Named, Pool, References
from ablate.stats.spread_check import SpreadCheck, check_spreads
from ablate.stats.spread_cost import SpreadTests
from ablate.stats.units import unit_of

Values = NDArray[np.float64]
FEW_CELLS = 3
WRONG_IN_FEW = 0.07
"""The share of tables with a wrong verdict where cells measure different things in groups of
`FEW_CELLS`: two of them, with spreads 1 : 1 and 1 : 10, by `benchmarks/calibration.py`."""
Mode = Literal["min", "max"]


class VerdictKind(StrEnum):
    """What may be said of a cell."""

    BASELINE = "baseline"
    BETTER = "better"
    WORSE = "worse"
    DIFFERS = "differs"
    """Of a metric of which neither lower nor higher values are better."""
    WITHIN_NOISE = "within noise"
    EQUIVALENT = "equivalent"
    NOT_COMPARED = "not compared"
    IN_PAIRS = "in pairs"
    """Compared with every other cell, in a table of its own."""
    NONE = "no verdict"
    """Nothing: the cause says why."""


class Cause(StrEnum):
    """Why nothing may be said of a cell, or why a baseline cannot be compared with."""

    FAILED = "failed"
    NOT_MEASURED = "not measured"
    TOO_FEW_SEEDS = "not enough seeds"
    NO_BASELINE = "no baseline"
    FURTHER_METRIC = "further metric"
    """The study's verdicts are about another one."""
    SAME_NUMBERS = "same numbers"
    """Its results are those of what it is compared with, to the bit: see `repeats`."""


@dataclass(frozen=True)
class Verdict:
    """What may be said of a cell, as a fact: `text` is for people alone."""

    kind: VerdictKind
    within_margin: bool = False
    """Of `better` and `worse`: whether the difference is too small to matter."""
    of_those_that_ended: bool = False
    """Whether the cell, or its baseline, lost runs by itself: of those nothing is said."""
    cause: Cause | None = None
    """Of `NONE`, and of a baseline without any result."""

    @classmethod
    def none(cls, cause: Cause) -> Self:
        """That nothing may be said, and why."""
        return cls(VerdictKind.NONE, cause=cause)

    @property
    def gist(self) -> VerdictKind | Cause:
        """The one word that it comes down to: why nothing is said, else what is said."""
        return self.cause or self.kind

    @property
    def is_different(self) -> bool:
        """Whether the cell differs from its baseline by more than noise."""
        return self.kind in (VerdictKind.BETTER, VerdictKind.WORSE, VerdictKind.DIFFERS)

    @property
    def is_partial(self) -> bool:
        """Whether the cell differs, but only as far as one can tell from the runs that ended."""
        return self.is_different and self.of_those_that_ended

    @property
    def text(self) -> str:
        """For people: `better, within margin`."""
        if self.kind is VerdictKind.NONE:
            return self.gist.value
        margin = ", within margin" if self.within_margin else ""
        ended = ", of the runs that ended" if self.of_those_that_ended else ""
        cause = f", {self.cause}" if self.cause else ""
        return f"{self.kind}{margin}{ended}{cause}"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A cell against its baseline."""

    verdict: Verdict
    difference: float = math.nan
    """Cell minus baseline, by least squares where runs are missing."""
    low: float = math.nan
    high: float = math.nan
    """Simultaneous 95 % interval: all comparisons of the study hold at once with this chance."""
    p: float = math.nan
    """Adjusted for the number of comparisons; below 0.05 just where the interval excludes 0."""
    error: ErrorTerm = ErrorTerm.POOLED
    """Which scatter over seeds stands behind it."""
    df: float = math.nan
    """Degrees of freedom of its standard error; of a split plot by Satterthwaite."""

    @property
    def pooled(self) -> bool:
        """Whether other cells' scatter stands behind it, too, or its own runs' alone."""
        return self.error.is_shared


@dataclass(frozen=True, kw_only=True)
class GroupError:
    """Cells that measure the same, and how they scatter."""

    cells: Sequence[int]
    """Their places in the table."""
    residual_sd: float
    """Spread of a run about its cell and its seed, pooled; nan where there is none."""
    df: float
    spreads: SpreadCheck


@dataclass(frozen=True)
class Comparisons:
    """All comparisons of a study."""

    each: Sequence[Comparison]
    """One a cell, in their order."""
    groups: Sequence[GroupError]
    """Of cells that measure the same, in the order of their first cells."""

    def in_units(self, unit: float) -> Self:
        """The same of values that are so many times as large."""
        each = [_in_units(one, unit) for one in self.each]
        groups = [replace(g, residual_sd=g.residual_sd * unit) for g in self.groups]
        return replace(self, each=each, groups=groups)

    @property
    def residual_sd(self) -> float:
        """The largest of the groups; nan where there is none."""
        return self._widest.residual_sd

    @property
    def df(self) -> float:
        """Degrees of freedom of the largest residual sd."""
        return self._widest.df

    @property
    def tests(self) -> SpreadTests:
        """What the spreads of the group of the largest residual sd are tested for."""
        return self._widest.spreads.tests

    @property
    def spread_check(self) -> str:
        """Whether spreads could be compared, and what came of it, for people."""
        told = [*dict.fromkeys(g.spreads.text for g in self.groups if g.spreads.text)]
        if len(self.groups) > 1 and min(len(group.cells) for group in self.groups) <= FEW_CELLS:
            told.append(
                f"with groups of {FEW_CELLS} cells or fewer (data sets, say) up to "
                f"{100 * WRONG_IN_FEW:.0f} % of tables have a wrong verdict, in place of 5 %"
            )
        return "; ".join(told)

    @property
    def _widest(self) -> GroupError:
        return max(self.groups, key=lambda g: -1 if math.isnan(g.residual_sd) else g.residual_sd)


def compare_to_baseline(
    values: Values,
    references: References,
    mode: Mode,
    margin: float | None = None,
    *,
    family: Named = None,
    first_seeds: int | None = None,
    own_pairs: bool = False,
    groups: Groups | None = None,
    codes: Codes | None = None,
    has_ratios: bool = False,
    num_families: int = 1,
    widening: float = 1.0,
    is_paired: bool = True,
    same: Cells | None = None,
) -> Comparisons:
    """Compares every cell with its baseline, all at once: see the module.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        references: (num_cells,), what each is compared with, itself for a baseline; or one for all.
        mode: Whether lower (`min`) or higher values are better.
        margin: Differences smaller than this do not matter; fixed before the study is run.
        family: (num_cells,), the cells whose comparison was planned (default: all). Others are
            not compared: they get their difference alone, and cost the family nothing.
        first_seeds: Where the number of seeds was decided by the variance of the first ones
            (Stein 1945): how many these were. The pooled variance comes from them alone, unless
            later ones vary more; differences, spreads and own pairs are those of all seeds.
        own_pairs: Whether rows are known to differ in spread: all are judged by their own pairs.
        groups: (num_cells,), equal for cells that measure the same, see the module; None: all.
        codes: (num_cells, num_factors), levels of a grid's factors; -1 where one does not apply.
        has_ratios: Whether the metric has ratios: then spread may grow with the mean.
        num_families: Such comparisons, of so many metrics, that are to hold all at once.
        widening: What standard errors are multiplied by, see `ablate.stats.splits`.
        is_paired: Whether runs of one seed have something in common.
        same: (num_cells,), the cell whose runs each has; each its own where None.
    """
    unit = unit_of(values)
    named = np.ones(len(values), dtype=bool) if family is None else np.asarray(family, dtype=bool)
    scaled = None if margin is None else margin / unit
    pools = pool_groups(
        values / unit, references, named, first_seeds, own_pairs, groups, codes, num_families,
        widening, is_paired, same,
    )  # fmt: skip
    each = [Comparison(verdict=Verdict.none(Cause.FAILED))] * len(values)
    for pool in pools:
        for place, cell in enumerate(pool.cells):
            each[cell] = _compare(pool, place, bool(named[cell]), mode, scaled)
    return Comparisons(each, [_group(pool, has_ratios) for pool in pools]).in_units(unit)


def _in_units(comparison: Comparison, unit: float) -> Comparison:
    return replace(
        comparison, difference=comparison.difference * unit, low=comparison.low * unit,
        high=comparison.high * unit,
    )  # fmt: skip


def _group(pool: Pool, has_ratios: bool) -> GroupError:
    return GroupError(
        cells=pool.cells.tolist(), residual_sd=pool.sd, df=pool.residual.df,
        spreads=check_spreads(pool, has_ratios),
    )  # fmt: skip


def _compare(pool: Pool, cell: int, named: bool, mode: Mode, margin: float | None) -> Comparison:
    apart = bool(pool.apart[cell])
    reference = int(pool.references[cell])
    if reference == cell:
        cause = Cause.FAILED if _has_none(pool, cell) else None
        return Comparison(verdict=Verdict(VerdictKind.BASELINE, cause=cause))
    if _has_none(pool, cell):
        return Comparison(verdict=Verdict.none(Cause.FAILED))
    if not named:
        return Comparison(
            verdict=Verdict(VerdictKind.NOT_COMPARED), difference=pool.difference(cell)
        )
    if not pool.family[cell]:
        is_alone = _has_none(pool, reference)
        return Comparison(
            verdict=Verdict.none(Cause.NO_BASELINE if is_alone else Cause.TOO_FEW_SEEDS),
            difference=pool.difference(cell),
        )
    evidence = pool.own_evidence(cell) if apart else pool.pooled_evidence(cell)
    if math.isnan(evidence.p):
        return Comparison(
            verdict=Verdict.none(Cause.TOO_FEW_SEEDS),
            difference=pool.difference(cell),
            error=evidence.error,
        )
    inside = margin is not None and lies_inside(
        evidence.difference, evidence.se, evidence.df, margin, pool.alpha_each
    )
    return judged(evidence, mode, inside)


def _has_none(pool: Pool, cell: int) -> bool:
    return bool(pool.is_empty[cell])


def judged(evidence: Evidence, mode: Mode, inside: bool) -> Comparison:
    """The verdict: of the simultaneous interval, and of what lies inside the margin."""
    value, half = evidence.difference, evidence.critical * evidence.se
    if abs(value) > half:
        is_better = (value < 0) == (mode == "min")
        verdict = Verdict(VerdictKind.BETTER if is_better else VerdictKind.WORSE, inside)
    else:
        verdict = Verdict(VerdictKind.EQUIVALENT if inside else VerdictKind.WITHIN_NOISE)
    return Comparison(
        verdict=verdict, difference=value, low=value - half, high=value + half,
        p=evidence.p, error=evidence.error, df=evidence.df,
    )  # fmt: skip
