"""Calls metrics of one's own: with rows in the data's coordinates, and with draws of their own."""

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ablate.trainable.contract import ConfigError, MetricSpec
from trainables.flow.config.elsewhere import Found, by_name, load_ingredient, told_of
from trainables.flow.config.metrics import MAX_ROWS, METRICS
from trainables.flow.config.own_metrics import declared, metric_name, spec_of
from trainables.flow.config.run import FlowConfig
from trainables.flow.data.dataset import Dataset, load_dataset
from trainables.flow.data.errors import Floats
from trainables.flow.randomness import CPU, generator, global_generators, seed_globally

ARGUMENTS = ("samples", "test", "train", "generator")
_KEY = re.compile(r"\w+")


class OwnRows(NamedTuple):
    """What a function sees: float32 rows in the data's own coordinates, (rows, *shape) each."""

    samples: Tensor
    test: Tensor
    train: Tensor


def own_rows(dataset: Dataset, samples: Floats, device: torch.device) -> OwnRows:
    """Samples, with as many test rows and all training rows of their run.

    Args:
        dataset: The run's data.
        samples: In the data's own coordinates, (rows, dim).
        device: Where to compute.
    """
    parts = samples, dataset.test[: len(samples)], dataset.train
    return OwnRows(*(_shaped(dataset, part).to(device) for part in parts))


def own_values(reference: str, rows: OwnRows) -> dict[str, float]:
    """What a function returns, by metric: `<name>`, of a dict `<name>_<key>`.

    Its draws are the same for all runs, as the built-in metrics' are: cells do not differ by them.

    Raises:
        ConfigError: If it cannot be imported, or does not take these arguments.
        ValueError: If it returns neither a number nor a dict of numbers.
    """
    function = load_ingredient("metric", reference)
    call = by_name("metrics", reference, function, ARGUMENTS, needs=("samples",))
    name, device = metric_name(reference), rows.samples.device
    source = generator(0, 0, f"metric {name}", device)
    own = OwnRows(*(part.clone() for part in rows))  # it may change them
    with global_generators(), torch.enable_grad():
        seed_globally(source.initial_seed(), device)
        returned = call(**own._asdict(), generator=source)
    if not isinstance(returned, Mapping):
        return {name: _number(f"{reference} returned", returned)}
    values: dict[str, float] = {}
    for key, value in returned.items():
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise ValueError(
                f"{reference} returned a dict with the key {key!r}: keys are words, which become "
                f"part of a name: {name}_<key>"
            )
        values[f"{name}_{key}"] = _number(f"{reference} returned, as {key!r},", value)
    return values


def own_floors(reference: str, dataset: Dataset, device: torch.device) -> dict[str, float]:
    """What a function says of training rows in the place of samples, see `measure.floors`."""
    return dict(_floors(reference, _found([reference]), dataset, device))


def check_metrics(config: FlowConfig) -> dict[str, MetricSpec]:
    """Calls each function as a run's end does, with training rows in the place of samples.

    Args:
        config: A run's config, whose data can be read.

    Returns:
        The metrics that they turn out to measure.

    Raises:
        ConfigError: If one cannot be called, or returns anything but finite numbers.
    """
    named = _found(config.metrics)
    return dict(_checked(config.metrics, named, load_dataset(config.data)))


def _found(references: Sequence[str]) -> tuple[Found, ...]:
    return tuple(Found(load_ingredient("metric", reference)) for reference in references)


@lru_cache(maxsize=8)
def _checked(
    references: Sequence[str], named: tuple[Found, ...], dataset: Dataset
) -> dict[str, MetricSpec]:
    specs: dict[str, MetricSpec] = {}
    rows = own_rows(dataset, _blocks(dataset)[0], CPU)
    for reference in references:
        said, name = declared("metrics", reference), metric_name(reference)
        values = _tried(reference, rows)
        if lost := [key for key in said if key and f"{name}_{key}" not in values]:
            raise _refusal(f"@ablate.metric names {lost[0]!r}, which {reference} does not return: "
                           f"it returns {', '.join(values)}")  # fmt: skip
        for metric, value in values.items():
            if not math.isfinite(value):
                raise _refusal(f"{reference} returned {value} as {metric}: it has to be finite")
            if metric in METRICS or metric in specs:
                raise _refusal(f"{reference} measures {metric}, which another metric is called")
            specs[metric] = spec_of(said, metric[len(name) + 1 :])
    return specs


def _tried(reference: str, rows: OwnRows) -> dict[str, float]:
    try:
        values = own_values(reference, rows)
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:
        told = str(error) if isinstance(error, ValueError) else ""
        if not told.startswith(reference):
            told = f"{reference} raised {told_of(error)}"
        shapes = ", ".join(f"{name} {tuple(part.shape)}" for name, part in rows._asdict().items())
        raise _refusal(f"{told}, called with {shapes}") from error
    if not values:
        raise _refusal(f"{reference} returned an empty dict: return a number for each key")
    return values


def _refusal(message: str) -> ConfigError:
    return ConfigError(message, keys=["metrics"])


@lru_cache(maxsize=8)
def _floors(
    reference: str, named: tuple[Found, ...], dataset: Dataset, device: torch.device
) -> dict[str, float]:
    blocks = _blocks(dataset)
    each = [own_values(reference, own_rows(dataset, block, device)) for block in blocks]
    return {name: sum(values[name] for values in each) / len(each) for name in each[0]}


def _blocks(dataset: Dataset) -> list[Floats]:
    """Disjoint blocks of training rows, each as long as what samples are compared with."""
    num = min(MAX_ROWS, len(dataset.test), len(dataset.reference))
    starts = range(0, len(dataset.reference) - num + 1, num)
    return [dataset.reference[start : start + num] for start in starts]


def _shaped(dataset: Dataset, rows: Floats) -> Tensor:
    """Flat rows in the shape that they have in the data, (rows, *shape)."""
    return torch.tensor(rows, dtype=torch.float32).reshape(len(rows), *dataset.shape)


def _number(told: str, value: Any) -> float:
    """A plain number, also of NumPy or torch."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    shape = getattr(value, "shape", None)
    kind = type(value).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")
    raise ValueError(f"{told} a {kind}: return a number, or a dict of numbers")
