"""Finds mistakes in the hooks of a config model, which would otherwise be ignored silently."""

import difflib
import inspect
from collections.abc import Iterator, Mapping, Set
from typing import Any

from pydantic import BaseModel

from ablate.errors import Problem
from ablate.trainable.config_model import ConfigModel
from ablate.trainable.contract import MetricSpec, TrainableConfig

_HOOKS = tuple(
    name
    for name in (*inspect.get_annotations(TrainableConfig), *vars(TrainableConfig))
    if not name.startswith(("_", "model_"))
)


def hook_problems(model: ConfigModel) -> Iterator[Problem]:
    """Hooks that are misspelt, and hook attributes of the wrong type."""
    if model.model is None:
        return
    # A model that is not derived from `TrainableConfig` may use any names.
    own = _names(model.model) if issubclass(model.model, TrainableConfig) else set[str]()
    for name in sorted(own - set(_HOOKS) - model.fields.keys()):
        for near in difflib.get_close_matches(name, _HOOKS, 1, 0.8):
            yield Problem(
                "trainable", f"{model.model.__name__}.{name} is not a hook of config models", name,
                _HOOKS, f"rename it to {near}, if that is meant",
            )  # fmt: skip
    for name, kind, what in _KINDS:
        value: Any = getattr(model, name)
        if not isinstance(value, kind):
            yield Problem("trainable", f"{model.model.__name__}.{name} should be {what}", value)
    metrics: Any = model.metrics
    if isinstance(metrics, Mapping) and not all(
        isinstance(s, MetricSpec) for s in metrics.values()
    ):
        message = f"{model.model.__name__}.metrics should map names to MetricSpec(...)"
        yield Problem("trainable", message, fix="import MetricSpec from ablate.trainable.contract")


_KINDS = (
    ("version", int, "an integer"),
    ("unhashed", Set, "a frozenset of keys"),
    ("shares_draws", bool, "True or False"),
    ("paths", Set, "a frozenset of keys"),
    ("study_keys", Set, "a frozenset of keys"),
    ("metrics", Mapping, "a mapping of names to MetricSpec(...)"),
    ("length_keys", tuple, "a tuple of dotted names of keys"),
    ("split_key", (str, type(None)), "the dotted name of a key, or None"),
    ("smoke", (Mapping, type(None)), "a mapping of keys to values, or None"),
)


def _names(model: type[BaseModel]) -> set[str]:
    """The names defined in a model and its base classes, pydantic's excluded."""
    own = [cls for cls in model.__mro__ if cls.__module__.partition(".")[0] != "pydantic"]
    return {name for cls in own for name in vars(cls) if not name.startswith("_")}
