"""The seeds of a study: listed, counted, by a rule, or more for the baselines than for others."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Strict,
    Tag,
    model_validator,
)

from ablate.commands.spec import Command
from ablate.spec.frozen import Frozen

Int = Annotated[int, Strict()]
Float = Annotated[float, Strict()]


class Until(Frozen):
    """When a study has enough seeds."""

    half_width: Annotated[Float, Field(gt=0)]
    """Of the interval of every comparison, in units of the metric."""


MOST_SEEDS = 10_000
APART = 1_000
"""Between numbered seeds of commands: a script adds its processes' ranks to its seed."""


def numbered_seeds(number: int, are_apart: bool) -> tuple[int, ...]:
    """The seeds 0, 1, 2, ..., or 0, 1000, 2000, ... where a study has commands."""
    step = APART if are_apart else 1
    return tuple(range(0, number * step, step))


class SeedRule(Frozen):
    """As many seeds as intervals of a given width need; see `ablate.stats.replication`."""

    min: Annotated[Int, Field(ge=2, le=MOST_SEEDS)] = 3
    """Seeds of the first stage, which measures how much runs vary."""
    max: Annotated[Int, Field(ge=2, le=MOST_SEEDS)]
    until: Until

    @model_validator(mode="after")
    def _min_is_not_above_max(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}: raise max")
        return self


def _count(seeds: Any) -> Any:
    """Turns a number of seeds into the seeds 0, 1, 2, ..."""
    if not isinstance(seeds, int) or isinstance(seeds, bool):
        return seeds
    if not 1 <= seeds <= MOST_SEEDS:
        raise ValueError(f"a number of seeds is between 1 and {MOST_SEEDS}")
    return numbered_seeds(seeds, are_apart=False)


SeedList = Annotated[
    tuple[Annotated[Int, Field(ge=0, lt=2**32)], ...],
    Field(min_length=1),
    BeforeValidator(_count),
]
"""Seeds, or how many."""


class SeedsByRole(Frozen):
    """Seeds of the baselines, and those of the other cells: which often are fewer."""

    baseline: SeedList
    others: SeedList

    @property
    def all(self) -> tuple[int, ...]:
        """Each seed once."""
        return tuple(dict.fromkeys((*self.baseline, *self.others)))

    @model_validator(mode="after")
    def _share_one(self) -> Self:
        if not set(self.baseline) & set(self.others):
            raise ValueError("baseline and others share no seed: let the shorter list be of the "
                             "longer one's seeds")  # fmt: skip
        return self


def _kind(seeds: Any) -> str:
    if isinstance(seeds, SeedsByRole):
        return "<roles>"
    if isinstance(seeds, Mapping):
        return "<roles>" if SeedsByRole.model_fields.keys() & seeds else "<rule>"
    return "<rule>" if isinstance(seeds, SeedRule) else "<list>"


# Tags in angle brackets are not part of a key, see `ablate.spec.pydantic_problems`.
Seeds = Annotated[
    Annotated[SeedList, Tag("<list>")]
    | Annotated[SeedRule, Tag("<rule>")]
    | Annotated[SeedsByRole, Tag("<roles>")],
    Discriminator(_kind),
]


def with_seeds_apart(study: Mapping[str, Any]) -> Mapping[str, Any]:
    """A study, as read, with its numbers of seeds counted in steps if it has commands."""
    blocks = study.get("blocks")
    every = [study, *(blocks if isinstance(blocks, list | tuple) else [])]
    trainables = [each.get("trainable") for each in every if isinstance(each, Mapping)]
    if not any(isinstance(each, Mapping | Command) for each in trainables):
        return study
    seeds = study.get("seeds")
    if isinstance(seeds, Mapping):
        roles = {name: _apart(seeds[name]) for name in SeedsByRole.model_fields if name in seeds}
        return {**study, "seeds": {**seeds, **roles}}
    return {**study, "seeds": _apart(seeds)} if "seeds" in study else study


def _apart(seeds: Any) -> Any:
    is_number = isinstance(seeds, int) and not isinstance(seeds, bool)
    return numbered_seeds(seeds, True) if is_number and 1 <= seeds <= MOST_SEEDS else seeds
