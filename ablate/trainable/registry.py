"""Looks up trainables: built-in ones, those of installed packages, and `module:Class`."""

import importlib
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ablate.errors import Problem
from ablate.process.needed_modules import ignored_modules
from ablate.trainable.config_model import ConfigModel
from ablate.trainable.contract import TrainableHooks
from ablate.trainable.loaded_code import note_loaded

ENTRY_POINTS = "ablate.trainables"
"""The entry point group by which packages provide trainables: `name = module:Class`, or a
`TrainableEntry` in a module that imports neither torch nor Ray."""


@dataclass(frozen=True)
class TrainableEntry:
    """What Ablate knows of a trainable before importing it.

    Attributes:
        name: The registered name, or `module:Class`.
        target: `module:Class` of the `ray.tune.Trainable`.
        hooks: What it can do beside training.
    """

    name: str
    target: str
    hooks: TrainableHooks = field(default_factory=TrainableHooks)

    def load_class(self) -> type[Any]:
        """The trainable's class; imports what it needs, including Ray."""
        cls = load_object(self.target)
        note_loaded(self.target)
        return cls

    def config_model(self) -> ConfigModel:
        """The config model with its hooks; one that accepts anything if the trainable has none.

        Raises:
            ImportError: If a user's module cannot be imported.
            AttributeError: If the module has no such class.
        """
        named = self.hooks.config
        if named is None:
            return ConfigModel.of(getattr(self.load_class(), "Config", None))
        return ConfigModel.of(load_object(named) if isinstance(named, str) else named)

    def preflight(self) -> Callable[[dict[str, Any]], Any] | None:
        """The data check, or None."""
        return _loaded(self.hooks.preflight)

    def sample(self) -> Callable[..., Any] | None:
        """The function that draws from best weights, or None."""
        return _loaded(self.hooks.sample)

    def evaluate(self) -> Callable[..., Any] | None:
        """The function that measures best weights, or None."""
        return _loaded(self.hooks.evaluate)


REGISTERED: dict[str, TrainableEntry] = {
    "flow_matching": TrainableEntry(
        name="flow_matching",
        target="trainables.flow_matching:FlowMatchingTrainable",
        hooks=TrainableHooks(
            config="trainables.flow.config.run:FlowConfig",
            preflight="trainables.flow.data.dataset:preflight",
            sample="trainables.flow.inference:sample",
            evaluate="trainables.flow.inference:evaluate",
            preload=("trainables.flow_matching", "trainables.flow.engine.pack"),
            packs=True,
        ),
    ),
}


def known_trainables() -> tuple[str, ...]:
    """The names of built-in and installed trainables."""
    installed = importlib.metadata.entry_points(group=ENTRY_POINTS).names
    return (*REGISTERED, *sorted(installed - REGISTERED.keys()))


def find_trainable(name: str) -> TrainableEntry | Problem:
    """The entry of a registered name or of `module:Class`, or what is wrong with the name."""
    if name in REGISTERED:
        return REGISTERED[name]
    for installed in importlib.metadata.entry_points(group=ENTRY_POINTS, name=name):
        return _entry_of(name, installed.value, installed.load)
    module, colon, attribute = name.partition(":")
    if not colon or not module or not attribute:
        return Problem(
            "trainable",
            "not a registered trainable",
            name,
            known_trainables(),
            "write one of them, or module:Class of your own ray.tune.Trainable",
        )
    if module == "__main__":
        return Problem("trainable", "is in the running script, which workers cannot import", name,
                       fix="move the class to a module of its own")  # fmt: skip
    return _entry_of(name, name, lambda: load_object(name))


def _entry_of(name: str, target: str, load: Callable[[], Any]) -> TrainableEntry | Problem:
    """The entry of an importable target, or why it is not a trainable."""
    try:
        loaded = load()
    except Exception as error:  # noqa: BLE001 - a user's module may raise anything
        kind = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
        message = f"cannot be imported: {kind}{error}"
        return Problem("trainable", message, name, fix=_fix_of_import())
    if isinstance(loaded, TrainableEntry):
        return replace(loaded, name=name)
    if not isinstance(loaded, type) or not hasattr(loaded, "save_checkpoint"):
        return Problem("trainable", "is not a ray.tune.Trainable class", name,
                       fix="derive it from ray.tune.Trainable")  # fmt: skip
    hooks = getattr(loaded, "ablate", None)
    if not isinstance(hooks, TrainableHooks | None):
        return Problem("trainable", "has an attribute `ablate` that is not TrainableHooks", name,
                       fix="write ablate = TrainableHooks(...)")  # fmt: skip
    return TrainableEntry(name, target, hooks or TrainableHooks())


def _loaded(named: Any) -> Any:
    return load_object(named) if isinstance(named, str) else named


def _fix_of_import() -> str:
    aside = ignored_modules()
    if not aside:
        return "start in the folder that holds the module, or install it"
    paths = ", ".join(aside.values())
    return f"rename {paths}: Ablate, or a library that it needs, imports a module of that name"


def load_object(target: str) -> Any:
    """The object that `module:name` names."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
