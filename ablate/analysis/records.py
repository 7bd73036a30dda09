"""What a report says, before anything is rendered: plain records, the same for every renderer."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from ablate.analysis.arrays import Values
from ablate.analysis.fixing import AnalysisHistory, Fixing, remark
from ablate.analysis.settings import NO_SETTINGS, Settings
from ablate.plan.analysis_changes import Deviation
from ablate.run_row import Status
from ablate.stats.aa_test import AATest
from ablate.stats.all_pairs import AllPairs
from ablate.stats.effects import Effects, MainEffect
from ablate.stats.simple_effects import SimpleEffects
from ablate.stats.spread import Spread
from ablate.stats.verdicts import Comparison, Comparisons, Verdict
from ablate.text import printable
from ablate.trainable.contract import Mode


@dataclass(frozen=True)
class Note:
    """What is to be read beside a table."""

    text: str
    is_caution: bool = False
    """Whether who does not read it may be misled."""
    is_of_bold: bool = False
    """Whether it says what bold means."""

    @property
    def line(self) -> str:
        """For people, also where there are no colours."""
        return f"caution: {self.text}" if self.is_caution else self.text


@dataclass(frozen=True, kw_only=True)
class MissingRun:
    """A planned run without a result, and why."""

    run_name: str
    status: Status
    cause: str


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One planned run."""

    run_id: str
    run_name: str
    cell: int
    """Position of its cell in the table; -1 for the second baseline."""
    seed: int
    status: Status
    seconds: float
    """Training time; nan where it is unknown."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a run of a cell costs on average, beside what its baseline's costs."""

    seconds: float = math.nan
    """Training time of a finished run on average; nan where it is unknown."""
    num_parameters: int | None = None
    time_ratio: float = math.nan
    """Over the baseline's training time; nan where the two cannot be compared."""
    parameter_ratio: float = math.nan
    """Over the baseline's number of parameters; nan where either is unknown."""


@dataclass(frozen=True, kw_only=True)
class Compute:
    """What all planned runs of a study have cost together, the failed ones included."""

    device: Literal["GPU", "CPU core"]
    """What a trial takes, and time is counted by."""
    per_trial: float
    """How many of them a trial took."""
    seconds: float
    """Training time of the runs whose time is known."""
    num_begun: int
    num_timed: int
    """Of the runs that have begun, those whose time is known."""


@dataclass(frozen=True, kw_only=True)
class SameNumbers:
    """Levels of a factor, or cells, that came to the same numbers of a metric, to the bit."""

    factor: str
    """Empty where the levels are cells that differ in more than one."""
    levels: Sequence[str]
    at: str = ""
    """Where, as `net=mlp`, if that is not so wherever the levels are compared."""
    is_whole: bool = True
    """Whether these are all levels of the factor."""
    seeds: Sequence[int] = ()
    """On which they were compared."""
    differing: Sequence[str] = ()
    """Other metrics of the runs that are not the same."""
    takes_effect: bool = False
    """Whether others of them prove that the levels do something."""
    are_twins: bool = False
    """Whether the trainable says that they train the same thing."""


@dataclass(frozen=True, kw_only=True)
class CellRecord:
    """One row of the ablation table."""

    name: str
    block: str
    """Where its block has a base of its own, the block's name."""
    labels: Mapping[str, str]
    """Of each factor that applies, for people."""
    is_baseline: bool
    reference: int
    """Position of the cell that it is compared with; its own for a baseline, and where there is
    nothing that it could be compared with."""
    num_planned: int
    value: Spread
    comparison: Comparison
    may_be_best: bool | None = None
    """Whether no other cell is found to be better; None where that cannot be said."""
    against: str = ""
    """The levels of that cell that it does not have itself; empty if it is compared with none."""
    cost: Cost = Cost()
    exploratory: Sequence[Deviation] = ()
    """What was changed after results were there and its verdict depends on."""
    added_after: int | None = None
    """Results that were there when it, or its comparison, was added; None where it was planned."""

    @property
    def remark(self) -> str:
        """What is to be said with its verdict, for people."""
        return remark(self.comparison.verdict, self.exploratory, self.added_after)


@dataclass(frozen=True)
class Scope:
    """What the results of a metric are of."""

    parts: Sequence[str] = ()
    """Data, split, test part, samples: as far as the trainable says."""
    value: str = ""
    """Which value of a run counts, where it was measured more than once."""

    @property
    def line(self) -> str:
        """For people, in one line."""
        return "; ".join(self.told)

    def unlike(self, other: "Scope") -> str:
        """What it has that another one has not, in one line."""
        return "; ".join(told for told in self.told if told not in other.told)

    @property
    def told(self) -> Sequence[str]:
        """Its parts, for people."""
        return [*self.parts, *([self.value] if self.value else [])]


@dataclass(frozen=True, kw_only=True)
class BlockRecord:
    """What the factors of one block do: over all the others, or within what they interact with."""

    name: str
    factors: Sequence[str]
    levels: Sequence[Sequence[str]]
    """Labels of each factor's levels."""
    baseline_levels: Sequence[int]
    members: Sequence[int]
    """Positions of the block's cells in the table."""
    codes: Sequence[Sequence[int]]
    """Of each member, the number of each factor's level; -1 where the factor does not apply."""
    conditions: frozenset[str]
    """Factors on whose levels it depends whether others apply: their effects hold those."""
    effects: Effects | None
    """Of grids of several factors: elsewhere the cells themselves say it."""
    is_listed: bool = False
    """Whether its cells are chosen one by one: then they are no levels of factors."""
    exploratory: Sequence[Deviation] = ()
    """What was changed after results were there and the effects depend on."""
    levels_added_after: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """By factor and level, for levels that were added: the results that were there by then."""

    def remark(self, verdict: Verdict, factor: int, level: int) -> str:
        """What is to be said with the verdict on a level of a factor, for people."""
        return remark(verdict, self.exploratory, self.levels_added_after.get((factor, level)))

    detectable: Sequence[float] = ()
    """Of each factor, the difference of levels that such a study finds four times in five."""
    of_those_that_ended: bool = False
    """Whether its cells lost runs by themselves: what factors do together is of the others, too."""
    at_worst: Effects | None = None
    """The effects with such runs as the table's worst; None without any, or where no side is."""
    within: Mapping[int, SimpleEffects] = field(default_factory=dict)
    """By factor, for those that interact with others: what they do at the levels of these."""
    within_at_worst: Mapping[int, SimpleEffects] = field(default_factory=dict)
    """The same with such runs as the table's worst."""
    costs: Sequence[Cost] = ()
    """Of each member, beside the block's first baseline."""

    def effect(self, factor: int) -> MainEffect | SimpleEffects:
        """What is told of a factor, where the block has effects."""
        assert self.effects is not None
        return self.within.get(factor) or self.effects.mains[factor]

    def compared(self, factor: int) -> Comparisons:
        """The comparisons of that."""
        return self.effect(factor).comparisons


def direction(mode: Mode) -> str:
    """`lower is better`."""
    return f"{'lower' if mode == 'min' else 'higher'} is better"


def directed(name: str, mode: Mode, ranked: bool, value_text: str) -> str:
    """A metric with its direction and which value of a run counts, for people."""
    better = direction(mode) if ranked else "neither lower nor higher is better"
    return f"{printable(name)} ({better}), {value_text}"


@dataclass(frozen=True, kw_only=True)
class MetricRecord:
    """One metric, cell by cell."""

    name: str
    mode: Mode
    ranked: bool
    """Whether lower or higher is better at all."""
    value_text: str
    """Which value of a run counts, for people: `final weights`; see `told`."""
    log_scale: bool
    """Whether differences are of logarithms: changes by a share."""
    has_ratios: bool
    """Whether "8 % less" means anything: whether its zero is one."""
    values: Values
    """(num_cells, num_seeds), nan where a run is missing."""
    cells: Sequence[CellRecord]
    blocks: Sequence[BlockRecord]
    comparisons: Comparisons
    resolution: float
    """The smallest difference that this study can tell from noise: half an interval's width."""
    detectable: float
    """The difference that such a study finds four times in five; on the scale of comparison."""
    equivalence_power: float
    """The chance that a cell which does not differ is found equivalent; nan without a margin."""
    floor: tuple[float, float] | None
    """Lowest and highest `<metric>_floor` of the runs: what a fresh sample of the data scores."""
    cautions: Sequence[str]
    same: Sequence[SameNumbers]
    """Factors and levels that change nothing of it."""
    seed_factors: Sequence[str]
    """Factors of grids whose effect changes from seed to seed."""
    margin: float | None
    """As in the study file; a share on the log scale; None but for the study's own metric."""
    is_paired: bool = True
    """Whether differences are by seed."""
    is_foreign: bool = False
    """Whether somebody else made the results: what was fixed before them nobody knows."""
    again: AATest | None = None
    """The baseline against itself on other seeds."""
    scope: Scope = Scope()
    margin_fixing: Fixing | None = None
    """Since when the margin has been what it is; None where that was not asked."""
    num_lost: Sequence[int] = ()
    """Of each cell: runs that it lost by itself, so that what is left flatters it."""
    at_worst: Sequence[Comparison] = ()
    """The comparisons with those runs as the table's worst; none where nothing was lost so."""
    pairs: AllPairs | None = None
    """All cells with each other, where the study asks for that: then none with a baseline."""
    pairs_at_worst: AllPairs | None = None
    """The pairs with lost runs as the table's worst; None where nothing was lost so."""
    is_judged: bool = True
    """Whether the study's verdicts are about it; else it is a further metric, and has none."""
    num_families: int = 1
    """Metrics whose verdicts are to hold all at once."""
    spread_within: str = ""
    """Spread over training seeds and over a run's evaluations, for people, where there are such."""
    widening: float = 1.0
    """What standard errors are multiplied by since splits vary with the seed, and overlap."""
    against: str = ""
    """What all cells are compared with; empty where they are compared with unlike ones, or none."""

    @property
    def told(self) -> str:
        """What its numbers are of, as every heading says it: `sliced_w2, final weights`."""
        return f"{printable(self.name)}, {self.value_text}"

    @property
    def directed(self) -> str:
        """The same with its direction: `sliced_w2 (lower is better), final weights`."""
        return directed(self.name, self.mode, self.ranked, self.value_text)

    @property
    def alone(self) -> Sequence[CellRecord]:
        """The cells that are compared with none: the design lacks their partners."""
        if self.pairs is not None:
            return []
        cells = enumerate(self.cells)
        return [cell for at, cell in cells if cell.reference == at and not cell.is_baseline]

    @property
    def has_baselines(self) -> bool:
        """Whether cells are compared with different ones."""
        if self.pairs is not None:
            return False
        cells = enumerate(self.cells)
        return len({cell.reference for at, cell in cells if cell.reference != at}) > 1


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What the runs were made with; several entries where they differ."""

    versions: Sequence[str]
    code: Sequence[str]
    devices: Sequence[str]
    started: datetime | None
    ended: datetime | None
    data: Sequence[str] = ()
    """Fingerprints of the rows that were trained on."""
    same_bits: bool = False
    """Whether the trainables promise the same numbers to the bit, by `shares_draws`."""
    snapshots: Sequence[str] | None = None
    """The copies of commands' code that are kept, by hash; None without any command."""


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """The results of a study, as far as its runs are done."""

    name: str
    question: str
    metric: MetricRecord
    further: Sequence[MetricRecord]
    factors: Sequence[str]
    seeds: Sequence[int | str]
    design: str
    """The design in words: cells, blocks, seeds."""
    notes: Sequence[str]
    """What the reader should know of how the study came about."""
    runs: Sequence[RunRecord]
    missing: Sequence[MissingRun]
    seconds: float
    """Training time of all runs together."""
    environment: Environment
    study_yaml: str
    """The study as last run."""
    incomparable: Mapping[str, Sequence[str]]
    """Of metrics that measure another thing from cell to cell: the config keys that make it so."""
    tracked_at: str = ""
    """The page of its runs in W&B, where they are online."""
    origin: str = ""
    """Where results come from that Ablate did not make."""
    cautions: Sequence[str] = ()
    """Those of the notes that mislead whoever does not read them."""
    command: str = ""
    """What gives the report again, where there is no study to run again."""
    compute: Compute | None = None
    settings: Settings = NO_SETTINGS
    """What its numbers are made with."""
    can_sample: bool = False
    """Whether samples of its runs can be made from their weights, and some were to be kept."""
    chosen_by: str = ""
    """By what runs choose their best weights, for people: `lowest val_loss`."""
    has_splits: bool = False
    """Whether each run splits the data by its seed."""

    @property
    def scope(self) -> str:
        """What its verdicts are of, in one line; empty where nobody says."""
        return self.metric.scope.line

    history: AnalysisHistory | None = None
    """What was fixed beforehand; None where that was not asked."""

    @property
    def metrics(self) -> Sequence[MetricRecord]:
        """The metric that the verdicts are about, then the further ones."""
        return (self.metric, *self.further)


Rows = Mapping[str, Mapping[str, Any]]
"""The ledger's rows by run id."""
