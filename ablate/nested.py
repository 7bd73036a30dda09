"""Dotted keys into nested mappings: `data.size` is `config["data"]["size"]`."""

from collections.abc import Iterator, Mapping
from typing import Any


def set_key(config: dict[str, Any], dotted: str, value: Any) -> None:
    """Sets a dotted key in place; mappings on the way are made where they are missing."""
    *parents, last = dotted.split(".")
    for parent in parents:
        if not isinstance(config.get(parent), dict):
            config[parent] = {}
        config = config[parent]
    config[last] = value


def flatten(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of a nested mapping."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def nest(config: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping of possibly dotted keys as a nested one; later keys win."""
    nested: dict[str, Any] = {}
    for key, value in flatten(config):
        set_key(nested, key, value)
    return nested
