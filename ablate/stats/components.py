"""Where the variance of a study's runs comes from: cells, seeds, the rest. Pure functions."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ablate.stats.layout import fit_layout

Values = NDArray[np.float64]


class Components(NamedTuple):
    """Parts of the variance of a run: of any of the cells, with a new seed."""

    cells: float
    seeds: float
    residual: float

    @property
    def sum(self) -> float:
        """The whole."""
        return self.cells + self.seeds + self.residual


def variance_components(values: Values, is_paired: bool = True) -> Components:
    """Components of the cells x seeds layout, cells fixed and seeds random.

    Each is a sum of squares less what the residual puts there, 0 where that is more: Henderson
    1953, method 3 (Biometrics 9, 226-252), which holds where runs are missing too.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        is_paired: Whether runs of one seed have something in common: else seeds are no source.

    Returns:
        nan where there is no residual.
    """
    there = ~np.isnan(values)
    values = values[there.any(axis=1)][:, there.any(axis=0)]
    layout = fit_layout(values, is_paired)
    if layout.df < 1:
        return Components(math.nan, math.nan, math.nan)
    num, (num_cells, num_seeds) = int(there.sum()), values.shape
    if not is_paired:
        among = float(np.nansum((values - np.nanmean(values)) ** 2)) - (num - 1) * layout.variance
        return Components(max(0.0, among / num), 0.0, layout.variance)
    of_cells = _squares(values, 0) - (num - num_seeds) * layout.variance
    of_seeds = _squares(values, 1) - (num - num_cells) * layout.variance
    return Components(
        max(0.0, of_cells / num), max(0.0, of_seeds / (num - num_cells)), layout.variance
    )


def _squares(values: Values, axis: int) -> float:
    """The sum of squares about the means along an axis."""
    return float(np.nansum((values - np.nanmean(values, axis=axis, keepdims=True)) ** 2))
