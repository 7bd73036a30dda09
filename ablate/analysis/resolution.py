"""What a plan can find beside differences of cells: factors, equivalence, more seeds instead."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ablate.analysis.arrays import Values, on_scale, planned_of, uses_log, values_of
from ablate.analysis.families import critical_in_pairs, num_families
from ablate.analysis.same_numbers import repeated_once
from ablate.analysis.scatter import held_out_of
from ablate.analysis.seed_rule import first_stage
from ablate.numbers import size_text
from ablate.plan.plan import Plan
from ablate.plan.planned_block import PlannedBlock
from ablate.run_row import RunRows
from ablate.spec.seeds import SeedRule
from ablate.stats.effects import factor_effects
from ablate.stats.layout import fit_layout, num_results, residual_df, seeds_alike
from ablate.stats.pooling import ALPHA
from ablate.stats.power import detectable_margin, equivalence_power, level_sd
from ablate.stats.replication import visible_differences
from ablate.stats.splits import widening
from ablate.stats.verdicts import Comparison
from ablate.text import printable

UNIT = "seed sd"
"""Of differences, as long as no results say how much of the metric that is: the residual's."""
SIZES = {0.5: "small", 1.5: "moderate", 3.0: "large", math.inf: "very large"}
"""What a difference below so many of them is called.

Wider than those of Cohen, which are of people: runs of one network scatter less.
"""

NEARLY = 0.995


def no_verdict(plan: Plan) -> str:
    """Why a plan that can find no difference of cells cannot."""
    num_seeds = max((len(runs) for runs in plan.runs_of.values()), default=0)
    if len(plan.cells) < 2:
        why = "the study has one cell"
    elif num_seeds < 2:
        why = f"{num_seeds} seed does not tell a difference from noise; 3 or more do (seeds: 3)"
    else:
        why = "no comparison is planned (compare:)"
    return f"no verdict will be possible: {why}"


def further_visible(plan: Plan, rows: RunRows) -> list[str]:
    """What the design finds of factors and equivalence, and with more seeds of fewer cells.

    Args:
        plan: A plan that can find differences of cells.
        rows: The ledger's rows by run id: with results all is in the metric's own units.
    """
    design = Design(plan, rows)
    return [*_of_factors(design), *_of_equivalence(design), *_of_more_seeds(design)]


def found_equivalent(
    comparisons: Sequence[Comparison],
    residual_sd: float,
    df: float,
    num_seeds: float,
    margin: float | None,
    families: int,
) -> float:
    """The chance that what does not differ is found equivalent; nan without a margin.

    Args:
        comparisons: Those with a baseline, one a cell; or all pairs.
        residual_sd: Pooled.
        df: Its degrees of freedom.
        num_seeds: Of a cell.
        margin: On the same scale.
        families: Metrics whose verdicts are to hold all at once.
    """
    if margin is None:
        return math.nan
    judged = [found.pooled and not np.isnan(found.p) for found in comparisons]
    alpha = ALPHA / families / max(1, sum(judged))
    return equivalence_power(margin, residual_sd, df, num_seeds, alpha)


def resolution_text(difference: float, df: float | None, log_scale: bool) -> str:
    """`0.0021 (df 4)`; on the log scale a share."""
    shown = size_text(difference, log_scale)
    return shown if df is None else f"{shown} (df {df:g})"


def size_word(difference: float) -> str:
    """How large a difference in seed standard deviations is."""
    return next(word for below, word in SIZES.items() if difference < below)


def in_seed_sd(difference: float, is_paired: bool) -> str:
    """`0.8 seed standard deviations (moderate: the better cell wins on 71 % of seeds)`.

    Two runs differ by noise of sqrt(2) of them: the better cell's is ahead with Phi(d / sqrt(2)).

    Args:
        difference: In residual sd.
        is_paired: Whether that is what remains where runs are compared by seed.
    """
    share = share_of_studies((1 + math.erf(difference / 2)) / 2)
    where = f"on {share} of seeds" if is_paired else f"in {share} of pairs of runs"
    return (
        f"{difference:.2g} seed standard deviations ({size_word(difference)}: the better cell wins "
        f"{where})"
    )


def share_of_studies(power: float) -> str:
    """`63 %`; what is almost certain is not called certain."""
    return f"{100 * power:.0f} %" if power < NEARLY else "over 99 %"


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
        return residual_df(planned_of(self.plan)[:, : self.first], self.plan.is_paired)

    @cached_property
    def num_seeds(self) -> float:
        """Of a cell; where baselines have more, what comes to the same."""
        if self.in_pairs:
            return num_results(np.where(planned_of(self.plan), 0.0, np.nan))
        cells = np.array(self._compared, dtype=np.intp)
        references = np.array(self.plan.references)
        return seeds_alike(planned_of(self.plan), cells, references, self.plan.is_paired)

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
        """Comparisons of cells."""
        if self.in_pairs:
            return math.comb(len(self.plan.cells), 2)
        return len(self._compared)

    @cached_property
    def _compared(self) -> list[int]:
        pairs = zip(self.plan.compared, self.plan.references, strict=True)
        return [cell for cell, (named, other) in enumerate(pairs) if named and other != cell]

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
        if np.isnan(self._results).all():  # of a plan, which may have thousands of cells
            return self._results
        return repeated_once(self.plan, self.rows, self._raw).of(self._results)

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


def _of_factors(design: Design) -> list[str]:
    if not design.factors:
        return []
    told = ", ".join(
        f"{factor.name} {_shown(design, *_found(design, factor))}" for factor in design.factors
    )
    is_all = design.is_known or not design.plan.is_paired
    condition = "" if is_all else "; more where seeds change what a factor does"
    return [f"resolution of factors, each over all the others: {told}{condition}"]


def _of_equivalence(design: Design) -> list[str]:
    """What a margin lets one find, where the study has one."""
    asked = design.plan.study.margin
    if asked is None:
        return []
    num = design.num_seeds
    alpha = ALPHA / design.families / max(1, design.num_compared)
    sd = design.widening() * design.sd
    least = detectable_margin(sd, design.df, num, alpha)
    told = f"four times in five within ±{_shown(design, least, design.df)}"
    if design.is_known and design.log_scale == design.plan.study.log_scale:
        margin = math.log1p(asked) if design.log_scale else asked
        power = equivalence_power(margin, sd, design.df, num, alpha)
        told = f"in {share_of_studies(power)} of studies within the margin of {asked:g}, {told}"
    return [f"equivalence: a cell that does not differ is found so {told}"]


def _of_more_seeds(design: Design) -> list[str]:
    """The same runs as twice the seeds of half the cells."""
    num_cells, num_seeds = len(design.plan.cells), 2 * len(design.plan.seeds)
    half = num_cells // 2
    if half < 2 or isinstance(design.plan.study.seeds, SeedRule) or not design.is_balanced:
        return []
    df = residual_df(np.ones((half, num_seeds), dtype=bool), design.plan.is_paired)
    num = max(1, design.num_compared * half // num_cells) * design.families
    critical = critical_in_pairs(half, df, design.families) if design.in_pairs else None
    sd = design.widening(2) * design.sd
    cells = visible_differences(sd, df, num, num_seeds, critical=critical).found
    runs = f"{half * num_seeds} runs in place of {num_cells * len(design.plan.seeds)}"
    told = (
        f"seeds against cells: {half} cells x {num_seeds} seeds ({runs}) find differences of "
        f"{_shown(design, cells, df)}"
    )
    factors = [
        f"{factor.name} {_shown(design, *_found(design, factor, 2))}"
        for factor in design.factors
        if factor.num_cells > 1
    ]
    also = f"; of one factor, with half the others' cells: {', '.join(factors)}" if factors else ""
    return [told + also]


def _found(design: Design, factor: FactorDesign, times: int = 1) -> tuple[float, int]:
    """What is found of a factor, and its degrees of freedom, with so many times the seeds.

    As many times fewer cells of a level add to its scatter; what seeds change of its effect stays.
    """
    more = (times - 1) * level_sd(design.sd, factor.num_cells, factor.num_reference) ** 2
    df = (factor.num_levels - 1) * (times * design.first - 1)
    if not design.plan.is_paired:  # the residual of runs
        df = len(design.plan.cells) // times * (times * design.first - 1)
    num_seeds = times * len(design.plan.seeds)
    sd = design.widening(times) * math.sqrt(factor.sd**2 + more)
    return visible_differences(sd, df, factor.num_levels - 1, num_seeds).found, df


def _shown(design: Design, difference: float, df: int) -> str:
    if not design.is_known:
        return f"{difference:.2g} {UNIT} ({size_word(difference)}, df {df})"
    return resolution_text(difference, df, design.log_scale)
