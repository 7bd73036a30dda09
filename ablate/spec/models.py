"""The study file as frozen models: its keys and their defaults."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    field_validator,
    model_validator,
)

from ablate.commands.spec import Command
from ablate.errors import AblateError, InputError, Problem
from ablate.identity import canonical_json
from ablate.run_row import AtStep
from ablate.spec.environment import expand
from ablate.spec.frozen import Bool, Frozen, Text
from ablate.spec.seeds import (
    Float,
    Int,
    SeedRule,
    Seeds,
    SeedsByRole,
    numbered_seeds,
    with_seeds_apart,
)
from ablate.spec.source import Source
from ablate.spec.tracking import Tracking
from ablate.text import printable, shortened

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Study names and level names become file names."""
AA_SEED_OFFSET = 1_000_000
"""Added to the study's seeds for the A/A cell, so that it uses seeds of its own."""


class Resources(Frozen):
    """What one trial needs from the cluster."""

    cpu: Annotated[Float, Field(ge=0)] = 1
    gpu: Annotated[Float, Field(ge=0)] = 0

    @field_validator("gpu")
    @classmethod
    def _whole_above_one(cls, gpu: float) -> float:
        if gpu > 1 and not float(gpu).is_integer():
            raise ValueError("above 1, GPUs come whole: write a fraction below 1 or an integer")
        return gpu

    @model_validator(mode="after")
    def _takes_something(self) -> Self:
        if not self.cpu and not self.gpu:
            raise ValueError("a trial needs a share of CPUs or GPUs: set cpu or gpu above 0")
        return self


MAX_LABEL = 200
"""Characters of a level's label where people read it."""


def text(label: Any) -> str:
    """A level's label as people read it."""
    plain = label if isinstance(label, str) else canonical_json(label).strip('"')
    return shortened(printable(plain), MAX_LABEL)


@dataclass(frozen=True)
class Level:
    """One value of a factor: its label, and the config keys (dotted) that it sets."""

    label: Any
    sets: Mapping[str, Any]

    @cached_property
    def key(self) -> str:
        """The label in a canonical form, independent of how a number was written."""
        return canonical_json(self.label)

    @cached_property
    def text(self) -> str:
        """The label as people read it."""
        return text(self.label)


@dataclass(frozen=True)
class Factor:
    """A knob and the values it takes."""

    name: str
    levels: tuple[Level, ...]
    named: bool

    def level(self, label: Any) -> Level | None:
        """The level with a label, or None."""
        return self.by_key.get(canonical_json(label))

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The config keys, dotted, that its levels set."""
        return tuple(dict.fromkeys(key for level in self.levels for key in level.sets))

    @cached_property
    def by_key(self) -> dict[str, Level]:
        """The levels by their keys."""
        return {level.key: level for level in reversed(self.levels)}

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The levels' labels as people read them."""
        return tuple(level.text for level in self.levels)

    def where(self, level: Level, key: str) -> str:
        """The place in the YAML where a level sets a config key, below its block."""
        if self.named:
            return f"factors.{self.name}.{level.label}.{key}"
        position = next(n for n, own in enumerate(self.levels) if own is level)
        return f"factors.{self.name}[{position}]"


def _kind_of(trainable: Any) -> str:
    return "<command>" if isinstance(trainable, Mapping | Command) else "<name>"


# Tags in angle brackets are not part of a key, see `ablate.spec.pydantic_problems`.
TrainableName = Annotated[
    Annotated[Text, Tag("<name>")] | Annotated[Command, Tag("<command>")],
    Discriminator(_kind_of),
]
"""A registered name, `module:Object`, or a command."""


AskedValue = Annotated[
    Annotated[Literal["best", "last"], Tag("<name>")] | Annotated[AtStep, Tag("<step>")],
    Discriminator(lambda value: "<step>" if isinstance(value, Mapping | AtStep) else "<name>"),
]


class _Question(Frozen):
    """The question of a study, and its metric."""

    study: Text
    question: Text = ""
    trainable: TrainableName = "flow_matching"
    metric: Text
    mode: Literal["min", "max"] = "min"
    value: AskedValue | None = None
    """Which of a run's values of a metric is its result: that of its best weights, the last one, or
    that at a step. By default the best where all cells choose it by a yardstick that they share."""
    report_metrics: tuple[Text, ...] = ()
    """Further metrics to report; one without a direction of its own has that of `metric`."""
    verdicts: Literal["metric", "all"] = "metric"
    """What is judged: the metric, or the further ones too, all adjusted for their number."""
    margin: Annotated[Float, Field(gt=0)] | None = None
    """Differences of the metric below this do not matter; fixed before the study is run."""
    log_scale: Bool = False
    """Compare ratios, as differences of logarithms; `margin` is then a share (0.05: 5 %)."""
    allow_incomparable: Bool = False

    @field_validator("study")
    @classmethod
    def _is_a_file_name(cls, name: str) -> str:
        return _file_name("names the study's directory", name)


class Block(Frozen):
    """Factors that are varied together, and which of their combinations are cells."""

    base: dict[str, Any] = Field(default_factory=dict)
    """The config that every run starts from; a block's is merged over the study's."""
    factors: dict[str, Any] = Field(default_factory=dict)
    baseline: dict[str, Any] = Field(default_factory=dict)
    """The levels that others are compared with, whatever those of the factors are that it does not
    name; by default the first of every factor, which is one cell for all."""
    design: Literal["grid", "one_at_a_time", "cells"] = "grid"
    cells: tuple[dict[str, Any], ...] = ()
    """For `design: cells`: the levels of each cell; omitted ones are the baseline's."""
    when: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Factors that apply only where others have certain levels: `gamma: {flow: si}`."""
    exclude: tuple[dict[str, Any], ...] = ()

    @property
    def factor_list(self) -> tuple[Factor, ...]:
        """The factors in the order of the YAML; raw shapes are checked by `ablate.spec.checks`."""
        return tuple(_factor(name, raw) for name, raw in self.factors.items())


class NamedBlock(Block):
    """A further block of a study."""

    name: Text | None = None
    trainable: TrainableName | None = None
    """The block's own trainable; its cells then start from the block's own base alone."""

    @field_validator("name")
    @classmethod
    def _is_a_file_name(cls, name: str | None) -> str | None:
        return None if name is None else _file_name("becomes part of run names", name)


class Study(Block, _Question):
    """One study: a question, a base config, the factors, the seeds."""

    blocks: tuple[NamedBlock, ...] = ()
    """Further blocks, each with factors of its own; cells that coincide are run once."""
    compare: tuple[dict[str, Any], ...] | Literal["pairs"] | None = None
    """The cells whose comparison with the baseline was planned, by levels; all by default. `pairs`:
    all cells with each other, and none with a baseline."""
    seeds: Seeds
    split_seed: Literal["with_seed"] | None = None
    """`with_seed`: each run splits the data by its seed, so that verdicts are over splits. Else all
    runs share the split that the config names."""
    pairing: Literal["seed", "none"] | None = None
    """Whether runs of one seed are compared with each other, or all runs of two cells; by default
    as the trainable says whether its runs share draws."""
    aa: Bool = False
    """Whether the baseline is also run on other seeds (A/A)."""
    resources: Resources = Resources()
    pack: Annotated[Int, Field(ge=1)] | Literal["auto"] = 1
    """The most runs of one shape per trial, if the trainable can train them as one."""
    retries: Annotated[Int, Field(ge=0)] = 2
    stop: dict[Text, Float] = Field(default_factory=dict)
    """Numbers of the results that end a run once one is reached: at least, as Tune's, and at most
    for a metric of the study of which lower is better. Part of a run's id."""
    time_limit_s: Annotated[Float, Field(gt=0)] | None = None
    """Training time of one run, over its attempts; one that takes longer fails for good."""
    max_concurrent: Annotated[Int, Field(ge=1)] | None = None
    """Trials at once at most, however many have room."""
    checkpoint_every_s: Annotated[Float, Field(ge=0)] = 10
    """Training time between checkpoints; longer if they are costly, unless it is 0."""
    on_code_change: Literal["keep", "rerun"] = "keep"
    tracking: Tracking = Tracking()
    trackers: tuple[Text, ...] = ()
    """Trackers beside W&B: names of installed ones, or `module:Class`."""
    storage: Text = "./studies"
    folder: Text | None = None
    """Relative paths start here; None is the folder in which the command is run."""
    _source: Source | None = PrivateAttr(None)
    _resolved: dict[str, Any] = PrivateAttr(default_factory=dict[str, Any])
    _kept_metrics: dict[str, Any] = PrivateAttr(default_factory=dict[str, Any])

    @model_validator(mode="before")
    @classmethod
    def _seeds_are_apart(cls, values: Any) -> Any:
        return with_seeds_apart(values) if isinstance(values, Mapping) else values

    def read_from(self, source: Source) -> Self:
        """The study, which knows where its keys are written."""
        study = self.model_copy()
        study._source = source
        return study

    @property
    def resolved(self) -> dict[str, Any]:
        """What `config_command` said of the configs of cells, see `ablate.plan.resolved`."""
        return self._resolved

    def resolved_as(self, resolved: Mapping[str, Any]) -> Self:
        """The study, with its configs resolved so; where nothing is said, they are asked for."""
        study = self.model_copy()
        study._resolved = dict(resolved)
        return study

    @property
    def kept_metrics(self) -> dict[str, Any]:
        """What its further metrics were when it was last run, see `ablate.spec.study_metrics`."""
        return self._kept_metrics

    def with_metrics(self, kept: Mapping[str, Any]) -> Self:
        """The study, with its further metrics so; where nothing is said, their code is asked."""
        study = self.model_copy()
        study._kept_metrics = dict(kept)
        return study

    def refusal(self, problems: Iterable[Problem]) -> InputError:
        """The error that tells mistakes of the study, with the places of their keys."""
        return (self._source or Source(self.study)).refusal(problems)

    @property
    def first_seeds(self) -> tuple[int, ...]:
        """The seeds that are always run."""
        if isinstance(self.seeds, SeedRule):
            return self.numbered(self.seeds.min)
        return self.seeds.all if isinstance(self.seeds, SeedsByRole) else self.seeds

    def numbered(self, number: int) -> tuple[int, ...]:
        """So many seeds, where nobody lists them."""
        commands = [isinstance(each.trainable, Command) for each in (self, *self.blocks)]
        return numbered_seeds(number, are_apart=any(commands))

    def seeds_of(self, is_baseline: bool) -> tuple[int, ...]:
        """The seeds that a cell is always run with."""
        if isinstance(self.seeds, SeedsByRole):
            return self.seeds.baseline if is_baseline else self.seeds.others
        return self.first_seeds

    def pairs_seeds(self, by_default: bool) -> bool:
        """Whether runs of one seed are compared with each other."""
        return by_default if self.pairing is None else self.pairing == "seed"

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metric that the verdicts are about, then the further ones."""
        return tuple(dict.fromkeys((self.metric, *self.report_metrics)))

    @property
    def judged_metrics(self) -> tuple[str, ...]:
        """Those that verdicts are about, to hold all at once."""
        return self.metrics if self.verdicts == "all" else (self.metric,)

    @property
    def compares_pairs(self) -> bool:
        """Whether all cells are compared with each other, and none with a baseline."""
        return self.compare == "pairs"

    @property
    def planned_comparisons(self) -> tuple[dict[str, Any], ...]:
        """The comparisons with the baseline that `compare` lists."""
        return self.compare if isinstance(self.compare, tuple) else ()

    def path(self, written: str) -> Path:
        """A path of the YAML as an absolute one, with its `${NAME}` from the environment."""
        try:
            expanded = Path(expand(written)).expanduser()
        except RuntimeError as error:
            raise AblateError(f"{written}: this home folder is unknown here; "
                              "write the path in full") from error  # fmt: skip
        return Path(expand(self.folder) if self.folder else Path.cwd(), expanded).resolve()

    @property
    def directory(self) -> Path:
        """The study directory."""
        return self.path(self.storage) / self.study


def _file_name(use: str, name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{use}, so it starts with a letter or digit and holds only letters, digits, "
            "'.', '_' and '-'"
        )
    return name


def _factor(name: str, raw: Any) -> Factor:
    if isinstance(raw, Mapping):
        levels = tuple(Level(label, dict(sets)) for label, sets in raw.items())
        return Factor(name, levels, named=True)
    return Factor(name, tuple(Level(value, {name: value}) for value in raw), named=False)
