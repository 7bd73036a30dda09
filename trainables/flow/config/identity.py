"""Which configs are the same training under two names, and which are comparable; torch-free."""

from typing import TYPE_CHECKING, Any

from trainables.flow.config.augmentations import AUGMENTATIONS, active_augmentations
from trainables.flow.config.data import SOURCES
from trainables.flow.config.flows import COUPLINGS, FLOWS
from trainables.flow.config.ingredient import Ingredient
from trainables.flow.config.metrics import METRICS, Metric
from trainables.flow.config.schedule import ema_decay, phases_of, steps_per_epoch, warmup_steps
from trainables.flow.config.sharing import (
    UNSEEN_BY_DRAWS,
    UNSEEN_BY_VALIDATION,
    Reasons,
    essentials,
    flat,
    foreign_knobs,
    ingredients,
)

if TYPE_CHECKING:
    from trainables.flow.config.run import FlowConfig

UNHASHED: Reasons = {
    "device": "a CPU and a GPU draw different numbers from one distribution",
    "cuda_graph": "takes the same steps in another way",
    "nll": "adds a metric and changes no other",
    "metrics": "adds metrics and changes no other",
    "keep_samples": "keeps something to look at, which nothing is measured of",
}
"""Fields that are not part of a run's id."""
SAME_LOSS: Reasons = {
    "dtype": "is the precision of the same error",
    "batch_size": "takes more or fewer of the same rows, unless the coupling depends on it",
    "data.size": "takes fewer rows of the same training part",
    "data.shape": "says what the same numbers stand for",
}
"""Fields that affect the targets of a loss without changing what it measures."""


def same_training(config: "FlowConfig", num_rows: int | None = None) -> dict[str, Any]:
    """The config with other spellings of one training folded together.

    Args:
        config: A run's config.
        num_rows: Rows of the whole training part, once the data have been read: then epochs and
            steps, sizes, warm-ups and averages can be compared.
    """
    values = config.model_dump(exclude=set(UNHASHED))
    values["flow"], values["coupling"] = config.canonical_flow
    values["aug"] = active_augmentations(config)
    values["scale"], (values["hidden_dim"], values["num_layers"]) = None, config.shape
    values |= dict.fromkeys(foreign_knobs(ingredients(config)))
    if config.epochs and config.patience and config.patience >= max(phases_of(config, 1)):
        values["patience"] = None
    values["data"] = _data(config, num_rows)
    size = num_rows if config.data.size == "all" else int(config.data.size)
    return values if size is None else values | _in_steps(config, size)


def comparison(config: "FlowConfig", metric: str) -> dict[str, Any]:
    """What must be equal between two runs for a metric to measure the same thing in both.

    A flow-matching loss is an error against targets that path, coupling and source define; the
    training loss also depends on the augmentation. A teacher's targets are a run's own, so nothing
    may differ. Metrics of samples depend on none of this, only on the number and the coordinates
    of the rows that samples are compared with.
    """
    data = {key: value for key, value in _data(config, None).items() if value is not None}
    held_out = {k: v for k, v in flat({"data": data}).items() if k not in SAME_LOSS}
    row = METRICS.get(metric, Metric())
    if row.is_measurable:
        return held_out
    if config.has_teacher:
        return {**flat(config.model_dump(mode="json", exclude={*UNHASHED, "data"})), "data": data}
    return {**_targets(config, row.of == "training"), **held_out}


def _targets(config: "FlowConfig", in_training: bool) -> dict[str, Any]:
    """What the targets of a loss depend on, except the rows."""
    (flow, coupling), pairing = config.canonical_flow, COUPLINGS[config.pairing]
    rows: list[Ingredient] = [FLOWS[flow], pairing]
    unseen, own = UNSEEN_BY_VALIDATION.keys() | SAME_LOSS, {"flow": flow, "coupling": coupling}
    if in_training:
        active = active_augmentations(config)
        rows += [AUGMENTATIONS[name] for name in active]
        unseen &= UNSEEN_BY_DRAWS.keys() | SAME_LOSS
        unseen -= set(pairing.depends_on)
        own["aug"] = "+".join(active)
    values = essentials(config, rows, unseen) | own
    return {key: value for key, value in values.items() if not key.startswith("data.")}


def _in_steps(config: "FlowConfig", rows: int) -> dict[str, Any]:
    """The length of training in steps, given the number of rows."""
    per_epoch = steps_per_epoch(rows, config.batch_size)
    phases = phases_of(config, per_epoch)
    epochs = max(-(-steps // per_epoch) for steps in phases)  # each phase has its own patience
    return {
        "epochs": None,
        "steps": phases,
        "warmup": [warmup_steps(config.warmup, steps) for steps in phases],
        # The average's decay warms up: a cap that it never reaches caps nothing.
        "ema_decay": ema_decay(max(phases) - 1, config.ema_decay),
        "patience": config.patience if config.patience and config.patience < epochs else None,
    }


def _data(config: "FlowConfig", num_rows: int | None) -> dict[str, Any]:
    """The data's keys: null resolved to its meaning, and None for keys that the source lacks."""
    written, row = config.data.model_dump(), SOURCES[config.data.source]
    foreign = dict.fromkeys(key for source in SOURCES.all_rows for key in source.keys)
    own = {
        key: default if written[key] is None else written[key] for key, default in row.keys.items()
    }
    size = "all" if config.data.size == num_rows else config.data.size
    return {**written, **foreign, **own, "size": size}
