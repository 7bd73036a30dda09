"""The study file as frozen models: what a researcher may write, with its defaults."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, field_validator

from ablate.identity import canonical_json

Int = Annotated[int, Strict()]
Float = Annotated[float, Strict()]
Text = Annotated[str, Strict()]
Bool = Annotated[bool, Strict()]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Study names and level names become file names."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Resources(_Frozen):
    """What one trial takes of the cluster."""

    cpu: Annotated[Float, Field(ge=0)] = 1
    gpu: Annotated[Float, Field(ge=0)] = 0

    @field_validator("gpu")
    @classmethod
    def _whole_above_one(cls, gpu: float) -> float:
        if gpu > 1 and not float(gpu).is_integer():
            raise ValueError("above 1, GPUs come whole: write a fraction below 1 or an integer")
        return gpu


class Tracking(_Frozen):
    """Where the runs appear in Weights & Biases."""

    project: Text | None = None
    entity: Text | None = None
    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    tags: tuple[Text, ...] = ()


@dataclass(frozen=True)
class Level:
    """One value of a factor: its label, and the config keys (dotted) that it sets."""

    label: Any
    sets: Mapping[str, Any]

    @cached_property
    def key(self) -> str:
        """The label in a form that does not depend on how a number was written."""
        return canonical_json(self.label)


@dataclass(frozen=True)
class Factor:
    """A knob and the values it takes."""

    name: str
    levels: tuple[Level, ...]
    named: bool

    def level(self, label: Any) -> Level | None:
        """The level with a label, or None."""
        key = canonical_json(label)
        return next((level for level in self.levels if level.key == key), None)

    def where(self, level: Level, key: str) -> str:
        """The place in the YAML where a level sets a config key."""
        if self.named:
            return f"factors.{self.name}.{level.label}.{key}"
        return f"factors.{self.name}[{self.levels.index(level)}]"


class Study(_Frozen):
    """One study: a question, a base config, the factors, the seeds."""

    study: Text
    question: Text = ""
    trainable: Text = "flow_matching"
    metric: Text
    mode: Literal["min", "max"] = "min"
    margin: Annotated[Float, Field(gt=0)] | None = None
    """Differences of the metric smaller than this do not matter; fixed before the study is run."""
    allow_incomparable: Bool = False
    base: dict[str, Any] = {}
    factors: dict[str, Any] = {}
    baseline: dict[str, Any] = {}
    design: Literal["grid"] = "grid"
    seeds: tuple[Annotated[Int, Field(ge=0)], ...] = Field(min_length=1)
    exclude: tuple[dict[str, Any], ...] = ()
    resources: Resources = Resources()
    retries: Annotated[Int, Field(ge=0)] = 2
    checkpoint_every_s: Annotated[Float, Field(ge=0)] = 10
    on_code_change: Literal["keep", "rerun"] = "keep"
    tracking: Tracking = Tracking()
    storage: Text = "./studies"
    folder: Text | None = None
    """Relative paths start here; None is the folder that the command is run in."""

    @field_validator("study")
    @classmethod
    def _is_a_file_name(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise ValueError(
                "names the study's directory, so it starts with a letter or digit and holds only "
                "letters, digits, '.', '_' and '-'"
            )
        return name

    @property
    def factor_list(self) -> tuple[Factor, ...]:
        """The factors in the order of the YAML; raw shapes are checked by `ablate.checks`."""
        return tuple(_factor(name, raw) for name, raw in self.factors.items())

    def path(self, written: str) -> Path:
        """A path of the YAML as an absolute one."""
        return Path(self.folder or Path.cwd(), Path(written).expanduser()).resolve()

    @property
    def directory(self) -> Path:
        """The study directory."""
        return self.path(self.storage) / self.study


def _factor(name: str, raw: Any) -> Factor:
    if isinstance(raw, Mapping):
        levels = tuple(Level(label, dict(sets)) for label, sets in raw.items())
        return Factor(name, levels, named=True)
    return Factor(name, tuple(Level(value, {name: value}) for value in raw), named=False)
