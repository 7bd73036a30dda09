"""Ids from content: the same run has the same id on every machine and every day."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

ID_LENGTH = 12
"""Hex digits of an id: 48 bits; a million runs have a 1 in 500 chance of a collision."""
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)
_AS_THEY_ARE = frozenset({str, int, bool, type(None)})
_SCALARS = _AS_THEY_ARE | {float}


def content_id(value: Any, length: int = ID_LENGTH) -> str:
    """A hash of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]


def canonical_json(value: Any) -> str:
    """JSON that does not depend on key order or on how a number was written (1, 1.0, 1e0)."""
    return _CANONICAL.encode(_normal(value))


def difference(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a config that differs from its model's defaults, nested like the config."""
    changed: dict[str, Any] = {}
    for key, value in config.items():
        default = defaults.get(key)
        if type(value) is type(default) and type(value) in _SCALARS and value == default:
            if key not in defaults:  # null without a default
                changed[key] = value
        elif isinstance(value, Mapping) and isinstance(default, Mapping):
            inner = difference(value, default)
            if default.keys() - value.keys():
                changed[key] = value  # missing keys are a difference, too
            elif inner:
                changed[key] = inner
        elif key not in defaults or _normal(value) != _normal(default):
            changed[key] = value
    return changed


def with_string_keys(value: Any) -> Any:
    """Plain values with string keys, as JSON needs them; values stay as they are."""
    if isinstance(value, Mapping):
        return {_word(key): with_string_keys(item) for key, item in value.items()}
    return [with_string_keys(item) for item in value] if isinstance(value, list | tuple) else value


def _normal(value: Any) -> Any:
    # Exact types first: plans of ten thousand cells spend their time here.
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is float:
        return _normal_float(value)
    if kind is dict or isinstance(value, Mapping):
        return {
            key if type(key) is str else _word(key): item
            if type(item) in _AS_THEY_ARE
            else _normal(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_normal(item) for item in value]
    if isinstance(value, float):
        return _normal_float(value)
    return value if isinstance(value, int | str) else str(value)


def _word(key: Any) -> str:
    """A key as a string, as JSON needs it; a number stays distinct from its digits in quotes."""
    if isinstance(key, str):
        return str(key)
    return "!!null" if key is None else f"!!{type(key).__name__} {json.dumps(key, default=str)}"


def _normal_float(value: float) -> float | int | str:
    if value.is_integer():
        return int(value)
    return value if value == value and abs(value) != float("inf") else repr(value)
