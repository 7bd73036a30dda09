"""What an imported object is as a trainable: a class of Ray Tune's, a function, or a mistake."""

import inspect
from collections.abc import Callable
from typing import Any, TypeGuard

from ablate.errors import Problem


def is_class(loaded: Any) -> TypeGuard[type[Any]]:
    """Whether it is a `ray.tune.Trainable` class, told without Ray."""
    return isinstance(loaded, type) and hasattr(loaded, "save_checkpoint")


def is_function(loaded: Any) -> bool:
    """Whether it is called once a run."""
    return callable(loaded) and not isinstance(loaded, type)


def kind_problem(name: str, loaded: Any) -> Problem | None:
    """Why an object is no trainable; None if it is one."""
    if is_class(loaded):
        return None
    if isinstance(loaded, type):
        return Problem("trainable", "is a class, but no ray.tune.Trainable", name,
                       fix="derive it from ray.tune.Trainable, or name a function")  # fmt: skip
    if not callable(loaded):
        return Problem("trainable", f"is neither a class nor a function, but {_a(loaded)}", name,
                       fix="name a ray.tune.Trainable class, or a function")  # fmt: skip
    if type(loaded).__module__.partition(".")[0] == "ray":
        return Problem("trainable", f"is Ray's own {type(loaded).__name__}, not a function", name,
                       fix="name the function without @ray.remote: it runs in a trial")  # fmt: skip
    if _is_async(loaded):
        return Problem("trainable", "is an async function, which nothing here awaits", name,
                       fix="write a plain one that calls asyncio.run(...)")  # fmt: skip
    return _unreadable(name, loaded)


def _unreadable(name: str, function: Callable[..., Any]) -> Problem | None:
    try:
        inspect.signature(function)
    except (ValueError, TypeError):
        return Problem("trainable", "does not tell its parameters, as functions in C", name,
                       fix="write def train(config): ... that calls it")  # fmt: skip
    return None


def _is_async(loaded: Callable[..., Any]) -> bool:
    kinds = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    return any(kind(each) for kind in kinds for each in (loaded, type(loaded).__call__))


def _a(loaded: Any) -> str:
    return "None" if loaded is None else f"of type {type(loaded).__name__}"
