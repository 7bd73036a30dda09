"""Dotted names of keys in nested mappings: `data.size` is `config["data"]["size"]`."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

MAX_DEPTH = 64
"""Nesting depth of mappings and lists: libraries on the way cannot take deeper values."""
_PAIRS = "_ablate_pairs"
"""Stands in for keys that are not strings where Tune sees them: it sorts keys."""
_ATOMS = frozenset({str, int, float, bool, type(None)})


def with_key(config: Mapping[Any, Any], dotted: str, value: Any) -> dict[Any, Any]:
    """A mapping with the key of a dotted name set; the others are shared, not copied.

    Args:
        config: The mapping, which stays as it is; missing ones on the way are created.
        dotted: The name.
        value: Its new value.
    """
    key, rest = split_key(config, dotted)
    if not rest:
        return {**config, key: value}
    inner = config.get(key)
    return {**config, key: with_key(inner if isinstance(inner, Mapping) else {}, rest, value)}


def split_key(config: Mapping[Any, Any], dotted: str) -> tuple[Any, str]:
    """The key of a mapping that a dotted name begins with, and the rest of the name.

    A key that exists exactly as the name spells it (with dots in it, or a number) takes precedence
    over a path.
    """
    if dotted in config or ("." not in dotted and all(type(key) is str for key in config)):
        return dotted, ""
    there = {spelling(key): key for key in config if not isinstance(key, str)}
    if dotted in there:
        return there[dotted], ""
    head, rest = dotted, ""
    while "." in head:
        head = head.rpartition(".")[0]
        rest = dotted[len(head) + 1 :]
        key = there.get(head, head)
        if isinstance(config.get(key), Mapping):
            return key, rest
    return there.get(head, head), rest


def blocking_key(config: Mapping[Any, Any], dotted: str) -> str:
    """The key on the way of a dotted name whose value is not a mapping; `` if there is none."""
    key, rest = split_key(config, dotted)
    inner = config.get(key)
    if not rest or inner is None:
        return ""
    if not isinstance(inner, Mapping):
        return spelling(key)
    below = blocking_key(inner, rest)
    return below and f"{spelling(key)}.{below}"


def spelling(key: Any) -> str:
    """A key as YAML and dotted names spell it: `10`, `true`, `null`."""
    return key if isinstance(key, str) else json.dumps(key, default=str)


def flatten(config: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of a nested mapping."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{spelling(key)}.")
        else:
            yield f"{prefix}{spelling(key)}", value


def merged(below: Mapping[Any, Any], over: Mapping[Any, Any]) -> dict[Any, Any]:
    """Two nested mappings as one; the second takes precedence."""
    result = dict(below)
    for key, value in over.items():
        inner = result.get(key)
        if isinstance(inner, Mapping) and isinstance(value, Mapping) and value:
            result[key] = merged(inner, value)
        else:
            result[key] = value
    return result


def value_at(config: Mapping[Any, Any], dotted: str) -> Any:
    """The value of a dotted name; None if there is none."""
    key, rest = split_key(config, dotted)
    inner = config.get(key)
    if not rest:
        return inner
    return value_at(inner, rest) if isinstance(inner, Mapping) else None


def copied(value: Any) -> Any:
    """A deep copy of plain values."""
    if isinstance(value, Mapping):
        return {k: item if type(item) in _ATOMS else copied(item) for k, item in value.items()}
    if isinstance(value, list | tuple):
        return [copied(item) for item in value]
    return value


def encode_keys(value: Any) -> Any:
    """Plain values in which mappings with keys other than strings are lists of pairs."""
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: encode_keys(item) for key, item in value.items()}
        return {_PAIRS: [[key, encode_keys(item)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [encode_keys(item) for item in value]
    return value


def decode_keys(value: Any) -> Any:
    """Plain values as they were before `encode_keys`."""
    if isinstance(value, Mapping):
        if list(value) == [_PAIRS]:
            return {key: decode_keys(item) for key, item in value[_PAIRS]}
        return {key: decode_keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [decode_keys(item) for item in value]
    return value


def is_too_deep(value: Any) -> bool:
    """Whether mappings and lists are nested deeper than `MAX_DEPTH`."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, Mapping | list | tuple)
            for inner in (outer.values() if isinstance(outer, Mapping) else outer)
        ]
    return bool(level)
