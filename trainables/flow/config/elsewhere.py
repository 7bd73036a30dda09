"""Ingredients from elsewhere: `module:name` of one's own code, or what an installed package names.

A package names one by an entry point of the group `ablate.<key>`:

    [project.entry-points."ablate.arch"]
    velocity_unet = "their_nets:VelocityUNet"

Nothing is imported to read a config: `preflight` imports what a study names before anything trains,
and a worker when its trial begins.
"""

import contextlib
import functools
import importlib
import importlib.metadata
import inspect
import os
import sysconfig
import traceback
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from ablate.trainable.contract import ConfigError

Row = TypeVar("Row")
_OURS = Path(__file__).parents[2], Path(inspect.getfile(ConfigError)).parents[1]
_NOT_THEIRS = (
    "<", *(f"{folder}{os.sep}" for folder in _OURS),
    *(f"{sysconfig.get_path(name)}{os.sep}" for name in
      ("stdlib", "platstdlib", "purelib", "platlib")),
)  # fmt: skip
"""Where files begin that are not of the person who named an ingredient."""


class Table(dict[str, Row], Generic[Row]):
    """Rows by name; any name that it lacks stands for an ingredient from elsewhere.

    Args:
        rows: The built-in ingredients.
        elsewhere: The row of all others.
    """

    def __init__(self, rows: Mapping[str, Row], elsewhere: Row) -> None:
        super().__init__(rows)
        self.elsewhere = elsewhere

    def __missing__(self, name: str) -> Row:
        return self.elsewhere

    @property
    def all_rows(self) -> tuple[Row, ...]:
        """Those of the built-in ingredients, and that of the others."""
        return (*self.values(), self.elsewhere)


def is_reference(written: object) -> bool:
    """Whether a value names an object as `module:name`."""
    if not isinstance(written, str) or written.count(":") != 1:
        return False
    module, _, name = written.partition(":")
    return all(part.isidentifier() for path in (module, name) for part in path.split("."))


class Found:
    """What a config names, as the key of what has been made of it.

    It is known by its identity: once a module has been read again its objects are others.
    """

    def __init__(self, it: Any) -> None:
        self.it = it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Found) and other.it is self.it

    def __hash__(self) -> int:
        return id(self.it)


@functools.cache
def installed_names(key: str) -> tuple[str, ...]:
    """The names that installed packages give to ingredients of a key."""
    return tuple(sorted(importlib.metadata.entry_points(group=f"ablate.{key}").names))


def load_ingredient(key: str, name: str, at: str = "") -> Any:
    """The object that a config names.

    Args:
        key: The config key that names it: `arch`.
        name: `module:name`, or the name of an entry point.
        at: Its dotted name, where it is nested: `data.source` of the key `data`.

    Raises:
        ConfigError: If it cannot be imported.
    """
    try:
        if ":" not in name:
            return _entry_point(key, name).load()
        module, _, path = name.partition(":")
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:
        is_absent = isinstance(error, ImportError | AttributeError) and not _theirs(error)
        told = str(error) if is_absent else told_of(error)
        if isinstance(error, ModuleNotFoundError) and (error.name or "") in _above(name):
            told += ": start in the folder that holds the module, or install it"
        raise ConfigError(f"{name} cannot be imported: {told}", keys=[at or key]) from error
    return found


@functools.cache
def _entry_point(key: str, name: str) -> importlib.metadata.EntryPoint:
    points = importlib.metadata.entry_points(group=f"ablate.{key}", name=name)
    by_value = {point.value: point for point in points}
    if len(by_value) > 1:
        told = f"several installed packages give it ({', '.join(sorted(by_value))})"
        raise ImportError(f"{told}: write which, as module:name")
    return next(iter(by_value.values()))


@dataclass(frozen=True)
class OwnFunction:
    """What is called by name, and gets what it names.

    Attributes:
        name: How the config names it.
        function: What is called.
        parameters: Its parameters by the arguments that they get.
    """

    name: str
    function: Callable[..., Any]
    parameters: Mapping[str, str]

    def __call__(self, **values: Any) -> Any:
        """Calls it with those of the values that it takes."""
        taken = self.parameters.items()
        return self.function(**{own: values[name] for name, own in taken if name in values})


def by_name(
    key: str,
    name: str,
    function: Callable[..., Any],
    given: Collection[str],
    needs: Sequence[str] = (),
) -> OwnFunction:
    """A function that is called with keyword arguments, of which it gets those that it names.

    Args:
        key: See `parameters_by_name`, as for the others.
        name: Its name there.
        function: What is called.
        given: The arguments that there are.
        needs: Those that it has to take.

    Raises:
        ConfigError: As `parameters_by_name`.
    """
    return OwnFunction(name, function, parameters_by_name(key, name, function, given, needs))


def parameters_by_name(
    key: str,
    name: str,
    function: Callable[..., Any],
    given: Collection[str],
    needs: Sequence[str] = (),
) -> dict[str, str]:
    """A function's parameters by the arguments that they get.

    `x0` gets what is given as `x_0`: names are compared without underscores.

    Args:
        key: The config key that names it.
        name: Its name there, for messages.
        function: What is called.
        given: The arguments that there are.
        needs: Those that it has to take.

    Raises:
        ConfigError: If it does not take what it has to, or requires what is not given.
    """
    taken, is_open, wrong = dict[str, str](), False, list[str]()
    by_plain = {_plain(argument): argument for argument in given}
    for parameter in _parameters(key, name, function):
        argument = by_plain.get(_plain(parameter.name))
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            is_open = True
        elif argument is not None and parameter.kind is not inspect.Parameter.POSITIONAL_ONLY:
            taken[argument] = parameter.name
        elif parameter.default is parameter.empty and parameter.kind not in _VARIABLE:
            wrong.append(parameter.name)
    lacking = [argument for argument in needs if argument not in taken and not is_open]
    if wrong or lacking:
        told = [f"does not take {' and '.join(lacking)}"] if lacking else []
        told += [f"requires {', '.join(wrong)}"] if wrong else []
        raise ConfigError(
            f"{name} {' and '.join(told)}: it is called with {', '.join(given)}, by name",
            keys=[key],
        )
    everything = {argument: argument for argument in given} if is_open else {}
    return {**everything, **taken}


@contextlib.contextmanager
def failing_as(told: str, *keys: str) -> Generator[None]:
    """Tells what somebody's code raises as a mistake in the config: `<told>: ValueError: ...`.

    Args:
        told: What was asked of it: `my_nets:Net(width=8)`, `my_path:sample fails on rows`.
        *keys: The config keys that name it.

    Raises:
        ConfigError: If it raises anything.
    """
    try:
        yield
    except ConfigError as error:
        raise ConfigError(*error.messages, keys=error.keys or keys) from error
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{told}: {told_of(error)}", keys=keys) from error


def call_text(name: str, arguments: Mapping[str, Any]) -> str:
    """`my_nets:Net(width=8)`."""
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


def told_of(error: BaseException) -> str:
    """What somebody's code raised, and where: `ValueError: no such file (my_data.py:12)`."""
    told = next(iter(str(error).splitlines()), "")[:300]
    theirs = _theirs(error)
    place = f" ({Path(theirs[-1].filename).name}:{theirs[-1].lineno})" if theirs else ""
    return f"{type(error).__name__}: {told}{place}"


def _theirs(error: BaseException) -> list[traceback.FrameSummary]:
    """The calls within somebody's code that an error came by."""
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if not frame.filename.startswith(_NOT_THEIRS)]


def parameter_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's parameters, or of those that a class is made with."""
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _parameters(key: str, name: str, function: Callable[..., Any]) -> Collection[inspect.Parameter]:
    if not callable(function):
        raise ConfigError(f"{name} cannot be called: its type is {type(function).__name__}",
                          keys=[key])  # fmt: skip
    try:
        own = inspect.signature(function).parameters.values()
        forward = getattr(function, "forward", None)
        if inspect.isclass(function) or forward is None:
            return own
        return inspect.signature(forward).parameters.values()  # of a torch.nn.Module
    except ValueError as error:
        raise ConfigError(f"{name} has no signature to be called by: wrap it in a function",
                          keys=[key]) from error  # fmt: skip


def _plain(parameter: str) -> str:
    return parameter.replace("_", "")


def _above(name: str) -> set[str]:
    """The module that a reference names, and the packages that it is in."""
    parts = name.partition(":")[0].split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts) + 1)}
