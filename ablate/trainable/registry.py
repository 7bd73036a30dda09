"""Looks up trainables: built-in ones, those of installed packages, and `module:name` of others."""

import importlib
import importlib.metadata
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from ablate.commands.code import code_files
from ablate.commands.spec import Command
from ablate.errors import Problem
from ablate.functions.kinds import is_function, kind_problem
from ablate.process.needed_modules import ignored_modules
from ablate.trainable.code_files import OwnCode
from ablate.trainable.config_model import ANY_CONFIG, ConfigModel, Specs
from ablate.trainable.contract import SampleMaker, TrainableHooks
from ablate.trainable.loaded_code import note_loaded

_FACE_OF_FUNCTIONS = "trainables.function:function_class"
ENTRY_POINTS = "ablate.trainables"
"""The entry point group by which packages provide trainables: `name = module:Class`, or a
`TrainableEntry` in a module that imports neither torch nor Ray."""


COMMAND = "trainables.command:CommandTrainable"
"""What starts commands."""


@dataclass(frozen=True)
class TrainableEntry:
    """What Ablate knows of a trainable before importing it.

    Attributes:
        name: What stands for it in run ids: the registered name, `module:Object`, or a command's.
        target: `module:Class` of the `ray.tune.Trainable`, or `module:function`.
        hooks: What it can do beside training.
        command: The command that it starts, if it is one.
        is_function: Whether it is a function, which is hosted by a class of ours.
        folder: Where the command is started.
    """

    name: str
    target: str
    hooks: TrainableHooks = field(default_factory=TrainableHooks)
    command: Command | None = None
    is_function: bool = False
    folder: str = ""

    def load_class(self) -> type[Any]:
        """The trainable's class, of a function the one that hosts it; imports Ray."""
        loaded = load_object(self.target)
        note_loaded(self.target)
        return load_object(_FACE_OF_FUNCTIONS)(self.target) if self.is_function else loaded

    def load_function(self) -> Callable[..., Any]:
        """The function, of an entry that is one."""
        loaded = load_object(self.target)
        note_loaded(self.target)
        return loaded

    def config_model(self) -> ConfigModel:
        """The config model with its hooks; one that accepts anything if the trainable has none.

        Raises:
            ImportError: If a user's module cannot be imported.
            AttributeError: If the module has no such class.
        """
        named = self.hooks.config
        if named is None and (self.command is not None or not self.target):
            return ANY_CONFIG
        if named is None:
            loaded = self.load_function() if self.is_function else self.load_class()
            return ConfigModel.of(getattr(loaded, "Config", None))
        return ConfigModel.of(load_object(named) if isinstance(named, str) else named)

    def own_code(self) -> OwnCode:
        """The files of its training code."""
        if self.command is None:
            return OwnCode.of(self.target)
        folder = Path(self.folder or Path.cwd())
        return OwnCode(self.name, folder, code_files(self.command, folder), is_imported=False)

    def preflight(self) -> Callable[[dict[str, Any]], Any] | None:
        """The data check, or None."""
        return _loaded(self.hooks.preflight)

    def sample(self) -> Callable[..., Any] | None:
        """The function that draws from best weights, or None."""
        return _loaded(self.hooks.sample)

    def evaluate(self) -> Callable[..., Any] | None:
        """The function that measures best weights, or None."""
        return _loaded(self.hooks.evaluate)

    def keep_samples(self) -> SampleMaker | None:
        """The function that makes samples to be looked at, or None."""
        return _loaded(self.hooks.keep_samples)


@dataclass(frozen=True)
class StudyEntry(TrainableEntry):
    """A trainable in a study that adds metrics to those which its config model declares."""

    of_study: Specs = ()

    def config_model(self) -> ConfigModel:
        """The config model, with the study's metrics."""
        return replace(super().config_model(), of_study=self.of_study)


REGISTERED: dict[str, TrainableEntry] = {
    "flow_matching": TrainableEntry(
        name="flow_matching",
        target="trainables.flow_matching:FlowMatchingTrainable",
        hooks=TrainableHooks(
            config="trainables.flow.config.run:FlowConfig",
            preflight="trainables.flow.data.dataset:preflight",
            sample="trainables.flow.inference:sample",
            evaluate="trainables.flow.inference:evaluate",
            keep_samples="trainables.flow.inference:keep_samples",
            preload=("trainables.flow_matching", "trainables.flow.engine.pack"),
            packs=True,
        ),
    ),
}


def known_trainables() -> tuple[str, ...]:
    """The names of built-in and installed trainables."""
    installed = importlib.metadata.entry_points(group=ENTRY_POINTS).names
    return (*REGISTERED, *sorted(installed - REGISTERED.keys()))


def find_trainable(name: str | Command) -> TrainableEntry | Problem:
    """The entry of a registered name, of `module:name` or of a command, or what is wrong."""
    if isinstance(name, Command):
        return TrainableEntry(name.identity, COMMAND, TrainableHooks(packs=True), name)
    if name in REGISTERED:
        return REGISTERED[name]
    for installed in importlib.metadata.entry_points(group=ENTRY_POINTS, name=name):
        return _entry_of(name, installed.value, installed.load)
    module, colon, attribute = name.partition(":")
    if not colon or not module or not attribute:
        return Problem("trainable", "not a registered trainable", name, known_trainables(),
                       _fix_of_name(name))  # fmt: skip
    if module == "__main__":
        return Problem("trainable", "is in the running script, which workers cannot import", name,
                       fix="move the class to a module of its own")  # fmt: skip
    return _entry_of(name, name, lambda: load_object(name))


def _entry_of(name: str, target: str, load: Callable[[], Any]) -> TrainableEntry | Problem:
    """The entry of an importable target, or why it is not a trainable."""
    try:
        loaded = load()
    except Exception as error:  # noqa: BLE001 - a user's module may raise anything
        if isinstance(error, AttributeError) and (module := sys.modules.get(target.split(":")[0])):
            return _absent(name, module)
        kind = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
        message = f"cannot be imported: {kind}{error}"
        return Problem("trainable", message, name, fix=_fix_of_import())
    if isinstance(loaded, TrainableEntry):
        return replace(loaded, name=name)
    if (problem := kind_problem(name, loaded)) is not None:
        return problem
    hooks = getattr(loaded, "ablate", None)
    if not isinstance(hooks, TrainableHooks | None):
        return Problem("trainable", "has an attribute `ablate` that is not TrainableHooks", name,
                       fix="write ablate = TrainableHooks(...)")  # fmt: skip
    return TrainableEntry(name, target, hooks or TrainableHooks(), None, is_function(loaded))


def _absent(name: str, module: ModuleType) -> Problem:
    """That a module has no such object, and what of its own it has."""
    own = [
        f"{module.__name__}:{key}"
        for key, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    ]
    message = f"cannot be imported: it is not in {module.__file__ or module.__name__}"
    return Problem(
        "trainable",
        message,
        name,
        tuple(own),
        _fix_of_import() if ignored_modules() else "name what is in the module",
    )


def _fix_of_name(name: str) -> str:
    if " " in name.strip():
        return f"for a command write trainable: {{command: {json.dumps(name)}}}"
    if name.endswith(".py"):
        return f'for a script write trainable: {{command: "{{python}} {name} {{overrides}}"}}'
    module, dot, attribute = name.rpartition(".")
    if dot and module and attribute:
        return f"write {module}:{attribute} if that is an object of yours"
    return "write one of them, or module:name of your own function or ray.tune.Trainable"


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
