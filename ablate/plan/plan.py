"""study -> plan: cells x seeds as runs, with their ids, names and order. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ablate.dotted import copied, value_at, with_key
from ablate.errors import Problem
from ablate.identity import canonical_json, content_id, difference
from ablate.plan.planned_block import PlannedBlock, planned_block
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
    plain_config,
)
from ablate.spec.models import AA_SEED_OFFSET, Factor, Study
from ablate.spec.selection import Selection
from ablate.study_dir import MAX_NAME, file_name
from ablate.text import some
from ablate.trainable.config_model import ConfigModel
from ablate.trainable.contract import Mode
from ablate.trainable.registry import TrainableEntry, find_trainable


@dataclass(frozen=True, kw_only=True)
class Run:
    """One cell with one seed: the unit of work and of result."""

    run_id: str
    run_name: str
    seed: int
    cell: Cell
    config: Mapping[str, Any]
    """Resolved, as hashed; in `launch_config` its paths are absolute."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that a study asks for, in the order in which it is run."""

    study: Study
    entry: TrainableEntry
    model: ConfigModel
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
    origin: str = ""
    """Where results come from that Ablate did not make: then `runs` are those that are there."""
    values_told: Mapping[str, str] = field(default_factory=dict[str, str])
    """By metric, which value of a run such results are, for people: `last value`, `at step 500`;
    without those of which nobody says it."""

    def mode(self, metric: str) -> Mode:
        """Whether lower or higher values of a metric are better."""
        of_its_own = metric != self.study.metric and metric in self.model.metrics
        return self.model.metric(metric).mode if of_its_own else self.study.mode

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
        trainings = [self.model.same_training(cell.validated) for cell in self.cells]
        if None in trainings:
            return self.base_notes
        return [*self.base_notes, *twin_notes(twins_of(self.cells, trainings))]

    def are_twins(self, cells: Sequence[int]) -> bool:
        """Whether the trainable says of cells that they train the same thing."""
        trainings = [self.model.same_training(self.cells[cell].validated) for cell in cells]
        return None not in trainings and len(set(map(canonical_json, trainings))) == 1

    @cached_property
    def base_notes(self) -> Sequence[str]:
        """How the study is read, where somebody may have meant another thing."""
        notes = [
            *self.notes_on_baselines,
            *self.selection.early_ends,
            *self.selection.chosen_weights,
            *base_notes(self.model.model, self.study.base),
        ]
        for index, block in enumerate(self.study.blocks):
            notes += base_notes(self.model.model, block.base, f"blocks[{index}].")
        return [*notes, *unchecked_notes(self.model.model, self.entry.name)]

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
        defaults = self.model.defaults
        configs = [hashed_config(self.model, cell.config) for cell in self.cells]
        return tuple(content_id([self.entry.name, difference(c, defaults)]) for c in configs)

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

    def split_of(self, run: Run) -> int | None:
        """What tells a run's split from the others' of its cell; None where there is one."""
        return None if self.study.split_seed is None else run.seed

    def launch_config(self, run: Run) -> dict[str, Any]:
        """A run's config with absolute paths, for the worker, which runs in another directory."""
        config: dict[str, Any] = copied(run.config)
        for key in self.model.paths:
            path = value_at(config, key)
            if isinstance(path, str) and "://" not in path:
                config = with_key(config, key, str(self.study.path(path)))
        return config


@gc_paused()
def plan_study(
    study: Study,
    names: Mapping[str, str] | None = None,
    seeds: Sequence[int] | None = None,
    is_smoke: bool = False,
    entry: TrainableEntry | None = None,
) -> Plan:
    """Plans a study: every cell with its seeds, replicate by replicate.

    Args:
        study: A checked study.
        names: Names that runs already have in the ledger, by run id.
        seeds: The seeds, if a rule has decided how many; by default the study's first ones.
        is_smoke: Whether runs end after two steps.
        entry: What is known of the trainable, where nobody can look it up.

    Returns:
        The plan; the order is seed by seed, so that a study stopped early is still balanced.

    Raises:
        InputError: If the trainable is unknown.
    """
    entry = entry or _entry_of(study)
    model = entry.config_model()
    all_seeds = tuple(study.first_seeds if seeds is None else seeds)
    over = model.smoke if is_smoke and model.smoke else {}
    split_key = model.split_key if study.split_seed else None
    trainings, blocks = _trainings(blocks_of(study, model), model, entry.name, over)
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
    named = _named(runs, names or {})
    return Plan(
        study=study, entry=entry, model=model, cells=cells, blocks=blocks, seeds=all_seeds,
        runs=named, aa_cell=aa_cell, is_smoke=is_smoke,
    )  # fmt: skip


def alone_note(names: Sequence[str]) -> str:
    """Which cells are compared with none, and why."""
    told = "there is no cell with the baseline's levels that is otherwise the same"
    return f"not compared: {some(names, between='; ')}: {told}"


def _entry_of(study: Study) -> TrainableEntry:
    found = find_trainable(study.trainable)
    if isinstance(found, Problem):
        raise study.refusal([found])
    return found


@dataclass(frozen=True)
class _Training:
    """What the runs of a cell train, except their seeds."""

    cell: Cell
    config: dict[str, Any]
    content: dict[str, Any]

    def run(self, cell: Cell, seed: int, split_key: str | None) -> Run:
        """A cell with a seed, which also decides the split where it has a key of the config."""
        content, config = {**self.content, "seed": seed}, self.config
        if split_key is not None:
            content["split_seed"] = "with_seed"
            config = with_key(config, split_key, seed)
        name = _run_name(cell, seed)
        return Run(run_id=content_id(content), run_name=name, seed=seed, cell=cell, config=config)


def _trainings(
    blocks: Sequence[DesignBlock],
    model: ConfigModel,
    trainable: str,
    over: Mapping[str, Any],
) -> tuple[list[_Training], list[PlannedBlock]]:
    """The cells of all blocks, without duplicates, and the blocks."""
    trainings: list[_Training] = []
    position: dict[str, int] = {}
    planned: list[PlannedBlock] = []
    defaults = model.defaults
    for block in blocks:
        members: list[int] = []
        for designed in block.cells:
            cell = designed.placed(len(trainings))
            config = cell.config
            if over:
                config = plain_config(model.validate({**cell.written_config(), **over}))
            content = _content(model, trainable, config, defaults)
            at = position.setdefault(canonical_json(content), len(trainings))
            if at == len(trainings):
                trainings.append(_Training(cell, config, content))
            else:  # the same cell, with the labels of all its blocks
                own = trainings[at].cell.levels
                levels = {**own, **{n: v for n, v in cell.levels.items() if n not in own}}
                trainings[at] = replace(
                    trainings[at], cell=replace(trainings[at].cell, levels=levels)
                )
            members.append(at)
        planned.append(planned_block(block, members))
    return trainings, planned


def _content(
    model: ConfigModel,
    trainable: str,
    config: dict[str, Any],
    defaults: Mapping[str, Any],
) -> dict[str, Any]:
    """What a run's identity consists of, except its seed."""
    return {
        "trainable": trainable,
        "version": model.version,
        "config": difference(hashed_config(model, config), defaults),
    }


def _run_name(cell: Cell, seed: int) -> str:
    """`mlp-otcfm-s42`; numbers, booleans and null with their key: `mlp-lr=0.001-s42`."""
    parts = [
        level.label if isinstance(level.label, str) else f"{name.split('.')[-1]}={level.text}"
        for name, level in cell.levels.items()
    ]
    if cell.block:
        parts.insert(0, cell.block)
    return "-".join([*map(file_name, parts), f"s{seed}"])


def _named(runs: Sequence[Run], names: Mapping[str, str]) -> list[Run]:
    """Runs with names that are unique in the study, and those in the ledger unchanged."""
    taken = set(names.values())
    named: list[Run] = []
    for run in runs:
        name = names.get(run.run_id)
        if name is None:
            name = run.run_name
            if name in taken or len(name) > MAX_NAME:
                name = f"{name[: MAX_NAME - 10]}-{run.run_id[:8]}"
            taken.add(name)
        named.append(replace(run, run_name=name))
    return named
