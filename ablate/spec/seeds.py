"""The seeds of a study: listed, counted, by a rule, or more for the baselines than for others."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    Tag,
    model_validator,
)

Int = Annotated[int, Strict()]
Float = Annotated[float, Strict()]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Until(_Frozen):
    """When a study has enough seeds."""

    half_width: Annotated[Float, Field(gt=0)]
    """Of the interval of every comparison, in units of the metric."""


MOST_SEEDS = 10_000


class SeedRule(_Frozen):
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
    return tuple(range(seeds))


SeedList = Annotated[
    tuple[Annotated[Int, Field(ge=0, lt=2**32)], ...],
    Field(min_length=1),
    BeforeValidator(_count),
]
"""Seeds, or how many."""


class SeedsByRole(_Frozen):
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
