"""Metrics of one's own: how a config names them, and what a study must know of them; torch-free."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

from pydantic import AfterValidator

from ablate.trainable.contract import DECLARED, ConfigError, MetricSpec, Mode
from trainables.flow.config.elsewhere import installed_names, is_reference, load_ingredient
from trainables.flow.config.ingredient import Keys, NameIn
from trainables.flow.config.metrics import METRICS

NO_DIRECTION = MetricSpec(ranks=False, is_measurable=True)


def metric_name(reference: str) -> str:
    """What a function is called in the ledger: `fid` of `my_metrics:fid`."""
    return reference.rpartition(":")[2].rpartition(".")[2]


def measured_by(references: Iterable[str], metric: str) -> str | None:
    """Which function measures a metric: the one of that name, or of `<name>_<key>`.

    Args:
        references: Those that a config names.
        metric: A metric's name.
    """
    own = [r for r in references if f"{metric}_".startswith(f"{metric_name(r)}_")]
    return max(own, key=lambda reference: len(metric_name(reference)), default=None)


def own_specs(written: object, asked: Mapping[str, Mode | None]) -> dict[str, MetricSpec]:
    """What a study must know of its own metrics, by name; imports them.

    The keys of a dict are known where `@ablate.metric` names them; others that the study asks for
    are believed here, and looked for by `check_metrics`.

    Args:
        written: The study's `metrics`, valid or not.
        asked: As in `TrainableConfig.metrics_of`.

    Raises:
        ConfigError: If one cannot be imported.
    """
    specs: dict[str, MetricSpec] = {}
    references = list(_references(written))
    named = [reference for _, reference in references]
    for place, reference in references:
        name, said = metric_name(reference), declared("metrics" + place, reference)
        by_key = {f"{name}_{key}": key for key in said if key} or {name: ""}
        own = [one for one in asked if measured_by(named, one) == reference]
        by_key |= {one: one[len(name) + 1 :] for one in own if one.startswith(f"{name}_")}
        specs |= {one: spec_of(said, key, asked.get(one)) for one, key in by_key.items()}
    return specs


def declared(place: str, reference: str) -> Mapping[str, MetricSpec]:
    """What `@ablate.metric` says of a function, by key of its dict; `""` stands for all keys.

    Args:
        place: The config key, for messages.
        reference: The function's.

    Raises:
        ConfigError: If it cannot be imported.
    """
    try:
        return getattr(load_ingredient("metric", reference), DECLARED, {})
    except ConfigError as error:
        raise ConfigError(*error.messages, keys=[place]) from error


def spec_of(said: Mapping[str, MetricSpec], key: str, mode: Mode | None = None) -> MetricSpec:
    """The spec of one number of a function.

    Args:
        said: What `declared` returned.
        key: Of its dict.
        mode: The direction that the study gives it, which holds where nothing is said.
    """
    if key in said or "" in said:
        return said[key if key in said else ""]
    return MetricSpec(mode=mode, is_measurable=True) if mode else NO_DIRECTION


def _references(written: object) -> Iterator[tuple[str, str]]:
    """Each name with its place in the list; those that the config refuses are left out."""
    names: list[object] = [*written] if isinstance(written, list | tuple) else []
    for number, name in enumerate(names):
        if not isinstance(name, str) or metric_name(name) in METRICS:
            continue
        if is_reference(name) or name in installed_names("metric"):
            yield f"[{number}]", name


def _distinct(references: tuple[str, ...]) -> tuple[str, ...]:
    seen = dict[str, str]()
    for reference in references:
        name = metric_name(reference)
        if name in METRICS:
            raise ConfigError(f"{reference} has the name of the built-in metric {name}: rename it")
        if seen.get(name) == reference:
            raise ConfigError(f"{reference} is listed twice: drop one")
        if name in seen:
            raise ConfigError(f"{seen[name]} and {reference} are both called {name}: rename one")
        seen[name] = reference
    return references


class MetricKeys(Keys):
    """Keys of metrics."""

    metrics: Annotated[
        tuple[Annotated[str, NameIn({}, "metric")], ...], AfterValidator(_distinct)
    ] = ()
    """Functions of one's own that measure samples, `module:function` each: called by name with
    `samples`, `test` and `train`, `(rows, *shape)` in the data's own coordinates, and with
    `generator`. Each returns a number or a dict of numbers."""
