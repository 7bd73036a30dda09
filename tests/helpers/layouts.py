"""Made-up cells x seeds, and differences of a one-way layout."""

import math

import numpy as np

from ablate.stats.contrasts import Contrasts

NAN = math.nan


def layout(num_cells, num_seeds, seed, missing=(), shifts=None):
    """Normal results (num_cells, num_seeds) with seed effects of 3 sd."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(num_cells, num_seeds)) + 3 * rng.normal(size=num_seeds)
    if shifts is not None:
        values += np.asarray(shifts, dtype=float)[:, None]
    for place in missing:
        values[place] = NAN
    return values


def one_way(means, sd, df, nums):
    """All differences of independent means of `nums` results each."""
    means, share = np.asarray(means, dtype=float), 1 / np.asarray(nums, dtype=float)
    se = sd * np.sqrt(share[:, None] + share)
    np.fill_diagonal(se, NAN)
    return Contrasts(
        differences=np.subtract.outer(means, means), se=se, df=np.full(se.shape, float(df)),
        apart=np.zeros(se.shape, dtype=bool), members=np.arange(len(means)), correlation=0.5,
        residual_sd=sd, residual_df=df,
    )  # fmt: skip


PAINT = ([14.733, 8.567, 12.983, 18.067], 3.95012, 20, [6] * 4)
"""Hardness of four blends of paint, the example of Minitab's one-way analysis of variance."""
