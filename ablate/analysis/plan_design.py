"""What of a plan decides which differences it can find: trainings, comparisons, scatter."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ablate.analysis.arrays import Flags, Values, on_scale, planned_of, uses_log, values_of
from ablate.analysis.families import critical_in_pairs, num_families
from ablate.analysis.same_numbers import repeated_once
from ablate.analysis.scatter import held_out_of
from ablate.analysis.seed_rule import first_stage
from ablate.identity import canonical_json
from ablate.plan.plan import Plan
from ablate.plan.planned_block import PlannedBlock
from ablate.run_row import RunRows
from ablate.stats.dunnett import Family
from ablate.stats.effects import factor_effects
from ablate.stats.layout import (
    contrast_covariance,
    fit_layout,
    num_results,
    residual_df,
    seeds_alike,
)
from ablate.stats.pooling import ALPHA, least_correlation
from ablate.stats.power import level_sd
from ablate.stats.repeats import CountedOnce, counted_once
from ablate.stats.splits import widening
from ablate.stats.spread_cost import SpreadTests
from ablate.text import printable

MOST_CORRELATED = 200
"""Comparisons whose correlations are looked at."""


@dataclass(frozen=True)
class FactorDesign:
    """A factor of a grid, as far as power goes."""

    name: str
    num_levels: int
    num_cells: int
    """Of the level that has the fewest."""
    num_reference: int
    """Cells of the baseline's level."""
    sd: float
    """Scatter of a level's mean in one seed, factor x seed included where results show it."""


@dataclass(frozen=True)
class Design:
    """A plan and what its results say of its noise."""

    plan: Plan
    rows: RunRows

    @cached_property
    def log_scale(self) -> bool:
        """Whether differences are of logarithms."""
        return self.is_known and uses_log(self.plan, self.rows, self.plan.study.metric)

    @cached_property
    def first(self) -> int:
        """Seeds that the variance comes from."""
        return first_stage(self.plan) or len(self.plan.seeds)

    @cached_property
    def is_known(self) -> bool:
        """Whether results say how large the residual sd is, in the units of the metric."""
        return self._sd_so_far > 0

    @cached_property
    def sd(self) -> float:
        """Residual sd so far; 1 where there are no results: then all is in its units."""
        return self._sd_so_far if self.is_known else 1.0

    def widening(self, times: int = 1) -> float:
        """What standard errors are multiplied by, with so many times the seeds."""
        return widening(times * len(self.plan.seeds), self._held_out)

    @cached_property
    def _held_out(self) -> float:
        return held_out_of(self.plan, self.plan.study.metric)

    @cached_property
    def df(self) -> int:
        """Degrees of freedom of the cells' residual."""
        return self.df_of(np.ones(len(self.plan.cells), dtype=bool))

    def df_of(self, cells: Flags) -> int:
        """The same of some cells, (num_cells,); those with the runs of others have none."""
        there = planned_of(self.plan)[cells & self._is_own][:, : self.first]
        return residual_df(there, self.plan.is_paired)

    @cached_property
    def once(self) -> CountedOnce:
        """What is compared where cells train the same: by results, else by their trainable."""
        if not np.isnan(self._raw).all():
            return repeated_once(self.plan, self.rows, self._raw)
        return counted_once(self._named_alike, self.plan.references, self.plan.compared)

    @cached_property
    def _named_alike(self) -> NDArray[np.intp]:
        """(num_cells,), the first cell of which the trainable says that it trains the same."""
        first: dict[tuple[str, str], int] = {}
        found: list[int] = []
        for number, cell in enumerate(self.plan.cells):
            said = cell.model.same_training(cell.validated)
            key = (cell.entry.name, canonical_json(said))
            found.append(number if said is None else first.setdefault(key, number))
        return np.array(found, dtype=np.intp)

    @cached_property
    def _is_own(self) -> Flags:
        """(num_cells,), whether a cell has runs of its own."""
        return self.once.same == np.arange(len(self.plan.cells))

    @cached_property
    def num_cells(self) -> int:
        """Cells with runs of their own."""
        return int(self._is_own.sum())

    def critical(self, df: float, num_compared: int = 0, num_cells: int = 0) -> float:
        """Half-width of intervals in standard errors, of as many comparisons as the plan has.

        Args:
            df: Degrees of freedom of their error.
            num_compared: Others than the plan's.
            num_cells: Others than the plan's.
        """
        if self.in_pairs:
            return critical_in_pairs(num_cells or self.num_cells, df, self.families)
        family = Family(num_compared or self.num_compared, self._correlation, df)
        return family.critical_value(1 - ALPHA / self.families) if df >= 1 else math.nan

    @cached_property
    def _correlation(self) -> float:
        """The smallest of any two comparisons: 1/2 with one baseline, 0 where two share nothing."""
        cells = np.array(self._compared, dtype=np.intp)
        others = self.once.references[cells]
        if len(set(others.tolist())) > 1 and len(cells) > MOST_CORRELATED:
            return 0.0
        if len(set(others.tolist())) == 1 and self.is_balanced:
            return 0.5
        cells, others = cells[:MOST_CORRELATED], others[:MOST_CORRELATED]
        used = np.unique([*cells, *others])
        there = planned_of(self.plan)[self.once.same[used]]
        layout = fit_layout(np.where(there, 0.0, np.nan), self.plan.is_paired)
        rows = np.searchsorted(used, self.once.same[cells])
        return least_correlation(
            contrast_covariance(layout.unscaled, rows, np.searchsorted(used, others))
        )

    def tests(self, cells: Flags | None = None) -> SpreadTests:
        """What the spreads of some cells, (num_cells,), or of all will be tested for."""
        several = self._is_own & (planned_of(self.plan).sum(axis=1) > 1)
        several = several if cells is None else several & cells
        compared = [cell for cell in self._compared if cells is None or cells[cell]]
        references = set(self.once.references[compared].tolist()) if compared else set()
        return SpreadTests(
            int(several.sum()), self.num_seeds, 0 if self.in_pairs else len(references),
            self.plan.is_paired,
        )  # fmt: skip

    @cached_property
    def num_seeds(self) -> float:
        """Of a cell; where baselines have more, what comes to the same."""
        if self.in_pairs:
            return num_results(np.where(planned_of(self.plan), 0.0, np.nan))
        cells = np.array(self._compared, dtype=np.intp)
        planned = planned_of(self.plan)[self.once.same]
        return seeds_alike(planned, cells, self.once.references, self.plan.is_paired)

    @cached_property
    def families(self) -> int:
        """Metrics whose verdicts are to hold all at once."""
        return num_families(self.plan.study, self.plan.study.metric)

    @cached_property
    def in_pairs(self) -> bool:
        """Whether all cells are compared with each other."""
        return self.plan.study.compares_pairs

    @cached_property
    def num_compared(self) -> int:
        """Comparisons of cells, each once."""
        if self.in_pairs:
            return math.comb(self.num_cells, 2)
        return len(self._compared)

    @cached_property
    def _compared(self) -> list[int]:
        is_other = self.once.references != np.arange(len(self.plan.cells))
        return np.flatnonzero(self.once.family & is_other).tolist()

    @cached_property
    def is_balanced(self) -> bool:
        """Whether all cells have the same seeds."""
        return bool(planned_of(self.plan).all())

    @cached_property
    def factors(self) -> list[FactorDesign]:
        """Those whose main effects the report will have, where all cells have the same seeds."""
        if not self.is_balanced:
            return []
        return [
            found
            for block in self.plan.blocks
            if block.design == "grid" and len(block.factors) > 1 and not self.in_pairs
            for found in self._of_block(block)
        ]

    @cached_property
    def values(self) -> Values:
        """Results of the first seeds, as they are compared: cells with the same numbers are one."""
        return self.once.of(self._results)

    @cached_property
    def _raw(self) -> Values:
        return values_of(self.plan, self.rows, self.plan.study.metric)

    @cached_property
    def _results(self) -> Values:
        """All results of the first seeds, as they are compared."""
        is_log = uses_log(self.plan, self.rows, self.plan.study.metric)
        return on_scale(self._raw[:, : self.first], is_log)

    @cached_property
    def _sd_so_far(self) -> float:
        if np.isnan(self.values).all():
            return math.nan
        return math.sqrt(fit_layout(self.values, self.plan.is_paired).variance)

    def _of_block(self, block: PlannedBlock) -> list[FactorDesign]:
        measured = self._scatter(block)
        found: list[FactorDesign] = []
        for number, factor in enumerate(block.factors):
            counts = Counter(at[factor.name] for at in block.levels if factor.name in at)
            reference = block.baseline_levels[number]
            least = min((num for level, num in counts.items() if level != reference), default=0)
            if not least or not counts[reference]:
                continue
            sd = measured[number] if measured else math.nan
            sd = sd if sd > 0 else level_sd(self.sd, least, counts[reference])
            of = f"{block.name}: " if block.name else ""
            found.append(FactorDesign(
                f"{of}{printable(factor.name)}", len(counts), least, counts[reference], sd
            ))  # fmt: skip
        return found

    def _scatter(self, block: PlannedBlock) -> Sequence[float]:
        """Of each factor, the scatter of its level means over seeds so far."""
        if not self.is_known:
            return ()
        names = [factor.name for factor in block.factors]
        codes = np.array([[at.get(name, -1) for name in names] for at in block.levels])
        values = self._results if self.plan.is_paired else self.values
        effects = factor_effects(
            values[list(block.members)], codes, [len(f.levels) for f in block.factors],
            block.baseline_levels, "min", is_paired=self.plan.is_paired,
        )  # fmt: skip
        return [
            main.comparisons.residual_sd if main.comparisons.df > 0 else math.nan
            for main in effects.mains
        ]
