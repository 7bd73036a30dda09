"""The `tracking` of a study: where its runs appear in W&B, and which names W&B takes."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from ablate.spec.frozen import Frozen, Text
from ablate.spec.seeds import Float

MAX_WANDB_NAME = 128
"""Characters of a W&B project or group: its own limit."""
PROJECT_RULE = (
    f"at most {MAX_WANDB_NAME} characters, none of / \\ # ? % : and no control characters"
)
ENTITY_RULE = "a user or team: letters, digits, '-', '_' and '.'"


def project_problem(name: str) -> str:
    """Why W&B would refuse a project's name; empty if it would not."""
    if not name.strip():
        return "is empty"
    if len(name) > MAX_WANDB_NAME:
        return f"has {len(name)} characters"
    refused = "".join(dict.fromkeys(c for c in name if c in r"/\#?%:" or not c.isprintable()))
    return f"holds {refused!r}, which W&B refuses in a project's name" if refused else ""


def entity_problem(name: str) -> str:
    """Why W&B would refuse an entity's name; empty if it would not."""
    return "" if re.fullmatch(r"[\w.-]{1,128}", name) else "is not a W&B user or team name"


class Tracking(Frozen):
    """Where the runs appear in Weights & Biases."""

    project: Text | None = None
    entity: Text | None = None
    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    tags: tuple[Annotated[Text, Field(max_length=64)], ...] = ()
    runs: Literal["ablate", "script"] = "ablate"
    """Who makes the runs of commands in W&B: `script` where a script does so itself."""
    patience_s: Annotated[Float, Field(ge=0, le=1e9)] = 60
    """How long the end of a command waits for a W&B that makes no progress."""

    @field_validator("project")
    @classmethod
    def _is_a_project(cls, name: str | None) -> str | None:
        if name is not None and project_problem(name):
            raise ValueError(f"{project_problem(name)}: {PROJECT_RULE}")
        return name

    @field_validator("entity")
    @classmethod
    def _is_an_entity(cls, name: str | None) -> str | None:
        if name is not None and entity_problem(name):
            raise ValueError(f"{entity_problem(name)}: {ENTITY_RULE}")
        return name

    @field_validator("tags")
    @classmethod
    def _are_tags(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        for tag in tags:
            if not tag.strip() or not tag.isprintable():
                raise ValueError(f"{tag!r} is not a tag: W&B takes 1 to 64 printable characters")
        return tags
