"""The keys of a config model, and what is nested below them."""

import datetime
import enum
import functools
import pathlib
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo

from ablate.dotted import blocking_key, flatten, split_key, with_key

Model = type[BaseModel]
_KEYLESS = (
    str, int, float, complex, bytes, list, tuple, set, frozenset, types.NoneType, enum.Enum,
    pathlib.PurePath, datetime.date, datetime.time, datetime.timedelta,
)  # fmt: skip


def keys_of(model: Model, above: tuple[Model, ...] = ()) -> list[str]:
    """All dotted keys of a model; for a union, those of each member."""
    keys: dict[str, None] = {}
    for name, field in model.model_fields.items():
        inner = [kind for kind in members(field.annotation) if is_model(kind)]
        inner_keys = [f"{name}.{key}" for kind in inner if kind not in above
                 for key in keys_of(kind, (*above, model))]  # fmt: skip
        keys |= dict.fromkeys(inner_keys or [name])
    return list(keys)


def is_known(model: Model, dotted: str) -> bool:
    """Whether a dotted name may be a key of a model: a field, or nested in one."""
    return any(_knows(kind, dotted.split(".")) for kind in members(model))


def as_nested(model: Model | None, base: Mapping[str, Any]) -> dict[str, Any]:
    """A config in which dotted keys that mean nested ones of the model are nested."""
    dotted = set(dotted_keys(model, base))
    config = {key: value for key, value in base.items() if key not in dotted}
    for key in dotted_keys(model, base):
        config = with_key(config, key, base[key])
    return config


def dotted_keys(model: Model | None, base: Mapping[str, Any]) -> list[str]:
    """Keys of a config whose dots mean nested keys of the model."""
    return [key for key in base if model and "." in key and _means_nested(model, key)]


def doubled_keys(model: Model | None, base: Mapping[str, Any]) -> list[str]:
    """The dotted keys whose nested key is also set, or cannot be set."""
    dotted = dotted_keys(model, base)
    config: dict[str, Any] = {key: value for key, value in base.items() if key not in dotted}
    doubled: list[str] = []
    for key in dotted:
        if _is_set(config, key) or blocking_key(config, key):
            doubled.append(key)
        else:
            config = with_key(config, key, base[key])
    return doubled


def base_notes(model: Model | None, base: Mapping[str, Any], place: str = "") -> list[str]:
    """How keys of a `base` are read, where something else may have been meant.

    Args:
        model: The config model.
        base: The `base`.
        place: What its name in the YAML is prefixed with.
    """
    notes: list[str] = []
    read = dotted_keys(model, base)
    for key in (key for key in base if "." in key):
        first, _, rest = key.partition(".")
        if key in read:
            notes.append(f"{place}base: {key} is read as {first}: {{{rest}: ...}}")
        elif model is None:
            notes.append(f"{place}base: {key} reaches the trainable as one key, dots and all; a "
                         f"nested one is written {first}: {{{rest}: ...}}")  # fmt: skip
    keys = [key for key, _ in flatten(as_nested(model, base))] if model else []
    notes += [f"{place}base.{key} is not a key of {model.__name__}, which ignores it"
              for key in keys if model and not is_known(model, key)]  # fmt: skip
    return notes


def unchecked_notes(model: Model | None, trainable: str) -> list[str]:
    """That nobody looks at the names of keys, where that is so.

    Args:
        model: The config model.
        trainable: Its trainable, for people.
    """
    if model is not None and model.model_config.get("extra") != "allow":
        return []
    why = f"{trainable} has no Config" if model is None else f"{model.__name__} allows any"
    return [f"keys of base and factors are not checked, so a misspelt one goes unnoticed: {why}"]


@functools.cache
def may_have_keys_of_its_own(kind: Any) -> bool:
    """Whether mappings of a type, or nested in it, may have keys other than strings."""
    return _may(kind, ())


def members(annotation: Any) -> Iterator[Any]:
    """The types that an annotation stands for, with unions and aliases resolved."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from members(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from members(member)
    elif hasattr(annotation, "__value__"):  # `type Name = ...`
        yield from members(annotation.__value__)
    elif is_model(annotation) and issubclass(annotation, RootModel):
        yield from members(annotation.model_fields["root"].annotation)
    else:
        yield annotation


def below(kinds: Iterable[Any], key: Any) -> list[Any]:
    """The types under a key or at a position of some types; empty if there is none."""
    return [inner for kind in kinds for inner in _below(kind, key)]


def is_model(kind: Any) -> bool:
    """Whether a type is a pydantic model."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def is_keyless(kind: Any) -> bool:
    """Whether values of a type have no keys."""
    origin = get_origin(kind)
    if origin is Literal:
        return True
    plain = origin or kind
    return isinstance(plain, type) and issubclass(plain, _KEYLESS)


def field_of(model: Model, key: Any) -> FieldInfo | None:
    """The field of a model that a key sets, by its name or an alias."""
    if key in model.model_fields:
        return model.model_fields[key]
    return next((f for f in model.model_fields.values() if key in _aliases(f)), None)


def _may(annotation: Any, above: tuple[Any, ...]) -> bool:
    return any(_may_itself(kind, above) for kind in members(annotation) if kind not in above)


def _may_itself(kind: Any, above: tuple[Any, ...]) -> bool:
    inner = [argument for argument in get_args(kind) if argument is not Ellipsis]
    if is_model(kind):
        is_open = kind.model_config.get("extra") == "allow"
        fields = kind.model_fields.values()
        return is_open or any(_may(field.annotation, (*above, kind)) for field in fields)
    if get_origin(kind) is dict:
        return inner[0] is not str or _may(inner[1], above)
    if get_origin(kind) is Literal or (is_keyless(kind) and kind not in (list, tuple)):
        return get_origin(kind) is not Literal and any(_may(item, above) for item in inner)
    return True


def _aliases(field: FieldInfo) -> list[Any]:
    alias = field.validation_alias
    return [*getattr(alias, "choices", [alias]), field.alias]


def _knows(kind: Any, parts: list[str]) -> bool:
    if not is_model(kind):
        return not is_keyless(kind)
    field = field_of(kind, ".".join(parts)) or field_of(kind, parts[0])
    if field is None:
        return kind.model_config.get("extra") == "allow"
    rest = parts[1:] if field_of(kind, ".".join(parts)) is None else []
    return not rest or any(_knows(inner, rest) for inner in members(field.annotation))


def _below(kind: Any, key: Any) -> list[Any]:
    if is_model(kind):
        field = field_of(kind, key)
        return list(members(field.annotation)) if field else []
    arguments = [argument for argument in get_args(kind) if argument is not Ellipsis]
    if get_origin(kind) is Literal or not arguments:
        return []
    return list(members(arguments[-1]))  # of a mapping the values, of a list the items


def _means_nested(model: Model, key: str) -> bool:
    field = field_of(model, key.partition(".")[0])
    if field is None or field_of(model, key) is not None:
        return False
    return any(is_model(kind) or not is_keyless(kind) for kind in members(field.annotation))


def _is_set(config: Mapping[Any, Any], dotted: str) -> bool:
    key, rest = split_key(config, dotted)
    if not rest:
        return key in config
    inner = config.get(key)
    return isinstance(inner, Mapping) and _is_set(inner, rest)
