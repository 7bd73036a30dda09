"""Evaluations within runs within cells: where the spread comes from. Pure functions."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ablate.stats.layout import fit_layout
from ablate.stats.units import unit_of

Values = NDArray[np.float64]
Evaluated = Mapping[tuple[int, int], Sequence[float]]
"""By cell and seed, the results of a run's evaluations."""


class NestedSpread(NamedTuple):
    """Standard deviations of the two stages of chance."""

    runs: float
    """Between training seeds of one cell, evaluation left out; 0 where evaluation explains all."""
    evaluations: float
    """Within a run."""
    share: float
    """Of the variance that comparisons rest on, runs paired by seed, what evaluation makes."""


def nested_spread(evaluated: Evaluated) -> NestedSpread | None:
    """Components of variance of evaluations in runs in cells, cells fixed.

    Sums of squares set equal to what they come to on average, with any number of runs a cell and of
    evaluations a run: Searle, Casella & McCulloch 1992, Variance Components, section 3.6. Where all
    runs share their evaluation seeds, and these move all alike, pairing takes that out of
    comparisons: the share is then too large.

    Args:
        evaluated: All values finite.

    Returns:
        None where no run has two evaluations, or no cell two runs.
    """
    arrays = {key: np.array(values, dtype=np.float64) for key, values in evaluated.items()}
    unit = unit_of(*arrays.values())
    runs = {key: values / unit for key, values in arrays.items()}
    within_df = sum(len(values) - 1 for values in runs.values())
    if within_df < 1:
        return None
    within = sum(float(((v - v.mean()) ** 2).sum()) for v in runs.values()) / within_df
    squares, df, weight = 0.0, 0, 0.0
    for cell in {cell for cell, _ in runs}:
        of_cell = [values for (other, _), values in runs.items() if other == cell]
        nums = np.array([len(values) for values in of_cell])
        means = np.array([values.mean() for values in of_cell])
        squares += float((nums * (means - np.average(means, weights=nums)) ** 2).sum())
        df += len(of_cell) - 1
        weight += float(nums.sum() - (nums**2).sum() / nums.sum())
    if df < 1:
        return None
    between = max(0.0, (squares - df * within) / weight)
    of_runs, of_evaluations = unit * math.sqrt(between), unit * math.sqrt(within)
    return NestedSpread(of_runs, of_evaluations, _share(runs, within))


def _share(runs: Mapping[tuple[int, int], Values], within: float) -> float:
    """What evaluation makes of the residual of run means; nan where there is no residual."""
    cells, seeds = ({key[place]: None for key in runs} for place in (0, 1))
    table = np.full((len(cells), len(seeds)), np.nan)
    rows, columns = ({name: at for at, name in enumerate(names)} for names in (cells, seeds))
    for (cell, seed), values in runs.items():
        table[rows[cell], columns[seed]] = values.mean()
    residual = fit_layout(table).variance
    if not residual > 0:
        return math.nan
    of_mean = within * float(np.mean([1 / len(values) for values in runs.values()]))
    return min(1.0, of_mean / residual)
