"""Cells that measure the same: each group has its own seed effects and residual. Pure functions."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ablate.stats.error_terms import Codes, factors_by_seed, seed_columns
from ablate.stats.marginal_means import adjusted_means
from ablate.stats.pooling import Cells, Named, Pool, References
from ablate.stats.residuals import ones
from ablate.stats.unequal_spread import doubtful_cells, noisy_cells

Values = NDArray[np.float64]
Groups = NDArray[np.intp]


def pool_groups(
    values: Values,
    references: References,
    named: Named = None,
    first_seeds: int | None = None,
    own_pairs: bool = False,
    groups: Groups | None = None,
    codes: Codes | None = None,
    num_families: int = 1,
    widening: float = 1.0,
    is_paired: bool = True,
    same: Cells | None = None,
) -> list[Pool]:
    """Sorts out what is compared, and on which variance, group by group.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        references: (num_cells,), what each is compared with, itself for a baseline; or one for all.
        named: (num_cells,), the cells whose comparisons were planned; all where None.
        first_seeds: The pooled variance comes from so many seeds, the first ones.
        own_pairs: Whether all comparisons are judged by own pairs, on no shared variance.
        groups: (num_cells,), equal for cells that measure the same, see `linked`; None: all.
        codes: (num_cells, num_factors), levels of a grid's factors, -1 where one does not apply.
        num_families: Such families, of so many metrics, that are to hold all at once.
        widening: What standard errors are multiplied by, see `ablate.stats.splits`.
        is_paired: Whether runs of one seed have something in common.
        same: (num_cells,), the cell whose runs each has, counted once; each its own where None.

    Returns:
        A pool a group, in the order of their first cells.
    """
    cells = np.arange(len(values))
    others = np.broadcast_to(np.asarray(references, dtype=np.intp), cells.shape)
    family = (True if named is None else np.asarray(named, dtype=bool)) & (others != cells)
    labels = np.zeros(len(values), dtype=np.intp) if groups is None else linked(groups, others)
    codes = np.zeros((len(values), 0), dtype=np.intp) if codes is None else codes
    each = [np.flatnonzero(labels == label) for label in dict.fromkeys(labels.tolist())]
    own = cells if same is None else np.where(labels[same] == labels, same, cells)
    pools: list[Pool] = []
    for members in each:
        has_results = known_cells(values[own[members]])
        family[members] &= has_results & has_results[np.searchsorted(members, others[members])]
    for members in each:
        share = float(family[members].sum() / max(family.sum(), 1))
        pools.append(_pool(
            values[members], np.searchsorted(members, own[members]),
            np.searchsorted(members, others[members]), family[members], first_seeds,
            own_pairs, codes[members], members, share, num_families, widening, is_paired,
        ))  # fmt: skip
    return pools


def known_cells(values: Values) -> NDArray[np.bool_]:
    """Cells that something can be said of, (num_cells,).

    One result is enough where others of the same cell say how much runs vary: a cell with a single
    one is taken to vary as they do.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing; of one group.
    """
    counts = (~np.isnan(values)).sum(axis=1)
    return (counts > 0) & bool((counts > 1).any())


def linked(groups: Groups, references: Cells) -> Groups:
    """Groups, joined where a cell is compared with one of another group.

    Args:
        groups: (num_cells,).
        references: (num_cells,), the cell that each is compared with.
    """
    joined = np.array(groups, dtype=np.intp)
    for cell, reference in enumerate(references):
        if joined[cell] != joined[reference]:
            joined[joined == joined[cell]] = joined[reference]
    return joined


def _pool(
    values: Values, same: Cells, references: Cells, family: NDArray[np.bool_],
    first_seeds: int | None, own_pairs: bool, codes: Codes, members: Cells, share: float,
    num_families: int, widening: float, is_paired: bool,
) -> Pool:  # fmt: skip
    values = np.where((same == np.arange(len(same)))[:, np.newaxis], values, np.nan)
    # What seeds change of a factor shows in all its cells, and is no cell's own noise.
    factors = [] if own_pairs or not is_paired else factors_by_seed(values, codes)
    compared = set(same[references[family]].tolist())
    columns = seed_columns(codes, factors) if is_paired else ones(values, is_paired)
    noisy = noisy_cells(values, columns, compared)
    if noisy and factors:
        kept = np.setdiff1d(np.arange(len(values)), noisy)
        factors = factors_by_seed(values[kept], codes[kept])
    doubtful = doubtful_cells(values, columns, noisy)
    is_noisy = np.isin(same, [*noisy, *doubtful])
    level = _of_doubtful_levels(values, codes, factors)
    across = ((level | level[references]) & (codes != codes[references])).any(axis=1)
    apart = is_noisy | is_noisy[references] | across | own_pairs
    of_levels = np.flatnonzero(level.any(axis=1) & ~is_noisy).tolist()
    several = (~np.isnan(values[same])).sum(axis=1) > 1
    family = family & ~(apart & ~(several & several[references]))
    return Pool(
        cells=members, values=values, same=same, references=references, family=family, share=share,
        noisy=noisy, doubtful=[*doubtful, *of_levels], apart=apart, codes=codes,
        factors=factors, first_seeds=first_seeds, num_families=num_families,
        widening=widening, is_paired=is_paired,
    )  # fmt: skip


def _of_doubtful_levels(values: Values, codes: Codes, factors: Sequence[int]) -> NDArray[np.bool_]:
    """Whether seeds may change a cell's level of a factor more than the other levels.

    Two levels that hardly differ seed by seed make factor x seed too small for a third.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        codes: (num_cells, num_factors).
        factors: Those whose effect seeds change.

    Returns:
        (num_cells, num_factors).
    """
    found = np.zeros(codes.shape, dtype=bool)
    for factor in factors:
        levels = codes[:, factor]
        means = adjusted_means(values, levels, levels.max() + 1, np.delete(codes, factor, axis=1))
        found[:, factor] = np.isin(levels, doubtful_cells(means, ones(means)))
    return found
