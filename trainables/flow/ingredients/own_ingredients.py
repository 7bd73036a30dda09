"""Paths, couplings and augmentations of people's own: what they get, and what they may return."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ablate.trainable.contract import ConfigError
from trainables.flow.config.augmentations import AUGMENTATIONS, AugmentationKeys
from trainables.flow.config.elsewhere import OwnFunction, load_ingredient, parameter_names
from trainables.flow.config.flows import FlowKeys
from trainables.flow.config.own_parts import own_function
from trainables.flow.ingredients.own_calls import Steps, as_tensor
from trainables.flow.randomness import Stream

X_T, U_T = ("x_t", "xt"), ("u_t", "ut", "dx_t")
"""What they are called in objects that hold both; `dx_t` is facebookresearch/flow_matching's."""


def own_path(keys: FlowKeys) -> OwnFunction:
    """The path that `flow` names.

    Raises:
        ConfigError: If it cannot be imported, made or called.
    """
    given, needs = ("x_0", "x_1", "t", "eps", "generator"), ("x_0", "x_1", "t")
    return own_function("flow", keys.flow, keys.flow_args, given, needs)


def own_path_sample(
    keys: FlowKeys, x_0: Tensor, x_1: Tensor, t: Tensor, eps: Tensor | None, steps: Steps,
    stream: Stream = "own path",
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Points and target velocities of one's own path.

    Args:
        keys: They name it.
        x_0: Noise, (steps, batch, dim).
        x_1: Data, (steps, batch, dim).
        t: Times, (steps, batch).
        eps: Standard normal draws (steps, batch, dim), for a path that takes them.
        steps: Which steps.
        stream: What its draws are for.

    Returns:
        `x_t` and `u_t`, both (steps, batch, dim).

    Raises:
        ConfigError: If it returns something else.
    """
    path, arguments = own_path(keys), {"x_0": x_0, "x_1": x_1, "t": t}
    if eps is not None:
        arguments["eps"] = eps
    points, velocities = list[Tensor](), list[Tensor]()
    for like, found in zip(x_1, steps.calls(path, stream, **arguments), strict=True):
        x_t, u_t = _both(path.name, found)
        points.append(steps.flat("flow", f"x_t of {path.name}", x_t, like))
        velocities.append(steps.flat("flow", f"u_t of {path.name}", u_t, like))
    return torch.stack(points), torch.stack(velocities)


def own_pairs(
    keys: FlowKeys, x_0: Tensor, x_1: Tensor, steps: Steps, stream: Stream = "own coupling"
) -> tuple[Tensor, Tensor]:
    """Noise and data as one's own coupling pairs them.

    Args:
        keys: They name it.
        x_0: Noise, (steps, batch, dim).
        x_1: Data, (steps, batch, dim).
        steps: Which steps.
        stream: What its draws are for.

    Returns:
        Both, (steps, batch, dim).

    Raises:
        ConfigError: If it returns something else.
    """
    given, needs = ("x_0", "x_1", "generator"), ("x_0", "x_1")
    coupling = own_function("coupling", keys.pairing, keys.coupling_args, given, needs)
    found = steps.calls(coupling, stream, x_0=x_0, x_1=x_1)
    pairs = [
        _pair(coupling.name, each, noise, data, steps)
        for each, noise, data in zip(found, x_0, x_1, strict=True)
    ]
    noises, rows = zip(*pairs, strict=True)
    return torch.stack(noises), torch.stack(rows)


def own_augmented(keys: AugmentationKeys, name: str, x_1: Tensor, steps: Steps) -> Tensor:
    """Rows as one's own augmentation changes them.

    Args:
        keys: They name it.
        name: Which of theirs.
        x_1: Rows in normalised coordinates, (steps, batch, dim).
        steps: Which steps.

    Returns:
        (steps, batch, dim).

    Raises:
        ConfigError: If it returns something else.
    """
    arguments = _augmentation_arguments(keys)[name]
    function = own_function("aug", name, arguments, ("x_1", "generator"), ("x_1",))
    found = steps.calls(function, f"aug {name}", x_1=x_1)
    each = zip(found, x_1, strict=True)
    return torch.stack([steps.flat("aug", f"what {name} returns", x, like) for x, like in each])


def _augmentation_arguments(keys: AugmentationKeys) -> dict[str, dict[str, Any]]:
    """What each of one's own augmentations takes of `aug_args`."""
    written, own = keys.aug_args, [n for n in keys.augmentations if n not in AUGMENTATIONS]
    if len(own) == 1:
        return {own[0]: written}
    names = {name: parameter_names(load_ingredient("aug", name)) for name in own}
    if foreign := [n for n in written if not any(n in taken for taken in names.values())]:
        raise ConfigError(f"none of {', '.join(own)} takes {foreign[0]}", keys=["aug_args"])
    return {
        name: {n: value for n, value in written.items() if n in taken}
        for name, taken in names.items()
    }


def _both(name: str, found: Any) -> tuple[Any, Any]:
    """`x_t` and `u_t` of what a path returned."""
    x_t, u_t = _named(found, X_T), _named(found, U_T)
    if x_t is not None and u_t is not None:
        return x_t, u_t
    if isinstance(found, Sequence) and len(found) == 2:
        return found[0], found[1]
    raise ConfigError(
        f"{name} returns {_kind(found)}: return x_t and u_t, as a pair or as an object that has "
        "them",
        keys=["flow"],
    )


def _named(found: Any, names: Sequence[str]) -> Any:
    has = found if isinstance(found, Mapping) else {n: getattr(found, n, None) for n in names}
    return next((has[name] for name in names if has.get(name) is not None), None)


def _pair(name: str, found: Any, x_0: Tensor, x_1: Tensor, steps: Steps) -> tuple[Tensor, Tensor]:
    """Noise and data of a batch, (batch, dim) each, of what a coupling returned."""
    if not isinstance(found, tuple | list):
        return _side(name, found, x_0, steps), x_1
    if len(found) != 2:
        raise ConfigError(
            f"{name} returns {_kind(found)}: return which noise goes with which row (integers), "
            "the noise reordered, or a pair of noise and rows",
            keys=["coupling"],
        )
    return _side(name, found[0], x_0, steps), _side(name, found[1], x_1, steps)


def _side(name: str, found: Any, rows: Tensor, steps: Steps) -> Tensor:
    """Rows (batch, dim), given by number or as they are."""
    told = f"what {name} returns"
    if found is None:
        raise ConfigError(f"{told} is None", keys=["coupling"])
    numbers = as_tensor(found)
    if numbers.dtype == torch.bool:
        raise ConfigError(f"{told} are truth values, not numbers of rows", keys=["coupling"])
    if numbers.ndim != 1 or numbers.is_floating_point():
        return steps.flat("coupling", told, numbers, rows)
    if len(numbers) != len(rows) or not ((numbers >= 0) & (numbers < len(rows))).all():
        raise ConfigError(
            f"{told} are {len(numbers)} numbers for {len(rows)} rows: return one of 0 to "
            f"{len(rows) - 1} for each",
            keys=["coupling"],
        )
    return rows[numbers.to(rows.device, torch.long)]


def _kind(found: Any) -> str:
    if isinstance(found, tuple | list):
        return f"{len(found)} things"
    return f"a {type(found).__name__}"
