"""study -> plan: cells x seeds as runs, with their ids, names and order. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ablate.commands.notes import command_notes
from ablate.dotted import copied, value_at, with_key
from ablate.functions.signature import names_are_checked
from ablate.identity import canonical_json, content_id, difference
from ablate.plan.endings import never_ending_note
from ablate.plan.idle_keys import idle_notes
from ablate.plan.names import unique_names
from ablate.plan.planned_block import PlannedBlock
from ablate.plan.resolved import resolved_of, volatile_notes
from ablate.plan.stop_rule import StopRule
from ablate.plan.trainings import Run, trainings_of
from ablate.plan.twins import twin_notes, twins_of
from ablate.process.gc_pause import gc_paused
from ablate.run_row import Value
from ablate.spec.combinations import Choices
from ablate.spec.config_keys import base_notes, unchecked_notes
from ablate.spec.design import (
    UNPLACED,
    Cell,
    DesignBlock,
    blocks_of,
    factors_of,
    hashed_config,
)
from ablate.spec.environment import expand
from ablate.spec.models import AA_SEED_OFFSET, Factor, Study
from ablate.spec.selection import Selection
from ablate.spec.trainables import Trainables, find_trainables
from ablate.text import some
from ablate.trainable.contract import Mode
from ablate.trainable.joint_model import JointModel
from ablate.trainable.registry import TrainableEntry


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that a study asks for, in the order in which it is run."""

    study: Study
    trainables: Trainables
    cells: Sequence[Cell]
    blocks: Sequence[PlannedBlock]
    seeds: tuple[int, ...]
    runs: Sequence[Run]
    aa_cell: Cell | None = None
    """The baseline on other seeds (A/A), if the study asks for it."""
    is_smoke: bool = False
    """Whether runs end after two steps, to test that they start and end at all."""
    seeding: str = ""
    """What a seed rule decided, and why."""
    seeds_decided: bool = False
    """Whether such a rule has had the results that it needs."""
    data_fingerprints: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the data of runs that were checked, by run id: who trains them must read the same."""
    origin: str = ""
    """Where results come from that Ablate did not make: then `runs` are those that are there."""
    values_told: Mapping[str, str] = field(default_factory=dict[str, str])
    """By metric, which value of a run such results are, for people: `last value`, `at step 500`;
    without those of which nobody says it."""

    @property
    def entries(self) -> tuple[TrainableEntry, ...]:
        """The trainables of its cells, each once."""
        return self.trainables.each

    @property
    def model(self) -> JointModel:
        """What their config models say together."""
        return self.trainables.model

    def mode(self, metric: str) -> Mode:
        """Whether lower or higher values of a metric are better."""
        return self.model.mode(metric, self.study.metric, self.study.mode)

    def design_of(self, cell: Cell) -> DesignBlock:
        """The block of the design that a cell is of."""
        designed = blocks_of(self.study, self.trainables)
        planned = zip(self.blocks, designed, strict=True)
        return next((b for own, b in planned if cell.index in own.members), designed[0])

    @property
    def choice(self) -> tuple[str, Mode] | None:
        """The metric by which runs choose their best weights, and its mode."""
        metric = self.model.selected_by
        if metric is None or metric == self.study.metric:
            return None if metric is None else (metric, self.study.mode)
        return metric, self.model.metric(metric).mode

    @cached_property
    def selection(self) -> Selection:
        """By what runs choose their best weights and end early."""
        blocks = [[self.cells[member] for member in block.near_baseline] for block in self.blocks]
        return Selection(self.model, self.study.value, blocks)

    @property
    def value(self) -> Value:
        """Which of a run's values of a metric is its result."""
        return self.selection.value

    @property
    def is_paired(self) -> bool:
        """Whether runs of one seed have something in common: differences are then by seed."""
        return self.study.pairs_seeds(by_default=self.model.shares_draws)

    @property
    def baseline(self) -> Cell:
        """The first cell that others are compared with: the one that is run again (A/A)."""
        return self.cells[self.blocks[0].baseline]

    @cached_property
    def baselines(self) -> frozenset[int]:
        """Positions of the cells that others are compared with."""
        return frozenset(cell for block in self.blocks for cell in block.baselines)

    @cached_property
    def alone(self) -> tuple[int, ...]:
        """Positions of the cells that are compared with none: the plan lacks their partners."""
        own = (cell for cell, reference in enumerate(self.references) if cell == reference)
        return tuple(cell for cell in own if cell not in self.baselines)

    @cached_property
    def notes(self) -> Sequence[str]:
        """Notes about the plan that do not depend on the data."""
        known = [(cell, self.training_of(cell)) for cell in self.cells]
        cells = [cell for cell, training in known if training is not None]
        trainings = [[c.entry.name, training] for c, training in known if training is not None]
        return [*self.base_notes, *twin_notes(twins_of(cells, trainings))]

    def training_of(self, cell: Cell) -> Mapping[str, Any] | None:
        """What a cell trains, equal for the same training; None where nobody says."""
        resolved = resolved_of(self.study, cell, cell.config)
        return cell.model.same_training(cell.validated) if resolved is None else resolved

    def are_twins(self, cells: Sequence[int]) -> bool:
        """Whether their trainable says of cells that they train the same thing."""
        own = [self.cells[cell] for cell in cells]
        trainings = [self.training_of(cell) for cell in own]
        if None in trainings or len({cell.entry.name for cell in own}) > 1:
            return False
        return len(set(map(canonical_json, trainings))) == 1

    @cached_property
    def base_notes(self) -> Sequence[str]:
        """How the study is read, where somebody may have meant another thing."""
        notes = [
            *self.notes_on_baselines,
            *self.selection.early_ends,
            *self.selection.chosen_weights,
            *filter(None, [self._note_on_direction]),
            *idle_notes(self.cells),
            *base_notes(self.trainables.own.config_model().model, self.study.base),
        ]
        entries = zip(self.study.blocks, self.trainables.of_blocks, strict=True)
        for index, (block, entry) in enumerate(entries):
            notes += base_notes(entry.config_model().model, block.base, f"blocks[{index}].")
        for entry in self.entries:
            notes += filter(None, [never_ending_note(self.study, entry)])
            if entry.command is not None:
                notes += command_notes(entry.command)
            elif not self._checks_names(entry):
                notes += unchecked_notes(entry.config_model().model, entry.name)
        notes += volatile_notes(self.study)
        return notes

    def _checks_names(self, entry: TrainableEntry) -> bool:
        """Whether a function's own parameters are the keys that there may be."""
        configs = (cell.config for cell in self.cells if cell.entry == entry)
        return entry.is_function and names_are_checked(entry.load_function(), configs)

    @property
    def _note_on_direction(self) -> str:
        """That the study says otherwise than its metric, or that neither says anything."""
        metric, mode = self.study.metric, self.study.mode
        declared = self.model.modes(metric) - {mode}
        if not self.model.metric(metric).ranks:
            is_own = any(metric in dict(each.of_study) for each in self.model.models)
            return is_own * (f"{metric} has no direction, so no cell is better by it: where one "
                             "is, write mode: min or mode: max")  # fmt: skip
        if not declared:
            return ""
        return (
            f"mode: {mode} is what verdicts go by, although {metric} itself is declared with "
            f"mode {' and '.join(sorted(declared))}: drop mode if that is not meant"
        )

    @property
    def notes_on_baselines(self) -> list[str]:
        """Which cells have nothing to be compared with."""
        if not self.alone or self.study.compares_pairs:
            return []
        return [alone_note([self.cells[cell].name for cell in self.alone])]

    @cached_property
    def factors(self) -> dict[str, Factor]:
        """The factors of all blocks by name."""
        return factors_of(self.blocks)

    @cached_property
    def references(self) -> tuple[int, ...]:
        """The cell that each cell is compared with; itself for a baseline, and of cells `alone`.

        For a cell in several blocks, the first in which it is compared with another counts.
        """
        references = list(range(len(self.cells)))
        for block in reversed(self.blocks):
            for member, reference in zip(block.members, block.references, strict=True):
                if reference not in (None, member):
                    references[member] = reference
        return tuple(references)

    @cached_property
    def compared(self) -> tuple[bool, ...]:
        """Whether each cell's comparison with its baseline was planned."""
        alone = set(self.alone)
        if self.study.compare is None:
            return tuple(cell not in alone for cell in range(len(self.cells)))
        planned = Choices(self.study.planned_comparisons)
        return tuple(
            number not in alone and planned.hold(cell.levels)
            for number, cell in enumerate(self.cells)
        )

    @cached_property
    def trained(self) -> tuple[str, ...]:
        """What each cell trains, all but the seed, as an id: two names of one thing have one."""
        defaults = {entry.name: entry.config_model().defaults for entry in self.entries}
        return tuple(
            content_id([
                cell.entry.name,
                difference(hashed_config(cell.model, cell.config), defaults[cell.entry.name]),
                *filter(None, [resolved_of(self.study, cell, cell.config)]),
            ])
            for cell in self.cells
        )  # fmt: skip

    @cached_property
    def by_id(self) -> dict[str, Run]:
        """Runs by id."""
        return {run.run_id: run for run in self.runs}

    @cached_property
    def runs_of(self) -> dict[int, dict[int, Run]]:
        """Runs by the index of their cell and by seed."""
        runs: dict[int, dict[int, Run]] = {}
        for run in self.runs:
            runs.setdefault(run.cell.index, {})[run.seed] = run
        return runs

    def tracks_itself(self, run: Run) -> bool:
        """Whether a run's script brings it to W&B, so that Ablate does not."""
        return self.study.tracking.runs == "script" and run.cell.entry.command is not None

    @cached_property
    def stop_rule(self) -> StopRule:
        """When the study ends runs, beside what their trainables say."""
        return StopRule.of(self.study, self.model)

    def split_of(self, run: Run) -> int | None:
        """What tells a run's split from the others' of its cell; None where there is one."""
        return None if self.study.split_seed is None else run.seed

    def launch_config(self, run: Run) -> dict[str, Any]:
        """A run's config with absolute paths, for the worker, which runs in another directory."""
        config: dict[str, Any] = copied(run.config)
        for key in run.cell.model.paths:
            path = value_at(config, key)
            if isinstance(path, str):
                is_local = "://" not in path
                whole = str(self.study.path(path)) if is_local else expand(path)
                config = with_key(config, key, whole)
        return config


@gc_paused()
def plan_study(
    study: Study,
    names: Mapping[str, str] | None = None,
    seeds: Sequence[int] | None = None,
    is_smoke: bool = False,
    trainables: Trainables | None = None,
) -> Plan:
    """Plans a study: every cell with its seeds, replicate by replicate.

    Args:
        study: A checked study.
        names: Names that runs already have in the ledger, by run id.
        seeds: The seeds, if a rule has decided how many; by default the study's first ones.
        is_smoke: Whether runs end after two steps.
        trainables: What is known of the trainables, where nobody can look them up.

    Returns:
        The plan; the order is seed by seed, so that a study stopped early is still balanced.

    Raises:
        InputError: If the trainable is unknown.
    """
    trainables = trainables or _trainables_of(study)
    all_seeds = tuple(study.first_seeds if seeds is None else seeds)
    split_key = trainables.model.split_key if study.split_seed else None
    trainings, blocks = trainings_of(study, blocks_of(study, trainables), is_smoke)
    cells = [training.cell for training in trainings]
    baseline = cells[blocks[0].baseline]
    aa_cell = replace(baseline, is_aa=True, index=UNPLACED) if study.aa else None
    of_baselines = set(study.seeds_of(True) if seeds is None else seeds)
    of_others = set(study.seeds_of(False) if seeds is None else seeds)
    baselines = {cell for block in blocks for cell in block.baselines}
    asked = [of_baselines if cell.index in baselines else of_others for cell in cells]
    runs: list[Run] = []
    for seed in all_seeds:
        runs += [
            training.run(training.cell, seed, split_key)
            for training, own_seeds in zip(trainings, asked, strict=True)
            if seed in own_seeds
        ]
        if aa_cell is not None and seed in of_baselines:
            again = trainings[blocks[0].baseline]
            runs.append(again.run(aa_cell, seed + AA_SEED_OFFSET, split_key))
    final = unique_names([(run.run_id, run.run_name) for run in runs], names or {})
    named = [replace(run, run_name=name) for run, name in zip(runs, final, strict=True)]
    return Plan(
        study=study, trainables=trainables, cells=cells, blocks=blocks, seeds=all_seeds,
        runs=named, aa_cell=aa_cell, is_smoke=is_smoke,
    )  # fmt: skip


def alone_note(names: Sequence[str]) -> str:
    """Which cells are compared with none, and why."""
    told = "there is no cell with the baseline's levels that is otherwise the same"
    return f"not compared: {some(names, between='; ')}: {told}"


def _trainables_of(study: Study) -> Trainables:
    found = find_trainables(study)
    if isinstance(found, list):
        raise study.refusal(found)
    return found
