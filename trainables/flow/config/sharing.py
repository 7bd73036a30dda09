"""What runs of a pack may share, and which runs can form a pack; torch-free.

Each key is the whole config, minus fields that are known not to matter, each with its reason, and
minus the knobs of ingredients that do not matter or are not in use. So a field that was overlooked
keeps runs apart, which costs time; it never makes two cells of an ablation train on the same
numbers.
"""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from trainables.flow.config.augmentations import AUGMENTATIONS, active_augmentations
from trainables.flow.config.elsewhere import Table
from trainables.flow.config.flows import COUPLINGS, FLOWS, flow_rows
from trainables.flow.config.ingredient import Ingredient
from trainables.flow.config.optimizers import OPTIMIZERS
from trainables.flow.config.schedule import steps_per_epoch
from trainables.flow.config.schedules import SCHEDULES
from trainables.flow.config.shapes import ARCHS

if TYPE_CHECKING:
    from trainables.flow.config.run import FlowConfig

TABLES: tuple[Mapping[str, Ingredient], ...] = (
    FLOWS, COUPLINGS, AUGMENTATIONS, ARCHS, SCHEDULES, OPTIMIZERS,
)  # fmt: skip
"""The tables whose knobs are keys of the config itself."""

Reasons = Mapping[str, str]
"""Why a field cannot matter, by field."""

_NETWORK = dict.fromkeys(
    ("arch", "arch_args", "call", "scale", "hidden_dim", "num_layers"),
    "a network takes rows, it draws none",
)
_UPDATES = dict.fromkeys(
    (
        "lr", "optimizer", "optimizer_args", "weight_decay", "beta1", "beta2", "warmup", "schedule",
        "schedule_args", "final_lr", "ema_decay", "clip",
    ),
    "says what is done with a gradient, separately for each run",
)  # fmt: skip
_LENGTH = dict.fromkeys(
    ("epochs", "steps", "patience"), "says when a run ends: an epoch's draws depend on its number"
)
_MEASURING = dict.fromkeys(
    ("solver", "solver_steps", "nll", "metrics", "keep_samples"),
    "is used after training, and for a teacher's pairs, which no other run shares",
)
_MACHINE = dict.fromkeys(("device", "cuda_graph"), "is the same for all runs of a pack")

UNSEEN_BY_DRAWS: Reasons = {
    **_NETWORK, **_UPDATES, **_LENGTH, **_MEASURING, **_MACHINE,
    "flow": "turns draws into targets, separately for each run",
    "coupling": "pairs draws that are there, separately for each way to pair them",
}  # fmt: skip
UNSEEN_BY_VALIDATION: Reasons = {
    **_NETWORK, **_UPDATES, **_LENGTH, **_MEASURING, **_MACHINE,
    "aug": "changes rows in training only",
    "batch_size": "validation rows are coupled in batches of a fixed size",
    "data.size": "takes fewer training rows: validation rows and their scale stay",
}  # fmt: skip
SEEN_BY_OWN_PARTS: Reasons = {
    "data.shape": "is what parts of people's own get rows in: they may draw by it",
}
"""Fields that change draws and targets through ingredients from elsewhere alone."""
FREE_IN_PACKS: Reasons = {
    **_UPDATES, **_LENGTH, **_MEASURING,
    **dict.fromkeys(
        ("flow", "coupling", "aug"), "makes a run's own rows and targets, which are stacked"
    ),
    **dict.fromkeys(("scale", "hidden_dim", "num_layers"), "is in the shape, which counts"),
    "data.size": "is in the number of batches, which counts",
}  # fmt: skip


def draws_identity(config: "FlowConfig") -> str:
    """Equal for configs whose runs of one seed draw the same rows, noise and times."""
    rows = [AUGMENTATIONS[name] for name in config.augmentations]
    return _text(essentials(config, rows, UNSEEN_BY_DRAWS))


def coupling_identity(config: "FlowConfig") -> str:
    """Equal for configs that couple the same draws in the same way."""
    name = config.pairing
    return _text({"coupling": name, **COUPLINGS[name].values(config)})


def validation_identity(config: "FlowConfig") -> str:
    """Equal for configs whose runs have the same validation targets."""
    return _text(essentials(config, flow_rows(config), UNSEEN_BY_VALIDATION))


def pack_key(config: "FlowConfig") -> tuple[str, ...]:
    """Equal for runs that can be stacked: one network shape, batch size and number of batches.

    Runs with teachers form packs of their own: they stop half-way to make their pairs.
    """
    size = config.data.size
    batches = steps_per_epoch(size, config.batch_size) if isinstance(size, int) else size
    data = {k: value for k, value in _of_packs(config).items() if k.startswith("data.")}
    # What fails in somebody's code costs no runs without it.
    code = {key: names for key, names in config.code().items() if key not in ("arch", "metrics")}
    return stack_key(config), _text({**data, "batches": batches, "code": code})


def stack_key(config: "FlowConfig") -> str:
    """The part of `pack_key` that does not depend on the data."""
    own = {k: value for k, value in _of_packs(config).items() if not k.startswith("data.")}
    return _text({**own, "shape": config.shape, "teacher": config.has_teacher})


def essentials(
    config: "FlowConfig", rows: Iterable[Ingredient], without: Iterable[str]
) -> dict[str, Any]:
    """A config's values by dotted key.

    Args:
        config: The config.
        rows: The ingredients whose knobs matter; all other knobs are left out.
        without: Fields that are left out.
    """
    foreign = foreign_knobs(rows)
    values = flat(config.model_dump(mode="json"))
    out = {*without, *foreign}
    return {k: v for k, v in values.items() if k not in out and k.partition(".")[0] not in out}


def ingredients(config: "FlowConfig") -> list[Ingredient]:
    """Those that train a run: of augmentations the active ones, of spellings the canonical one."""
    flow, _ = config.canonical_flow
    augmentations = [AUGMENTATIONS[name] for name in active_augmentations(config)]
    return [FLOWS[flow], COUPLINGS[config.pairing], *augmentations, ARCHS[config.arch],
            SCHEDULES[config.schedule], OPTIMIZERS[config.optimizer]]  # fmt: skip


def foreign_knobs(rows: Iterable[Ingredient]) -> set[str]:
    """The knobs that none of these ingredients has."""
    every = {knob for table in TABLES for row in _rows(table) for knob in row.knobs}
    return every - {knob for row in rows for knob in row.knobs}


def _rows(table: Mapping[str, Ingredient]) -> Iterable[Ingredient]:
    return table.all_rows if isinstance(table, Table) else table.values()


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one with dotted keys.

    Arguments of an ingredient are one value: `differing_keys` compares what all configs have.
    """
    flattened: dict[str, Any] = {}
    for key, value in values.items():
        if key.endswith("_args"):
            flattened[f"{prefix}{key}"] = _text(value)
            continue
        inner = flat(value, f"{prefix}{key}.") if isinstance(value, dict) else None
        flattened |= {f"{prefix}{key}": value} if inner is None else inner
    return flattened


def _of_packs(config: "FlowConfig") -> dict[str, Any]:
    return essentials(config, [ARCHS[config.arch]], FREE_IN_PACKS)


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)
