"""What the models of a study file have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Strict

Text = Annotated[str, Strict()]
Bool = Annotated[bool, Strict()]


class Frozen(BaseModel):
    """A part of a study: it stays as it was read, and has no other keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
