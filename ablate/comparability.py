"""What a metric can be compared across: the config model of a trainable says it."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from ablate.identity import canonical_json
from ablate.nested import flatten


def differing_keys(configs: Sequence[Any], metric: str) -> list[str]:
    """Config keys by which a metric measures another thing from config to config.

    Args:
        configs: Config models with a method `comparison(metric)` that says what must be equal, or
            plain configs, whose metrics are taken to be comparable.
        metric: The metric.
    """
    if not all(hasattr(config, "comparison") for config in configs):
        return []
    needed = [dict(flatten(config.comparison(metric))) for config in configs]
    return [
        key
        for key in (needed[0] if needed else ())
        if all(key in need for need in needed) and _differ([need[key] for need in needed])
    ]


def measures(config: Any, metric: str) -> bool:
    """Whether a run of a config ends with a metric, as far as its config model says."""
    return not hasattr(config, "measured") or metric in config.measured()


def ranks(model: type[BaseModel] | None, metric: str) -> bool:
    """Whether lower or higher values of a metric are better at all, as its config model says."""
    return metric not in getattr(model, "unranked", ())


def has_ratios(model: type[BaseModel] | None, metric: str) -> bool:
    """Whether "half as much" means anything of a metric, as its config model says."""
    return metric not in getattr(model, "no_ratios", ())


def _differ(values: Sequence[Any]) -> bool:
    alike = {repr(value): value for value in values}  # of ten thousand cells all but a few
    return len({canonical_json(value) for value in alike.values()}) > 1
