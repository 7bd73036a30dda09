"""Cells that measure the same: each group has its own seed effects and residual. Pure functions."""

import numpy as np
from numpy.typing import NDArray

from ablate.stats.error_terms import Codes, factors_by_seed, seed_columns
from ablate.stats.pooling import Cells, Named, Pool, References
from ablate.stats.residuals import ones
from ablate.stats.unequal_spread import noisy_cells

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
) -> list[Pool]:
    """Sorts out what is compared, and on which variance, group by group.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        references: (num_cells,), the cell that each is compared with, itself for a baseline; or
            one baseline for all.
        named: (num_cells,), the cells whose comparisons were planned; all where None.
        first_seeds: The pooled variance comes from so many seeds, the first ones.
        own_pairs: Whether all comparisons are judged by own pairs, on no shared variance.
        groups: (num_cells,), equal for cells that measure the same; one group where None. Groups
            that a comparison links are one.
        codes: (num_cells, num_factors), levels of a grid's factors, -1 where one does not apply.
        num_families: Such families, of so many metrics, that are to hold all at once.
        widening: What standard errors are multiplied by, see `ablate.stats.splits`.
        is_paired: Whether runs of one seed have something in common.

    Returns:
        A pool a group, in the order of their first cells.
    """
    cells = np.arange(len(values))
    others = np.broadcast_to(np.asarray(references, dtype=np.intp), cells.shape)
    planned = np.ones(len(values), dtype=bool) if named is None else np.asarray(named, dtype=bool)
    family = planned & (others != cells)
    labels = np.zeros(len(values), dtype=np.intp) if groups is None else linked(groups, others)
    codes = np.zeros((len(values), 0), dtype=np.intp) if codes is None else codes
    each = [np.flatnonzero(labels == label) for label in dict.fromkeys(labels.tolist())]
    for members in each:
        has_results = known_cells(values[members])
        family[members] &= has_results & has_results[np.searchsorted(members, others[members])]
    pools: list[Pool] = []
    for members in each:
        share = float(family[members].sum() / max(family.sum(), 1))
        pools.append(_pool(
            values[members], np.searchsorted(members, others[members]), family[members],
            first_seeds, own_pairs, codes[members], members, share, num_families,
            widening, is_paired,
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
    values: Values, references: Cells, family: NDArray[np.bool_], first_seeds: int | None,
    own_pairs: bool, codes: Codes, members: Cells, share: float, num_families: int,
    widening: float, is_paired: bool,
) -> Pool:  # fmt: skip
    # What seeds change of a factor shows in all its cells, and is no cell's own noise.
    factors = [] if own_pairs or not is_paired else factors_by_seed(values, codes)
    compared = set(references[family].tolist())
    columns = seed_columns(codes, factors) if is_paired else ones(values, is_paired)
    noisy = noisy_cells(values, columns, compared)
    if noisy and factors:
        kept = np.setdiff1d(np.arange(len(values)), noisy)
        factors = factors_by_seed(values[kept], codes[kept])
    is_noisy = np.isin(np.arange(len(values)), noisy)
    apart = is_noisy | is_noisy[references] | own_pairs
    several = (~np.isnan(values)).sum(axis=1) > 1
    family = family & ~(apart & ~(several & several[references]))
    return Pool(
        cells=members, values=values, references=references, family=family, share=share,
        noisy=noisy, apart=apart, codes=codes,
        factors=factors, first_seeds=first_seeds, num_families=num_families,
        widening=widening, is_paired=is_paired,
    )  # fmt: skip
