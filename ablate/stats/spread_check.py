"""What was found of the spreads of a group of cells, and what cannot be seen: for people."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablate.stats.error_terms import ErrorTerm
from ablate.stats.layout import num_results
from ablate.stats.outlying_runs import OutlyingRun, outlying_runs
from ablate.stats.pooling import Pool
from ablate.stats.spread_cost import SpreadTests
from ablate.stats.unequal_spread import DOUBT_ALPHA, RATIO, chance_to_see, grows_with_mean

SURE = 0.8
"""A test that sees so often what it looks for may say that there is none."""
WRONG_TABLES = {2: 0.20, 3: 0.13, 4: 0.09, 5: 0.08, 6: 0.07}
"""By the number of seeds, the share of tables with a wrong verdict where the baseline or another
cell scatters 3 to 5 times as much as the others: the most of 3 to 12 cells, seen or not, by
`benchmarks/calibration.py near_twins`."""
WRONG_IN_PAIRS = {2: 0.20, 3: 0.14, 4: 0.12, 5: 0.12}
"""The same of all pairs, where it may be a level of a factor as well, all of whose cells a seed
moves alike: the most of `benchmarks/calibration.py odd_pairs odd_networks`."""
WRONG_IF_TWICE = 0.31
"""The share of tables with a wrong verdict where cells with one result scatter twice as much as the
baseline's five: the most of 4 and 9 cells, `benchmarks/calibration.py single`."""


@dataclass(frozen=True, kw_only=True)
class SpreadCheck:
    """Facts on the spreads of cells, by their places in the study."""

    num_cells: int
    num_seeds: float
    noisy: Sequence[int]
    """Cells that scatter more than the others, or may do so: judged by themselves."""
    factors: Sequence[int]
    """Columns of the factors whose effect seeds change."""
    grows_with_mean: bool
    """Whether logarithms would scatter alike."""
    outlying: Sequence[OutlyingRun]
    single: Sequence[int]
    """Cells with one result, where others have several."""
    is_baseline_alone: bool
    """Whether only cells that others are compared with have several."""
    is_paired: bool
    """Whether runs of one seed have something in common."""
    num_references: int
    """Cells that others are compared with; none where all are in pairs."""
    later_larger: bool
    """Whether the seeds of the second stage scatter more than the first ones."""

    @property
    def chance_to_see(self) -> float:
        """How often a baseline, or any cell in pairs, of `RATIO` times the others' is seen."""
        if self.num_references:
            return chance_to_see(self.num_cells, self.num_seeds, is_paired=self.is_paired)
        alpha = DOUBT_ALPHA / max(self.num_cells, 1)
        return chance_to_see(
            self.num_cells, self.num_seeds, is_paired=self.is_paired, alpha=alpha
        )  # fmt: skip

    @property
    def tests(self) -> SpreadTests:
        """What the spreads of such cells are tested for."""
        several = self.num_cells - len(self.single)
        return SpreadTests(several, self.num_seeds, self.num_references, self.is_paired)

    @property
    def wrong_unseen(self) -> float:
        """The share of tables that a cell 3 to 5 times as noisy makes wrong; 0 where it is seen."""
        if self.single or self.noisy or self.num_cells < 3 or self.chance_to_see >= SURE:
            return 0.0
        told = WRONG_TABLES if self.num_references else WRONG_IN_PAIRS
        return told.get(int(self.num_seeds), min(told.values()))

    @property
    def text(self) -> str:
        """What came of it; empty where there is nothing to compare."""
        if self.single:
            return self._single_text
        if self.num_cells < 3:
            return ""
        if self.noisy:
            them = "cell of larger spread, judged by its" if len(self.noisy) == 1 else (
                "cells of larger spread, judged by their"
            )  # fmt: skip
            own = ErrorTerm.OWN_PAIRS if self.is_paired else ErrorTerm.OWN_RUNS
            return f"{len(self.noisy)} {them} {own}, as what is compared with it is"
        seen = (
            f"a {'baseline' if self.num_references else 'cell'} {RATIO:g} times as noisy would be "
            f"seen in {100 * self.chance_to_see:.0f} %"
        )
        if self.chance_to_see >= SURE:
            return f"no single cell's spread over seeds stands out ({seen} of such studies)"
        wrong = self.wrong_unseen
        odd = "one cell" if self.num_references else "one cell, or all of one level,"
        return (
            f"intervals assume that cells differ little in spread: with {self.num_seeds:g} seeds "
            f"{seen} of such studies; {odd} 3 to 5 times as noisy makes up to "
            f"{100 * wrong:.0f} % of tables wrong"
        )

    @property
    def _single_text(self) -> str:
        """What intervals of cells with one result take for granted."""
        several = self.num_cells - len(self.single)
        others = "the baseline" if self.is_baseline_alone else (
            "the one that has several" if several == 1 else "those with several")  # fmt: skip
        return (
            f"assumes that {'the other cells' if self.is_baseline_alone else 'cells with one run'} "
            f"vary like {others}: if they vary twice as much, up to "
            f"{100 * WRONG_IF_TWICE:.0f} % of tables have a wrong verdict"
        )


def check_spreads(pool: Pool, has_ratios: bool) -> SpreadCheck:
    """The facts of a group.

    Args:
        pool: The group.
        has_ratios: Whether the values are of a metric that has ratios, and no logarithms.
    """
    counts = (~np.isnan(pool.values)).sum(axis=1)
    several = np.flatnonzero(counts > 1)
    single = np.flatnonzero(counts == 1) if len(several) else []
    references = set(pool.same[pool.references[pool.family]].tolist())
    return SpreadCheck(
        num_cells=int((counts > 0).sum()),
        num_seeds=num_results(pool.values),
        noisy=[int(pool.cells[cell]) for cell in (*pool.noisy, *pool.doubtful)],
        factors=pool.factors,
        grows_with_mean=has_ratios and grows_with_mean(pool.values, pool.is_paired),
        outlying=[
            OutlyingRun(int(pool.cells[run.cell]), run.seed)
            for run in outlying_runs(pool.values, pool.is_paired)
        ],
        single=[int(pool.cells[cell]) for cell in single],
        is_baseline_alone=bool(references) and set(several.tolist()) <= references,
        is_paired=pool.is_paired,
        num_references=len(references),
        later_larger=pool.later is not None,
    )
