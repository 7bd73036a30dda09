"""Turns pydantic's errors into problems: key path, bad value, valid choices, fix."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ablate.errors import MISSING, Problem
from ablate.spec.config_keys import below, field_of, is_keyless, is_model, members

Path = tuple[str | int, ...]
_OF_A_KEY = "[key]"
"""Added by pydantic to the path of a key that is itself invalid."""


def problems_of(
    error: ValidationError, model: type[BaseModel], place: Callable[[Path], str]
) -> list[Problem]:
    """One problem for each wrong key.

    Args:
        error: What the model said.
        model: The model.
        place: Turns a path into the model into a place in the user's file.
    """
    grouped: dict[Path, list[Any]] = {}
    owners: dict[Path, list[Any]] = {}
    for item in error.errors(include_url=False):
        path, holders = _field_path(model, item["loc"], item["type"] == "extra_forbidden")
        grouped.setdefault(path, []).append(item)
        owners.setdefault(path, []).extend(holders)
    return [_problem(path, items, owners[path], place(path)) for path, items in grouped.items()]


def _problem(path: Path, items: Sequence[Any], owners: Sequence[Any], key: str) -> Problem:
    first = items[0]
    value = first["input"]
    if first["loc"][-1:] == (_OF_A_KEY,) or first["type"] == "invalid_key":
        return Problem(key, "is not a key here: keys are strings", path[-1] if path else value,
                       fix=f"put quotes around it: '{value}'")  # fmt: skip
    if all(item["type"] == "extra_forbidden" for item in items):
        field_names = dict.fromkeys(name for owner in owners for name in owner.model_fields)
        return Problem(key, "unknown key", path[-1], tuple(field_names))
    if first["type"] == "missing":
        return Problem(key, "missing", fix=f"add '{key}: ...'")
    choices = tuple(
        choice
        for item in items
        if item["type"] in ("literal_error", "enum")
        for choice in re.findall(r"'([^']*)'", item["ctx"]["expected"])
    )
    if choices and len(items) == 1:
        return Problem(key, "not a valid choice", value, choices)
    shown_value = MISSING if first["type"] == "value_error" and isinstance(value, dict) else value
    messages = dict.fromkeys(_message(item) for item in items)
    return Problem(key, " or ".join(messages), shown_value)


def _message(item: Any) -> str:
    message = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return message[:1].lower() + message[1:]


def _field_path(
    model: type[BaseModel], location: Sequence[str | int], is_unknown: bool
) -> tuple[Path, list[Any]]:
    """The part of an error's location that names keys and positions, not members of unions.

    Returns:
        The path, and the models that hold its last key.
    """
    path: list[str | int] = []
    kinds = list(members(model))
    holders: list[Any] = []
    for position, part in enumerate(location):
        models = [kind for kind in kinds if is_model(kind)]
        named = [kind for kind in kinds if part in _names(kind)] if len(kinds) > 1 else []
        if part == _OF_A_KEY:
            continue
        if named:
            kinds = named
        elif any(field_of(kind, part) for kind in models):
            path.append(part)
            holders, kinds = models, below(models, part)
        elif models and not isinstance(part, int):
            # The name of a union's member, unless it is the unknown key itself.
            if is_unknown and position == len(location) - 1:
                path.append(part)
                holders = models
        elif isinstance(part, int) or _has_keys(kinds, part):
            path.append(part)
            holders, kinds = [], below(kinds, part)
    return tuple(path), holders


def _has_keys(kinds: Sequence[Any], part: str | int) -> bool:
    is_word = not re.search(r"[<\[({]", str(part))  # `dict[str,any]`, `function-after[...]`
    return is_word and any(not is_keyless(kind) for kind in kinds)


def _names(kind: Any) -> set[Any]:
    """What pydantic may call a union's member: its name, or its discriminator values."""
    if not is_model(kind):
        return set()
    literals = [
        member
        for field in kind.model_fields.values()
        for member in members(field.annotation)
        if get_origin(member) is Literal
    ]
    return {kind.__name__, *(value for literal in literals for value in get_args(literal))}
