"""What a row of an ingredient's table says, and how a config names one: free of torch.

An ingredient is a row of a table (`flows`, `augmentations`, `shapes`, `data_config`,
`metrics_table`) beside one function. The function gets the knobs that its row declares and nothing
else of the config: one that needs a knob which is not declared fails at its first call, instead of
training on numbers that two runs share by mistake (`sharing`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, Strict
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

Int = Annotated[int, Strict()]
Float = Annotated[float, Strict()]


class Keys(BaseModel):
    """Some keys of a config, declared beside the table of the ingredients that they belong to."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True, eq=False)  # a row is itself alone
class Ingredient:
    """What the rows of all tables have in common."""

    knobs: tuple[str, ...] = ()
    """Keys that do nothing without this ingredient, or one of its kind that has them too."""
    refuses: Mapping[str, str] = field(default_factory=dict[str, str])
    """Keys that must be left at their defaults beside it, and what to say where one is not:
    `{value}` is its value. The sentence begins with the ingredient's name."""

    def values(self, config: BaseModel) -> dict[str, Any]:
        """The knobs of a config that are this ingredient's."""
        return {knob: getattr(config, knob) for knob in self.knobs}

    def refusals(self, config: BaseModel) -> list[str]:
        """What is wrong with a config that names this ingredient."""
        if not self.refuses:
            return []
        fields = type(config).model_fields
        return [
            said.format(value=getattr(config, key))
            for key, said in self.refuses.items()
            if getattr(config, key) != fields[key].default
        ]


@dataclass(frozen=True)
class NameIn:
    """A key's value is a name in a table, as the table is when a config is read."""

    table: Mapping[str, Any]

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The check as pydantic runs it."""
        return core_schema.no_info_plain_validator_function(self._check)

    def _check(self, written: Any) -> str:
        if isinstance(written, str) and written in self.table:
            return written
        *names, last = map(repr, self.table)
        expected = f"{', '.join(names)} or {last}" if names else last
        raise PydanticKnownError("literal_error", {"expected": expected})
