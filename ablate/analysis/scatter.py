"""Which cells of a plan share their scatter over seeds, and what was found of it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ablate.plan.plan import Plan
from ablate.stats.groups import Groups
from ablate.stats.verdicts import Comparisons
from ablate.text import printable
from ablate.trainable.metric_rules import measured_alike

Codes = NDArray[np.intp]


def groups_of(plan: Plan, metric: str) -> Groups:
    """Numbers that are equal for cells whose runs scatter alike, (num_cells,).

    A metric measures the same thing in them, and they are of one trainable.
    """
    alike = measured_alike([cell.configured for cell in plan.cells], metric)
    kinds = [(cell.entry.name, number) for cell, number in zip(plan.cells, alike, strict=True)]
    first = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    return np.array([first[kind] for kind in kinds], dtype=np.intp)


def held_out_of(plan: Plan, metric: str) -> float:
    """Rows that a metric is measured on for each row trained on, where splits vary with the seed.

    The most of any cell, which is cautious for the others; 0 where all runs share one split.
    """
    if plan.study.split_seed is None:
        return 0.0
    return max(cell.model.held_out(cell.validated, metric) or 0.0 for cell in plan.cells)


def grid_codes(plan: Plan) -> Codes:
    """Levels of the factors of grids, (num_cells, num_factors); -1 where one does not apply."""
    codes = np.full((len(plan.cells), len(grid_factors(plan))), -1, dtype=np.intp)
    column = 0
    for block in plan.blocks:
        if block.design != "grid":
            continue
        for factor in block.factors:
            for member, levels in zip(block.members, block.levels, strict=True):
                codes[member, column] = levels.get(factor.name, -1)
            column += 1
    return codes


def grid_factors(plan: Plan) -> list[str]:
    """Names of the columns of `grid_codes`."""
    grids = [block for block in plan.blocks if block.design == "grid"]
    return [printable(factor.name) for block in grids for factor in block.factors]


def scatter_cautions(plan: Plan, comparisons: Comparisons, metric: str) -> list[str]:
    """What a reader of the verdicts must know of how runs scatter."""
    cautions: list[str] = []
    for group in comparisons.groups:
        spreads = group.spreads
        for run in spreads.outlying:
            cautions.append(
                f"one run lies far from what its cell and its seed explain: {metric} of "
                f"{plan.cells[run.cell].name} with seed {plan.seeds[run.seed]}. It is kept, and "
                "widens the interval of its cell: look at its curve"
            )
        if spreads.grows_with_mean:
            cautions.append(
                f"cells of larger {metric} vary more: set log_scale: true, which compares by ratios"
            )
        if spreads.later_larger:
            cautions.append(
                "the later seeds vary more than the first ones, which decided how many there are "
                "(other machine, code or data?): intervals rest on the larger spread"
            )
    return list(dict.fromkeys(cautions))


def seed_factors(plan: Plan, comparisons: Comparisons) -> Sequence[str]:
    """Factors whose effect changes from seed to seed."""
    names = grid_factors(plan)
    found = [names[column] for group in comparisons.groups for column in group.spreads.factors]
    return list(dict.fromkeys(found))
