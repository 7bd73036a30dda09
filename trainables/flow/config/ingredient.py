"""Rows of the ingredient tables, and how a config refers to one; torch-free.

An ingredient is a row of a table (`flows`, `augmentations`, `shapes`, `data`, `metrics`) beside one
function. The function gets only the knobs that its row declares: one that needs an undeclared knob
fails on its first call, instead of training on numbers that two runs share by mistake (`sharing`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, Strict
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from trainables.flow.config.elsewhere import installed_names, is_reference

Int = Annotated[int, Strict()]
Float = Annotated[float, Strict()]


class Keys(BaseModel):
    """Keys of a config, declared beside the table of their ingredients."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True, eq=False)  # a row equals only itself
class Ingredient:
    """What the rows of all tables have in common."""

    knobs: tuple[str, ...] = ()
    """Keys that do nothing without this ingredient, or another of its table that has them too."""
    refuses: Mapping[str, str] = field(default_factory=dict[str, str])
    """Keys that must be at their defaults with it, and the message otherwise, which follows the
    ingredient's name; `{value}` is the key's value."""

    def values(self, config: BaseModel) -> dict[str, Any]:
        """The knobs of a config that are this ingredient's."""
        return {knob: getattr(config, knob) for knob in self.knobs}

    def refusals(self, config: BaseModel) -> list[str]:
        """What is wrong with a config that names this ingredient."""
        if not self.refuses:
            return []
        fields = type(config).model_fields
        return [
            sentence.format(value=getattr(config, key))
            for key, sentence in self.refuses.items()
            if getattr(config, key) != fields[key].default
        ]


@dataclass(frozen=True, eq=False)  # equal to itself: a table has no hash
class NameIn:
    """A key whose value is a name in a table, as it stands when the config is read.

    Attributes:
        table: The built-in ingredients.
        key: The config key, where ingredients from elsewhere may be named, too.
    """

    table: Mapping[str, Any]
    key: str = ""

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The check as pydantic runs it."""
        return core_schema.no_info_plain_validator_function(self._check)

    def _check(self, written: Any) -> str:
        if isinstance(written, str) and written in self.table:
            return written
        installed = installed_names(self.key) if self.key else ()
        if self.key and (is_reference(written) or written in installed):
            return written
        own = ["module:name of your own"] if self.key else []
        *names, last = map(repr, [*self.table, *installed, *own])
        expected = f"{', '.join(names)} or {last}" if names else last
        raise PydanticKnownError("literal_error", {"expected": expected})
