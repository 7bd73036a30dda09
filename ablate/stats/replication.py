"""How many seeds a study needs, and what a number of seeds can see. Pure functions."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ablate.stats.all_pairs import compare_pairs
from ablate.stats.distributions import normal_cdf, residual_scales
from ablate.stats.dunnett import Family
from ablate.stats.error_terms import Codes
from ablate.stats.groups import Groups, pool_groups
from ablate.stats.layout import num_results
from ablate.stats.pooling import ALPHA, Cells, Named, Pool, References
from ablate.stats.spread_cost import NONE, SpreadTests
from ablate.stats.units import unit_of

Values = NDArray[np.float64]


MOST = 1e6
"""Standard errors that nobody resolves."""


class Replication(NamedTuple):
    """What the first seeds of a study say of the number it needs."""

    num: int
    """Seeds in all, the first ones among them."""
    sd: float
    """Residual sd of the first seeds; nan where they gave too few results for one."""
    df: float
    critical: float
    """Half-width of the intervals in standard errors."""
    half_width_now: float
    """With the first seeds alone."""


def needed_replicates(
    first: Values,
    references: References,
    half_width: float,
    family: Named = None,
    groups: Groups | None = None,
    codes: Codes | None = None,
    num_families: int = 1,
    is_paired: bool = True,
    same: Cells | None = None,
) -> Replication:
    """Stein's two-stage rule: the seeds that intervals of a given half-width need.

    Stein 1945 (Ann. Math. Stat. 16, 243-258): where the first stage alone gives variance, degrees
    of freedom and critical value, and decides only how many further seeds follow, the interval of
    all seeds' difference is exact (`compare_to_baseline(..., first_seeds=...)`). With n seeds its
    half-width is critical * sd * sqrt(2 / n). Runs that are missing widen their own cell's
    interval beyond that.

    Where every comparison is judged by own pairs, since the baseline is noisy, sd and df are those
    of the most variable pairs, the sd per run. Where no variance can be estimated, or no runs are
    compared, the rule asks for no more than the first seeds, and sd is nan.

    Args:
        first: (num_cells, num_first_seeds), nan where a run is missing.
        references: (num_cells,), the cell that each is compared with; or one for all.
        half_width: What the simultaneous intervals are to have.
        family: (num_cells,), the cells whose comparison is planned; all where None.
        groups: (num_cells,), equal for cells that measure the same; the widest of them counts.
        codes: (num_cells, num_factors), levels of a grid's factors; -1 where one does not apply.
        num_families: Such intervals, of so many metrics, that are to hold all at once.
        is_paired: Whether runs of one seed have something in common.
        same: (num_cells,), the cell whose runs each has; each its own where None.

    Raises:
        ValueError: Where the half-width is not positive.
    """
    unit = unit_of(first)
    pools = pool_groups(
        first / unit, references, family, groups=groups, codes=codes, num_families=num_families,
        is_paired=is_paired, same=same,
    )  # fmt: skip
    scaled, df, critical = max(map(_residual, pools), key=lambda each: each.width)
    return _needed(scaled * unit, df, critical, half_width, first.shape[1])


def needed_for_pairs(
    first: Values, half_width: float, num_families: int = 1, is_paired: bool = True
) -> Replication:
    """The same for intervals of all pairs of cells, see `ablate.stats.all_pairs`.

    Args:
        first: (num_cells, num_first_seeds), nan where a run is missing.
        half_width: What the simultaneous intervals are to have.
        num_families: As for `needed_replicates`.
        is_paired: Whether runs of one seed have something in common.

    Raises:
        ValueError: Where the half-width is not positive.
    """
    found = compare_pairs(first, "min", num_families=num_families, is_paired=is_paired)
    return _needed(found.residual_sd, found.df, found.critical, half_width, first.shape[1])


def _needed(
    sd: float, df: float, critical: float, half_width: float, num_first: int
) -> Replication:
    if not half_width > 0:
        raise ValueError(f"a half-width is positive, not {half_width:g}")
    if math.isnan(critical):
        return Replication(num_first, math.nan, df, math.nan, math.nan)
    # Rounding must not cost a seed where the half-width is just reached.
    ratio = min(critical * sd / half_width, MOST)
    needed = math.ceil(2 * ratio**2 * (1 - 1e-12))
    now = critical * sd * math.sqrt(2 / num_first)
    return Replication(max(num_first, needed), sd, df, critical, now)


class Visible(NamedTuple):
    """Which differences to a baseline a design sees."""

    significant: float
    """The least observed one that is: half the width of an interval."""
    found: float
    """The true one that is found with a given power."""


def visible_differences(
    sd: float,
    df: float,
    num_comparisons: int,
    num_seeds: float,
    power: float = 0.8,
    critical: float | None = None,
    tests: SpreadTests = NONE,
) -> Visible:
    """The differences to the baseline that a design sees.

    Those of one comparison among `num_comparisons`. What is found with a power is by the
    noncentral t distribution of its t statistic, integrated over the residual's scale; where one of
    the two cells seems to scatter more, by that of their own runs.

    Args:
        sd: Residual sd; 1 gives the differences in residual sd.
        df: Its degrees of freedom.
        num_comparisons: With the baseline, all of them to hold at once.
        num_seeds: Of a cell.
        power: The chance to find it.
        critical: Half-width of an interval in standard errors; that of comparisons with one
            baseline by default.
        tests: Of the cells' spreads.

    Returns:
        nan where nothing can be compared.
    """
    if not (sd >= 0 and df >= 1 and num_comparisons >= 1 and num_seeds > 0):
        return Visible(math.nan, math.nan)
    from scipy.optimize import brentq

    if critical is None:
        critical = Family(num_comparisons, 0.5, df).critical_value(1 - ALPHA)
    scales, weights = residual_scales(df)

    def lacking(shift: float) -> float:
        found = normal_cdf(shift - critical * scales) + normal_cdf(-shift - critical * scales)
        pooled = (1 - tests.share) * float(weights @ found)
        return pooled + tests.found(shift, num_comparisons) - power

    highest = critical * float(scales.max()) + 10
    while lacking(highest) < 0:
        highest *= 2
    shift = float(brentq(lacking, 0.0, highest))  # pyright: ignore[reportArgumentType]
    error = sd * math.sqrt(2 / num_seeds)
    return Visible(critical * error, shift * error)


class _Residual(NamedTuple):
    sd: float
    df: float
    critical: float

    @property
    def width(self) -> float:
        return self.critical * self.sd if self.critical == self.critical else -1.0


def _residual(pool: Pool) -> _Residual:
    """Of the pooled comparisons that are widest, else of the widest apart."""
    pooled = [pool.error(int(cell)) for cell in np.flatnonzero(pool.family & ~pool.apart)]
    known = [
        _Residual(math.sqrt(error.variance), error.df, pool.critical(error.df))
        for error in dict.fromkeys(pooled)
    ]
    known = [each for each in known if each.width >= 0]
    if not known:
        num = num_results(pool.values)
        own = [pool.own_evidence(int(cell)) for cell in np.flatnonzero(pool.family & pool.apart)]
        known = [
            _Residual(e.se * math.sqrt((e.df + 1 if pool.is_paired else num) / 2), e.df, e.critical)
            for e in own
            if not math.isnan(e.se)
        ]
    nothing = _Residual(math.nan, pool.residual.df, math.nan)
    return max(known, key=lambda each: each.width, default=nothing)
