"""Turns pydantic's errors into problems: key path, bad value, valid choices, fix."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ablate.errors import MISSING, Problem
from ablate.spec.config_keys import below, field_of, is_keyless, is_model, members
from ablate.spec.yaml_words import spacing_fix
from ablate.text import printable, shortened
from ablate.trainable.contract import ConfigError

Path = tuple[str | int, ...]
_OF_A_KEY = "[key]"
"""Added by pydantic to the path of a key that is itself invalid."""
_OF_A_WHOLE = ("value_error", "assertion_error")
"""Raised by validators: of a mapping they are about several of its keys."""
_IN_YAML = {
    "tuple_type": "should be a list",
    "list_type": "should be a list",
    "dict_type": "should be a mapping",
    "model_type": "should be a mapping",
    "model_attributes_type": "should be a mapping",
}
"""Types by their names in YAML, not in Python."""


def problems_of(
    error: ValidationError, model: type[BaseModel], place: Callable[[Path], str]
) -> list[Problem]:
    """One problem for each wrong key, and for each mistake of several keys together.

    Args:
        error: What the model said.
        model: The model.
        place: Turns a path into the model into a place in the user's file.
    """
    return [problem for _, problem in problems_by_path(error, model, place)]


def problems_by_path(
    error: ValidationError, model: type[BaseModel], place: Callable[[Path], str]
) -> Iterator[tuple[Path, Problem]]:
    """As `problems_of`, each with its path into the model."""
    found = [_found(model, item) for item in error.errors(include_url=False)]
    grouped: dict[Path, list[_Found]] = {}
    for each in _of_likeliest_members(found):
        grouped.setdefault(each.path, []).append(each)
    for path, alike in grouped.items():
        items, owners = [each.item for each in alike], [o for each in alike for o in each.holders]
        problem = _problem(path, items, owners, place(path))
        yield from ((path, each) for each in _each(problem, items))


def _of_likeliest_members(found: Sequence["_Found"]) -> list["_Found"]:
    """Errors without those of members of a union that fit less well than another one.

    The best one is of the value's kind, and has the fewest mistakes; where all have theirs at the
    same keys, none is left out.
    """
    for union in dict.fromkeys(path for each in found for path in each.members):
        by_member: dict[str, list[_Found]] = {}
        for each in found:
            if union in each.members:
                by_member.setdefault(each.members[union], []).append(each)
        if len({frozenset(each.path for each in own) for own in by_member.values()}) > 1:
            best = min(by_member.values(), key=lambda own: _misfit(own, union))
            found = [each for each in found if union not in each.members or each in best]
    return list(found)


def _misfit(errors: Sequence["_Found"], union: Path) -> tuple[bool, int]:
    return any(each.path == union for each in errors), len(errors)


def _each(problem: Problem, items: Sequence[Any]) -> list[Problem]:
    """The mistakes of one error: a validator may raise several at once."""
    raised = items[0].get("ctx", {}).get("error") if len(items) == 1 else None
    several = isinstance(raised, ConfigError)
    return [replace(problem, message=_lower(m)) for m in raised.messages] if several else [problem]


def _problem(path: Path, items: Sequence[Any], owners: Sequence[Any], key: str) -> Problem:
    first = items[0]
    value = first["input"]
    if first["loc"][-1:] == (_OF_A_KEY,) or first["type"] == "invalid_key":
        return Problem(key, "is not a key here: keys are strings", path[-1] if path else value,
                       fix=f"put quotes around it: '{value}'")  # fmt: skip
    if all(item["type"] == "extra_forbidden" for item in items):
        field_names = dict.fromkeys(name for owner in owners for name in owner.model_fields)
        return Problem(key, "unknown key", path[-1], tuple(field_names), spacing_fix(path[-1]))
    if first["type"] == "missing":
        return Problem(key, "missing", fix=f"add '{key}: ...'")
    choices = tuple(
        choice
        for item in items
        if item["type"] in ("literal_error", "enum")
        for choice in re.findall(r"'([^']*)'", item["ctx"]["expected"])
    )
    if choices and len(items) == 1:
        return Problem(key, "not a valid choice", value, choices, _reference_fix(value, choices))
    is_whole = first["type"] in _OF_A_WHOLE and isinstance(value, dict)
    messages = dict.fromkeys(_message(item) for item in items)
    fix = _kind_fix(first["type"], value)
    return Problem(key, " or ".join(messages), MISSING if is_whole else value, fix=fix)


def _reference_fix(value: Any, choices: Sequence[str]) -> str:
    """The fix for `torch.optim.SGD` where `torch.optim:SGD` would name it."""
    takes_own = any(choice.startswith("module:") for choice in choices)
    if not takes_own or not isinstance(value, str):
        return ""
    module, dot, name = value.rpartition(".")
    is_dotted = bool(dot) and all(part.isidentifier() for part in value.split("."))
    return f"write {module}:{name}" if is_dotted else ""


def _kind_fix(kind: str, value: Any) -> str:
    """The fix for a value that is to be a list or a mapping."""
    if _IN_YAML.get(kind) == "should be a list" and isinstance(value, str | int | float):
        is_item = not str(value).startswith("-")
        return f"write [{printable(shortened(str(value), 60))}]" if is_item else spacing_fix(value)
    return spacing_fix(value) if kind in _IN_YAML else ""


def _message(item: Any) -> str:
    message = item["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return _IN_YAML.get(item["type"]) or _lower(message.removeprefix("Input "))


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


@dataclass(frozen=True, eq=False)
class _Found:
    """One of pydantic's errors, and the parts of its location.

    Attributes:
        item: The error.
        path: Keys and positions, without members of unions.
        holders: The models that hold the path's last key.
        members: The members of unions, by the paths of these.
    """

    item: Any
    path: Path
    holders: list[Any]
    members: dict[Path, str]


def _found(model: type[BaseModel], item: Any) -> _Found:
    location, is_unknown = item["loc"], item["type"] == "extra_forbidden"
    path: list[str | int] = []
    kinds = list(members(model))
    holders: list[Any] = []
    tags: dict[Path, str] = {}
    for position, part in enumerate(location):
        length = len(path)
        models = [kind for kind in kinds if is_model(kind)]
        named = [kind for kind in kinds if part in _names(kind)] if len(kinds) > 1 else []
        if part == _OF_A_KEY:
            continue
        if named:
            kinds = named
        elif any(field_of(kind, part) for kind in models):
            path.append(part)
            holders, kinds = models, below(models, part)
        elif (models and not isinstance(part, int)
              and (is_unknown or not _is_key_beside(kinds, path, tags))):  # fmt: skip
            # The name of a union's member, unless it is the unknown key itself.
            if is_unknown and position == len(location) - 1:
                path.append(part)
                holders = models
        elif isinstance(part, int) or _has_keys(kinds, part):
            path.append(part)
            holders, kinds = [], below(kinds, part)
        if len(path) == length:
            tags[tuple(path)] = f"{tags.get(tuple(path), '')} {part}"
    return _Found(item, tuple(path), holders, tags)


def _is_key_beside(kinds: Sequence[Any], path: list[str | int], tags: Mapping[Path, str]) -> bool:
    """Whether a union of models and a mapping has been told as the mapping: a key comes next."""
    return tuple(path) in tags and any(not is_model(k) and not is_keyless(k) for k in kinds)


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
