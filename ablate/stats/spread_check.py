"""What was found of the spreads of a group of cells, and what cannot be seen: for people."""

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.stats.layout import num_results
from ablate.stats.outlying_runs import OutlyingRun, outlying_runs
from ablate.stats.pooling import Pool
from ablate.stats.unequal_spread import RATIO, chance_to_see, grows_with_mean

SURE = 0.8
"""A test that sees so often what it looks for may say that there is none."""
WRONG_TABLES = {2: 0.23, 3: 0.18, 4: 0.12, 5: 0.11, 6: 0.09}
"""By the number of seeds, the share of tables with a wrong verdict where the baseline or another
cell scatters 3 to 5 times as much as the others: the most of 4 to 12 cells, seen or not, by
`benchmarks/calibration.py unseen cells`."""


@dataclass(frozen=True, kw_only=True)
class SpreadCheck:
    """Facts on the spreads of cells, by their places in the study."""

    num_cells: int
    num_seeds: float
    noisy: Sequence[int]
    """Cells that scatter more than the others."""
    factors: Sequence[int]
    """Columns of the factors whose effect seeds change."""
    grows_with_mean: bool
    """Whether logarithms would scatter alike."""
    outlying: Sequence[OutlyingRun]
    later_larger: bool
    """Whether the seeds of the second stage scatter more than the first ones."""

    @property
    def chance_to_see(self) -> float:
        """How often a baseline of `RATIO` times the others' spread is seen."""
        return chance_to_see(self.num_cells, self.num_seeds)

    @property
    def text(self) -> str:
        """What came of it; empty where there is nothing to compare."""
        if self.num_cells < 3:
            return ""
        if self.noisy:
            them = "cell of larger spread, judged by its" if len(self.noisy) == 1 else (
                "cells of larger spread, judged by their"
            )  # fmt: skip
            return f"{len(self.noisy)} {them} own pairs, as what is compared with it is"
        seen = f"a baseline {RATIO:g} times as noisy would be seen in {self.chance_to_see:.0%}"
        if self.chance_to_see >= SURE:
            return f"no single cell's spread over seeds stands out ({seen} of such studies)"
        wrong = WRONG_TABLES.get(int(self.num_seeds), min(WRONG_TABLES.values()))
        return (
            f"intervals assume that cells differ little in spread: with {self.num_seeds:g} seeds "
            f"{seen} of such studies; one cell 3 to 5 times as noisy makes up to {wrong:.0%} of "
            "tables wrong"
        )


def check_spreads(pool: Pool, has_ratios: bool) -> SpreadCheck:
    """The facts of a group.

    Args:
        pool: The group.
        has_ratios: Whether the values are of a metric that has ratios, and no logarithms.
    """
    return SpreadCheck(
        num_cells=int((~pool.is_empty).sum()),
        num_seeds=num_results(pool.values),
        noisy=[int(pool.cells[cell]) for cell in pool.noisy],
        factors=pool.factors,
        grows_with_mean=has_ratios and grows_with_mean(pool.values),
        outlying=[
            OutlyingRun(int(pool.cells[run.cell]), run.seed) for run in outlying_runs(pool.values)
        ],
        later_larger=pool.later is not None,
    )
