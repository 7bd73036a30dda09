"""How a function gets its config, by its signature.

One positional parameter gets the whole config, as Tune's function API has it. Otherwise the
config's keys are bound to the parameters of their names.
"""

import difflib
import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from inspect import Parameter, Signature
from typing import Any

from ablate.errors import Problem
from ablate.text import some

SEED = "seed"
"""The key by which every run gets its seed."""
WHOLE = "config"
"""A first parameter of this name gets the whole config, even where a key has that name."""
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def takes_whole(signature: Signature, keys: Collection[str]) -> bool:
    """Whether a function gets the config as its one argument.

    Args:
        signature: The function's.
        keys: Those of the config: a parameter with the name of one gets that one.
    """
    parameters = list(signature.parameters.values())
    if not parameters:
        return False
    first, *others = parameters
    if first.kind is Parameter.VAR_POSITIONAL:
        return True
    if first.kind not in _POSITIONAL or any(map(_is_required, others)):
        return False
    if first.name == WHOLE:
        return True
    return not any(one.name in {SEED, *keys} for one in parameters)


def bound(function: Callable[..., Any], config: Mapping[str, Any]) -> Callable[[], Any]:
    """The call of a function with a run's config, its seed included."""
    signature = inspect.signature(function)
    if takes_whole(signature, config.keys()):
        return lambda: function(config)
    given: list[Any] = []
    named: dict[str, Any] = dict(config)
    for parameter in signature.parameters.values():
        if parameter.kind is Parameter.POSITIONAL_ONLY:
            given.append(named.pop(parameter.name, parameter.default))
    return lambda: function(*given, **named)


def names_are_checked(function: Callable[..., Any], configs: Iterable[Mapping[str, Any]]) -> bool:
    """Whether `signature_problem` sees every misspelt key of configs."""
    signature = inspect.signature(function)
    kinds = [keys for keys, _ in _distinct(("", config) for config in configs)]
    return not _takes_any(signature) and not any(takes_whole(signature, keys) for keys in kinds)


def signature_problem(
    name: str, function: Callable[..., Any], configs: Iterable[tuple[str, Mapping[str, Any]]]
) -> Problem | None:
    """What keys and parameters do not fit each other, as one problem.

    Args:
        name: The function's, as the study names it.
        function: The function.
        configs: The cells, by their names for people; their configs are without the seed.

    Returns:
        The problem of the key `trainable`, and of those keys of configs that nothing takes.
    """
    signature = inspect.signature(function)
    missing: dict[str, str] = {}
    unknown: dict[str, str] = {}
    for keys, cell in _distinct(configs):
        if takes_whole(signature, keys):
            continue
        parameters = _by_name(signature)
        required = [key for key, one in parameters.items() if _is_required(one)]
        missing |= {key: cell for key in required if key not in {SEED, *keys, *missing}}
        if not _takes_any(signature):
            unknown |= {key: cell for key in (*keys, SEED) if key not in parameters | unknown}
    if not missing and not unknown:
        return None
    told = [*_missing(missing), *_unknown(unknown, list(signature.parameters))]
    message = f"{_head(name, signature)}: {'; '.join(told)}"
    keys = [key for key in unknown if key != SEED]
    return Problem("trainable", message, fix=_fix(missing, unknown)).of_keys("trainable", *keys)


def _distinct(configs: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[tuple[list[str], str]]:
    """The sets of keys that cells have, each with the first cell that has it."""
    seen: dict[frozenset[str], tuple[list[str], str]] = {}
    for cell, config in configs:
        keys = [str(key) for key in config]
        seen.setdefault(frozenset(keys), (keys, cell))
    yield from seen.values()


def _by_name(signature: Signature) -> dict[str, Parameter]:
    return {key: one for key, one in signature.parameters.items() if one.kind not in _VARIABLE}


def _is_required(parameter: Parameter) -> bool:
    return parameter.default is Parameter.empty and parameter.kind not in _VARIABLE


def _takes_any(signature: Signature) -> bool:
    return any(one.kind is Parameter.VAR_KEYWORD for one in signature.parameters.values())


def _missing(missing: Mapping[str, str]) -> Iterator[str]:
    if missing:
        cell = next(iter(missing.values()))
        yield f"no key of base or factors gives {some(list(missing))} (in cell {cell})"


def _unknown(unknown: Mapping[str, str], parameters: Sequence[str]) -> Iterator[str]:
    keys = [key for key in unknown if key != SEED]
    if keys:
        near = [(key, difflib.get_close_matches(key, parameters, 1)) for key in keys]
        told = [f"{key} ({found[0]}?)" if found else key for key, found in near]
        yield f"it does not take {some(told)} (of cell {unknown[keys[0]]})"
    if SEED in unknown:
        yield "it does not take seed, so that all seeds would be one run"


def _head(name: str, signature: Signature) -> str:
    """`train(lr, seed, width=64)`."""
    plain = [one.replace(annotation=Parameter.empty) for one in signature.parameters.values()]
    shown = Signature(plain, return_annotation=Signature.empty)
    return f"{name.rpartition(':')[2]}{shown}"


def _fix(missing: Mapping[str, str], unknown: Mapping[str, str]) -> str:
    if list(unknown) == [SEED] and not missing:
        return "add a parameter seed, and draw from it; or take the config as the one parameter"
    if missing and not unknown:
        return "set them in base, or give them defaults"
    return "give keys and parameters the same names; one parameter `config` takes all keys"
