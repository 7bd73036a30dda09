"""Means of a factor's levels over all the others, seed by seed, and tests of what they share.

Pure functions on arrays, missing runs as nan.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ablate.stats.distributions import f_tail
from ablate.stats.layout import fit_layout
from ablate.stats.pooling import certain_p
from ablate.stats.residuals import RANK_TOLERANCE
from ablate.stats.units import fit_rounding, rounding_error

Values = NDArray[np.float64]
Codes = NDArray[np.integer[Any]]
Groups = NDArray[np.intp]
SAME = 1e-8
"""Weights that differ by less are equal."""


class EffectTest(NamedTuple):
    """An effect against its own scatter over seeds."""

    f: float
    df: int
    error_df: int
    p: float
    """nan where no p can be told."""
    variance: float
    """Of the effect over its entries, unbiased, and so possibly below 0; nan without an error."""


def adjusted_means(values: Values, levels: Codes, num_levels: int, others: Codes) -> Values:
    """Means of the levels of a factor over the levels of the others, seed by seed.

    Least squares of an additive model over the runs of each seed: population marginal means,
    Searle, Speed & Milliken 1980 (Am. Stat. 34, 216-221). Levels that a seed's missing runs do
    not let one compare with the most are nan there. Where a seed lacks a level of another factor,
    the means are over its other levels: all are shifted alike, so their differences stand.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        levels: (num_cells,), the level of the factor; -1 leaves a cell out.
        num_levels: How many levels the factor has.
        others: (num_cells, num_others), levels of the other factors; -1 where one does not apply.

    Returns:
        (num_levels, num_seeds), nan where not estimable.
    """
    table = np.full((num_levels, values.shape[1]), np.nan)
    used = (levels >= 0) & ~np.isnan(values).all(axis=1)
    if not used.any():
        return table
    values, levels = values[used], levels[used]
    design = np.hstack([levels[:, None] == np.arange(num_levels), _sum_to_zero(others[used])])
    patterns, which = np.unique(~np.isnan(values), axis=1, return_inverse=True)
    for number, there in enumerate(patterns.T):
        seeds = which.ravel() == number
        if there.any():
            table[:, seeds] = _level_means(
                design[there], levels[there], values[np.ix_(there, seeds)], num_levels
            )
    return table


def cell_effects(values: Values, groups: Groups, is_paired: bool) -> Values:
    """Cells over an average seed, missing runs by least squares of cells + seeds.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        groups: (num_cells,), equal for cells that measure the same: they have seeds of their own.
        is_paired: Whether runs of one seed have something in common.

    Returns:
        (num_cells,), nan of those without a run.
    """
    effects = np.full(len(values), np.nan)
    for group in np.unique(groups):
        effects[groups == group] = fit_layout(values[groups == group], is_paired).cells
    return effects


def shared_effect(
    table: Values, nuisance: Values, first_seeds: int | None = None, widening: float = 1.0
) -> EffectTest:
    """Whether what the nuisance leaves of the entries is alike in all seeds.

    Each seed has nuisance coefficients of its own, so that all scatter over seeds of what is
    tested, and nothing else, is its error: a factor is tested on factor x seed. Scheffe 1959, The
    Analysis of Variance, section 8.1.

    Args:
        table: (num_entries, num_seeds), nan where not estimable.
        nuisance: (num_entries, num_columns): ones for a main effect, both factors' levels for an
            interaction.
        first_seeds: The error comes from so many seeds, the first ones; from all where None.
        widening: What standard errors are multiplied by, see `ablate.stats.splits`.
    """
    effect, squares, df, error, error_df = _fit_shared(table, nuisance)
    if first_seeds is not None:
        *_, error, error_df = _fit_shared(table[:, :first_seeds], nuisance)
    if df < 1 or error_df < 1:
        return EffectTest(math.nan, df, max(error_df, 0), math.nan, math.nan)
    mean_error = widening**2 * error / error_df
    variance = (squares - df * mean_error) / int((~np.isnan(table)).sum())
    if mean_error == 0:
        f = math.inf if effect.any() else math.nan
        return EffectTest(f, df, error_df, certain_p(f == math.inf, error_df), variance)
    f = squares / df / mean_error
    return EffectTest(f, df, error_df, f_tail(f, df, error_df), variance)


def without(nuisance: Values, entries: Values) -> Values:
    """What the nuisance leaves of entries by least squares, nan where one is missing.

    Args:
        nuisance: (num_entries, num_columns).
        entries: (num_entries,).
    """
    there = ~np.isnan(entries)
    filled = np.where(there, entries, 0)
    left = _remover(nuisance, there) @ filled
    left[np.abs(left) <= rounding_error(filled)] = 0
    return np.where(there, left, np.nan)


def _sum_to_zero(codes: Codes) -> Values:
    """Columns of factors whose effects sum to zero over the levels that occur.

    Args:
        codes: (num_cells, num_factors).
    """
    columns: list[Values] = [np.zeros((len(codes), 0))]
    for factor in codes.T:
        present = np.unique(factor[factor >= 0])
        indicators = (factor[:, None] == present).astype(np.float64)
        columns.append(indicators[:, 1:] - indicators[:, :1])
    return np.hstack(columns)


def _level_means(design: Values, levels: Codes, values: Values, num_levels: int) -> Values:
    """Coefficients of a design's first columns, nan where they cannot be compared.

    Args:
        design: (num_runs, num_levels + num_others).
        levels: (num_runs,).
        values: (num_runs, num_seeds), all there.
        num_levels: How many levels there are.

    Returns:
        (num_levels, num_seeds).
    """
    inverse = np.linalg.pinv(design, rcond=RANK_TOLERANCE)
    means = (inverse @ values)[:num_levels]
    unknown = (np.eye(design.shape[1]) - inverse @ design)[:, :num_levels]
    kept = _comparable(unknown, np.isin(np.arange(num_levels), levels))
    if (np.abs(unknown[:, kept]) > SAME).any():
        # Differences alone are known: the means are put where their runs are.
        own = kept[levels]
        means = means + (values[own] - means[levels[own]]).mean(axis=0)
    return np.where(kept[:, None], means, np.nan)


def _comparable(unknown: Values, present: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest set of levels whose differences are estimable.

    Args:
        unknown: (num_coefficients, num_levels), of each level's mean the part that no run tells
            about: a difference is estimable where both have the same.
        present: (num_levels,), whether a level has a run.
    """
    alike = (np.abs(unknown[:, :, None] - unknown[:, None, :]) < SAME).all(axis=0)
    alike &= present & present[:, None]
    return alike[alike.sum(axis=1).argmax()]


def _fit_shared(table: Values, nuisance: Values) -> tuple[Values, float, int, float, int]:
    """The shared effect, its sum of squares and df, the error's sum of squares and df."""
    there = ~np.isnan(table)
    filled = np.where(there, table, 0)
    removers = np.array([_remover(nuisance, present) for present in there.T]).reshape(
        -1, len(table), len(table)
    )
    gram = removers.sum(axis=0)
    strengths, directions = np.linalg.eigh(gram)
    known = directions[:, strengths > SAME]  # a sum of projections: none is small by its units
    right = known.T @ np.einsum("sij,js->i", removers, filled)
    effect = known @ (right / strengths[strengths > SAME])
    left = np.einsum("sij,js->si", removers, filled - effect[:, None])
    rounding = fit_rounding(table)[:, 0]
    effect[np.abs(effect) <= rounding] = 0
    left[np.abs(left) <= rounding] = 0
    df = known.shape[1]
    error_df = round(float(np.trace(gram))) - df
    return effect, float(effect @ gram @ effect), df, float((left**2).sum()), error_df


def _remover(nuisance: Values, there: NDArray[np.bool_]) -> Values:
    """What takes the nuisance out of the entries that are there, (num_entries, num_entries)."""
    columns = nuisance * there[:, None]
    return np.diag(there.astype(float)) - columns @ np.linalg.pinv(columns, rcond=RANK_TOLERANCE)
