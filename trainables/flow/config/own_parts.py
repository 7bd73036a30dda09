"""Functions of people's own that take part in training, made as a config says; torch-free.

A reference names a function, or a class that makes one: then it gets the arguments of the config.
What cannot be called itself is called by its method `sample` (or `sample_plan`).
"""

import contextlib
import functools
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ablate.trainable.contract import ConfigError
from trainables.flow.config.elsewhere import (
    Found,
    OwnFunction,
    call_text,
    failing_as,
    load_ingredient,
    parameters_by_name,
)

METHODS = ("sample", "sample_plan")
KEPT = 256
"""Functions that a process keeps."""


def own_function(
    key: str,
    name: str,
    arguments: Mapping[str, Any],
    given: Sequence[str],
    needs: Sequence[str] = (),
) -> OwnFunction:
    """The function that a key names; made once, until its module is read again.

    Args:
        key: The config key.
        name: Its value.
        arguments: What is written beside it.
        given: What it is called with.
        needs: What of it has to be taken.

    Raises:
        ConfigError: If it cannot be imported, made or called so.
    """
    written = json.dumps(arguments, sort_keys=True, default=str)
    return _own_function(
        key, name, Found(load_ingredient(key, name)), written, tuple(given), tuple(needs)
    )


def own_maker(
    key: str, name: str, arguments: Mapping[str, Any], given: Sequence[str], needs: Sequence[str]
) -> OwnFunction:
    """As `own_function`, of what is called each time: a class then makes something each time."""
    return _called(key, name, load_ingredient(key, name), arguments, given, needs)


@functools.lru_cache(maxsize=KEPT)
def _own_function(
    key: str, name: str, named: Found, written: str, given: tuple[str, ...], needs: tuple[str, ...]
) -> OwnFunction:
    found, arguments = named.it, json.loads(written)
    if inspect.isclass(found):
        found, arguments = _made(key, name, found, arguments), {}
    methods = (getattr(found, method) for method in METHODS if hasattr(found, method))
    function = found if callable(found) else next(methods, found)
    return _called(key, name, function, arguments, given, needs)


def _called(
    key: str,
    name: str,
    function: Callable[..., Any],
    arguments: Mapping[str, Any],
    given: Sequence[str],
    needs: Sequence[str],
) -> OwnFunction:
    parameters = parameters_by_name(key, name, _bound(key, name, function, arguments), given, needs)
    # An argument that the config gives is the config's.
    free = {argument: own for argument, own in parameters.items() if own not in arguments}
    if lost := [argument for argument in needs if argument not in free]:
        raise ConfigError(
            f"{key}_args has {lost[0]}, which {name} gets in training: leave it out",
            keys=[f"{key}_args"],
        )
    return OwnFunction(name, functools.partial(function, **arguments), free)


def _bound(
    key: str, name: str, function: Callable[..., Any], arguments: Mapping[str, Any]
) -> Callable[..., Any]:
    """A function with some of its arguments."""
    if not arguments or not callable(function):
        return function
    with _made_of(key, name, arguments):
        inspect.signature(function).bind_partial(**arguments)
    return functools.partial(function, **arguments)


def _made(key: str, name: str, made_of: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    # What it draws belongs to no run: it is the same in every process.
    from trainables.flow.randomness import global_generators, seed_globally  # loads torch

    with _made_of(key, name, arguments), global_generators():
        seed_globally(0)
        return made_of(**arguments)


def _made_of(
    key: str, name: str, arguments: Mapping[str, Any]
) -> contextlib.AbstractContextManager[None]:
    return failing_as(call_text(name, arguments), f"{key}_args" if arguments else key)
