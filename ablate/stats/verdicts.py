"""What the runs of a study allow to be said of each cell against its baseline. Pure functions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from ablate.stats.equivalence import lies_inside
from ablate.stats.layout import CHECKABLE_SEEDS, num_results
from ablate.stats.pooling import ALPHA, Evidence, Named, Pool, References, pool_cells

Values = NDArray[np.float64]
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


@dataclass(frozen=True)
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
    pooled: bool = True
    """Whether the residual spread of all cells stands behind it, or its own pairs alone."""


@dataclass(frozen=True)
class Comparisons:
    """All comparisons of a study."""

    each: Sequence[Comparison]
    """One a cell, in their order."""
    residual_sd: float
    """Spread of a run about its cell and its seed, pooled; nan where there is none."""
    df: int
    spread_check: str
    """Whether the cells' spreads could be compared, and what came of it, for people."""


def compare_to_baseline(
    values: Values,
    references: References,
    mode: Mode,
    margin: float | None = None,
    *,
    family: Named = None,
    first_seeds: int | None = None,
    own_pairs: bool = False,
    num_families: int = 1,
) -> Comparisons:
    """Compares every cell with its baseline, all at once.

    The residuals of the cells x seeds layout are pooled; cells that Cochran's test finds noisier
    than the others, and cells compared with such a one, are judged by their own paired
    differences. Intervals are Dunnett's, so a verdict and its interval never contradict each
    other; between baselines they are Sidak's, see `Pool.shared`.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        references: (num_cells,), the cell that each is compared with, itself for a baseline; or
            one baseline for all.
        mode: Whether lower (`min`) or higher values are better.
        margin: Differences smaller than this do not matter; fixed before the study is run.
        family: (num_cells,), the cells whose comparison was planned (default: all). Others are
            not compared: they get their difference alone, and cost the family nothing.
        first_seeds: Where the number of seeds was decided by the variance of the first ones
            (Stein 1945): how many these were. The pooled variance comes from them alone, the
            differences from all seeds. Spreads are compared over all seeds, and cells that are
            judged by their own pairs are judged by all of them.
        own_pairs: Whether rows are known to differ in spread: all are judged by their own pairs.
        num_families: Such studies, of so many metrics, that are to hold all at once.
    """
    pool = pool_cells(values, references, family, first_seeds, own_pairs, num_families)
    named = np.ones(len(values), dtype=bool) if family is None else np.asarray(family, dtype=bool)
    comparisons = [
        _compare(pool, cell, bool(named[cell]), mode, margin) for cell in range(len(values))
    ]
    return Comparisons(comparisons, pool.sd, pool.residuals.df, _told(values, pool.noisy))


def _compare(pool: Pool, cell: int, named: bool, mode: Mode, margin: float | None) -> Comparison:
    apart = bool(pool.apart[cell])
    reference = int(pool.references[cell])
    if reference == cell:
        cause = Cause.FAILED if _has_none(pool, cell) else None
        return Comparison(Verdict(VerdictKind.BASELINE, cause=cause))
    if _has_none(pool, cell):
        return Comparison(Verdict.none(Cause.FAILED))
    if not named:
        found = pool.own_difference(cell) if apart else pool.pooled_difference(cell).difference
        return Comparison(Verdict(VerdictKind.NOT_COMPARED), found)
    if not pool.family[cell]:
        is_alone = _has_none(pool, reference)
        return Comparison(Verdict.none(Cause.NO_BASELINE if is_alone else Cause.TOO_FEW_SEEDS))
    found = pool.own_evidence(cell) if apart else pool.pooled_evidence(cell)
    if math.isnan(found.p):
        few = Verdict.none(Cause.TOO_FEW_SEEDS)
        return Comparison(few, found.difference, pooled=not apart)
    inside = margin is not None and lies_inside(
        found.difference, found.se, found.df, margin, ALPHA / pool.num_shares
    )
    return _judged(found, mode, inside, not apart)


def _has_none(pool: Pool, cell: int) -> bool:
    return bool(np.isnan(pool.values[cell]).all())


def _judged(found: Evidence, mode: Mode, inside: bool, pooled: bool) -> Comparison:
    """The verdict: of the simultaneous interval, and of what lies inside the margin."""
    value, half = found.difference, found.critical * found.se
    if abs(value) > half:
        is_better = (value < 0) == (mode == "min")
        verdict = Verdict(VerdictKind.BETTER if is_better else VerdictKind.WORSE, inside)
    else:
        verdict = Verdict(VerdictKind.EQUIVALENT if inside else VerdictKind.WITHIN_NOISE)
    return Comparison(verdict, value, value - half, value + half, found.p, pooled)


def _told(values: Values, noisy: Sequence[int]) -> str:
    if len(values) < 3:
        return ""
    num = num_results(values)
    if num < CHECKABLE_SEEDS:
        return (
            f"whether cells differ in spread cannot be checked with {num:g} seeds "
            f"({CHECKABLE_SEEDS} would do): the intervals assume they do not"
        )
    if not noisy:
        return "no cell's spread over seeds stands out"
    return f"{len(noisy)} cell{'s' * (len(noisy) > 1)} of larger spread judged by their own pairs"
