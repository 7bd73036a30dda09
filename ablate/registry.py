"""Short names of trainables, and where their class and config model live (imported late)."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from ablate.errors import Problem
from ablate.loaded_code import note_loaded
from ablate.needed_modules import stood_aside


@dataclass(frozen=True)
class TrainableEntry:
    """What Ablate knows of a trainable before importing it.

    Attributes:
        name: The registered name, or `module:Class`.
        target: `module:Class` of the `ray.tune.Trainable`.
        config: `module:Class` of a pydantic config model that imports neither torch nor Ray.
        preflight: `module:function` that checks a run's data before anything starts, and returns
            what the ledger and the plan can know by then: `data_fingerprint`, `num_parameters`,
            `same_training` (equal for configs that are one training under two names).
        sample: `module:function` that draws rows from a run's best weights.
        evaluate: `module:function` that takes a metric of a run's best weights.
        preload: Modules that a trial needs, for workers that wait for one.
        packs: Takes `{runs: [...], study_dir}` and reports by run; see the design of packs.
    """

    name: str
    target: str
    config: str | None = None
    preflight: str | None = None
    sample: str | None = None
    evaluate: str | None = None
    preload: tuple[str, ...] = ("ray.tune",)
    packs: bool = False

    def load_class(self) -> type[Any]:
        """The trainable's class; imports what it needs, Ray among it."""
        found = load_object(self.target)
        note_loaded(self.target)
        return found

    def config_model(self) -> type[BaseModel] | None:
        """The config model, or None where the trainable has none.

        Raises:
            ImportError: Where a foreign trainable's module cannot be imported.
            AttributeError: Where the module has no such class.
        """
        if self.config is not None:
            return load_object(self.config)
        model = getattr(self.load_class(), "Config", None)
        is_model = isinstance(model, type) and issubclass(model, BaseModel)
        return model if is_model else None

    def load_preflight(self) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
        """The data check, or None."""
        return load_object(self.preflight) if self.preflight else None


REGISTERED: dict[str, TrainableEntry] = {
    entry.name: entry
    for entry in (
        TrainableEntry(
            name="flow_matching",
            target="trainables.flow_matching:FlowMatchingTrainable",
            config="trainables.flow.config:FlowConfig",
            preflight="trainables.flow.data:preflight",
            sample="trainables.flow.inference:sample",
            evaluate="trainables.flow.inference:evaluate",
            preload=("trainables.flow_matching", "trainables.flow.training"),
            packs=True,
        ),
    )
}


def find_trainable(name: str) -> TrainableEntry | Problem:
    """The entry of a registered name or of `module:Class`, or what is wrong with the name."""
    if name in REGISTERED:
        return REGISTERED[name]
    module, colon, attribute = name.partition(":")
    if not colon or not module or not attribute:
        return Problem(
            "trainable",
            "not a registered trainable",
            name,
            tuple(REGISTERED),
            "write one of them, or module:Class of a ray.tune.Trainable of your own",
        )
    if module == "__main__":
        return Problem("trainable", "is in the script that runs, which workers cannot import", name,
                       fix="move the class to a module of its own")  # fmt: skip
    entry = TrainableEntry(name=name, target=name)
    try:
        found: Any = entry.load_class()
    except Exception as error:  # noqa: BLE001 - somebody's module may raise anything
        kind = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
        return Problem(
            "trainable", f"cannot be imported: {kind}{error}", name,
            fix=_fix_of_import(),
        )  # fmt: skip
    if not isinstance(found, type) or not hasattr(found, "save_checkpoint"):
        return Problem("trainable", "is not a ray.tune.Trainable class", name,
                       fix="derive it from ray.tune.Trainable")  # fmt: skip
    return entry


def _fix_of_import() -> str:
    aside = stood_aside()
    if not aside:
        return "start from the folder that holds the module, or install it"
    paths = ", ".join(aside.values())
    return f"rename {paths}: Ablate, or a library that it needs, imports another of that name"


def load_object(target: str) -> Any:
    """The object that `module:name` names."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
