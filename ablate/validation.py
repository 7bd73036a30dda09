"""pydantic's errors as problems of a file: key path, bad value, valid choices, fix."""

import re
from collections.abc import Callable, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ablate.errors import MISSING, Problem

Path = tuple[str | int, ...]


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
    for item in error.errors(include_url=False):
        grouped.setdefault(_field_path(model, item["loc"]), []).append(item)
    return [_problem(path, items, model, place(path)) for path, items in grouped.items()]


def keys_of(model: type[BaseModel]) -> list[str]:
    """All dotted keys of a model."""
    keys: list[str] = []
    for name, field in model.model_fields.items():
        inner = _model_of(field.annotation)
        keys += [f"{name}.{key}" for key in keys_of(inner)] if inner else [name]
    return keys


def _problem(path: Path, items: Sequence[Any], model: type[BaseModel], key: str) -> Problem:
    first = items[0]
    value = first["input"]
    if first["type"] == "extra_forbidden":
        owner = _owner(model, path)
        return Problem(key, "unknown key", path[-1], tuple(owner.model_fields) if owner else ())
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
    shown = MISSING if first["type"] == "value_error" and isinstance(value, dict) else value
    return Problem(key, " or ".join(_message(item) for item in items), shown)


def _message(item: Any) -> str:
    message = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return message[:1].lower() + message[1:]


def _field_path(model: type[BaseModel], location: Sequence[str | int]) -> Path:
    """The part of an error's location that names fields and positions, not union branches."""
    path: list[str | int] = []
    inner: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, str) and part.startswith("<"):
            continue  # the tag of a union's branch
        if isinstance(part, str) and inner is None:
            break
        path.append(part)
        inner = _below(inner, part)
    return tuple(path)


def _owner(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model that holds the last key of a path."""
    inner: type[BaseModel] | None = model
    for part in path[:-1]:
        inner = _below(inner, part)
    return inner


def _below(model: type[BaseModel] | None, part: str | int) -> type[BaseModel] | None:
    """The model that a key of a model holds; positions of a list hold what the list does."""
    if isinstance(part, int) or model is None:
        return model
    field = model.model_fields.get(part)
    return _model_of(field.annotation) if field else None


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_of(candidate) for candidate in get_args(annotation))
    return next((model for model in found if model is not None), None)
