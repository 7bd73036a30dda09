"""Decides across which configs a metric can be compared."""

from collections.abc import Iterable, Sequence
from typing import Any

from ablate.dotted import flatten
from ablate.identity import canonical_json
from ablate.trainable.config_model import Config, ConfigModel

Configured = tuple[ConfigModel, Config]
"""A config, and the model that has validated it."""


def differing_keys(configs: Sequence[Configured], metric: str) -> list[str]:
    """Config keys because of which a metric measures different things in different configs.

    Args:
        configs: Configs with their models, which say what must be equal.
        metric: The metric.
    """
    needed = _needed(configs, metric)
    return [
        key
        for key in (needed[0] if needed else ())
        if all(key in need for need in needed) and _differ([need[key] for need in needed])
    ]


def can_compare(configs: Iterable[Configured], metric: str) -> bool:
    """Whether a metric measures the same thing in all configs; it looks no further than needed."""
    first: dict[str, Any] | None = None
    for model, config in configs:
        needed = dict(flatten(model.comparison(config, metric)))
        first = needed if first is None else first
        if any(first[key] != needed[key] for key in first.keys() & needed.keys()):
            return False
    return True


def measured_alike(configs: Sequence[Configured], metric: str) -> list[int]:
    """Numbers that are equal where a metric measures the same thing in two configs.

    Args:
        configs: Configs with their models, which say what must be equal.
        metric: The metric.
    """
    keys = differing_keys(configs, metric)
    numbers: dict[str, int] = {}
    if not keys:
        return [0] * len(configs)
    measured = [canonical_json([need[key] for key in keys]) for need in _needed(configs, metric)]
    return [numbers.setdefault(each, len(numbers)) for each in measured]


def _needed(configs: Sequence[Configured], metric: str) -> list[dict[str, Any]]:
    return [dict(flatten(model.comparison(config, metric))) for model, config in configs]


def _differ(values: Sequence[Any]) -> bool:
    alike = {repr(value): value for value in values}  # few, even for ten thousand cells
    return len({canonical_json(value) for value in alike.values()}) > 1
