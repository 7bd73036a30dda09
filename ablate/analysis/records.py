"""What a report says, before anything is rendered: plain records, the same for every renderer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ablate.analysis.arrays import Values
from ablate.run_row import Status
from ablate.stats.aa_test import AATest
from ablate.stats.effects import Effects
from ablate.stats.spread import Spread
from ablate.stats.verdicts import Comparison, Comparisons


@dataclass(frozen=True)
class Note:
    """What is to be read beside a table."""

    text: str
    is_caution: bool = False
    """Whether who does not read it may be misled."""

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
class CellRecord:
    """One row of the ablation table."""

    name: str
    block: str
    """Where its block has a base of its own, the block's name."""
    labels: Mapping[str, str]
    """Of each factor that applies, for people."""
    is_baseline: bool
    reference: int
    """Position of the cell that it is compared with; its own for a baseline."""
    num_planned: int
    value: Spread
    comparison: Comparison


@dataclass(frozen=True, kw_only=True)
class BlockRecord:
    """What the factors of one block do, each over all the others."""

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


@dataclass(frozen=True, kw_only=True)
class MetricRecord:
    """One metric, cell by cell."""

    name: str
    mode: Literal["min", "max"]
    ranked: bool
    """Whether lower or higher is better at all."""
    log_scale: bool
    """Whether differences are of logarithms: changes by a share."""
    values: Values
    """(num_cells, num_seeds), nan where a run is missing."""
    cells: Sequence[CellRecord]
    blocks: Sequence[BlockRecord]
    comparisons: Comparisons
    resolution: float
    """The smallest difference that this study can tell from noise: half an interval's width."""
    detectable: float
    """The difference that such a study finds four times in five; on the scale of comparison."""
    floor: tuple[float, float] | None
    """Lowest and highest `<metric>_floor` of the runs: what a fresh sample of the data scores."""
    cautions: Sequence[str]
    seed_factors: Sequence[str]
    """Factors of grids whose effect changes from seed to seed."""
    margin: float | None
    """As in the study file; a share on the log scale; None but for the study's own metric."""
    again: AATest | None = None
    """The baseline against itself on other seeds."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What the runs were made with; several entries where they differ."""

    versions: Sequence[str]
    code: Sequence[str]
    devices: Sequence[str]
    started: datetime | None
    ended: datetime | None


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """The results of a study, as far as its runs are done."""

    name: str
    question: str
    metric: MetricRecord
    further: Sequence[MetricRecord]
    factors: Sequence[str]
    seeds: Sequence[int]
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

    @property
    def metrics(self) -> Sequence[MetricRecord]:
        """The metric that the verdicts are about, then the further ones."""
        return (self.metric, *self.further)


Rows = Mapping[str, Mapping[str, Any]]
"""The ledger's rows by run id."""
