"""Tries a module of somebody's own before anything trains, on rows of noise."""

import functools
import json

import torch
from torch import Tensor

from ablate.trainable.contract import ConfigError
from trainables.flow.config.elsewhere import Found, failing_as, load_ingredient
from trainables.flow.config.run import FlowConfig
from trainables.flow.networks.modules import Skeleton, State, initial_numbers, skeleton_of
from trainables.flow.randomness import CPU, generator, global_generators, seed_globally

ROWS = 4
"""More than one: some layers compare the rows of a batch."""


def check_module(config: FlowConfig, shape: tuple[int, ...]) -> None:
    """Checks that a config's module can be made and called, and returns velocities.

    Args:
        config: A run's; its `arch` is not built in.
        shape: Of a row of its data.

    Raises:
        ConfigError: If it cannot, with the key.
    """
    keys = {"arch", "arch_args", "call", "dtype"}
    written = json.dumps(config.model_dump(include=keys, mode="json"), sort_keys=True)
    _check(written, Found(load_ingredient("arch", config.arch)), shape)


@functools.lru_cache(maxsize=256)  # once for all cells and seeds that have it
def _check(written: str, named: Found, shape: tuple[int, ...]) -> None:
    config = FlowConfig.model_validate(json.loads(written))
    trained, kept = initial_numbers(config, shape, 0)
    like = next(iter(trained.values()))
    x = torch.randn(ROWS, *shape, generator=generator(0, 0, "check")).flatten(1).to(like.dtype)
    t = torch.linspace(0, 1, ROWS, dtype=like.dtype)
    for in_training in (True, False):
        skeleton = skeleton_of(config, shape, CPU, in_training)
        first, second = (_called(config, skeleton, _copies(trained, kept), x, t) for _ in range(2))
        _check_velocities(config, first, x)
        if not torch.equal(first, second):
            raise _mistake(config, "returns other velocities when it is called again with the "
                           "same ones, so a run could not be repeated: keep what changes from "
                           "call to call in buffers")  # fmt: skip


def _copies(trained: State, kept: State) -> State:
    """A run's numbers, those that are trained with gradients."""
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in trained.items()}
    return {**leaves, **{name: tensor.clone() for name, tensor in kept.items()}}


def _called(
    config: FlowConfig, skeleton: Skeleton, numbers: dict[str, Tensor], x: Tensor, t: Tensor
) -> Tensor:
    """What the module returns, of the right shape."""
    given = f"x {_shape(ROWS, *skeleton.shape)} and t ({ROWS},)"
    with failing_as(f"{config.arch} fails on {given}", "arch"), global_generators():
        seed_globally(0)
        found = skeleton.velocities(numbers, x.clone(), t.clone())
    wanted = (ROWS, *skeleton.shape)
    if not isinstance(found, Tensor):
        raise _mistake(config, f"returns a {type(found).__name__}, not a tensor")
    if tuple(found.shape) != wanted:
        raise _mistake(config, f"returns {_shape(*found.shape)} for x {_shape(*wanted)}: a "
                       "velocity has the shape of its point")  # fmt: skip
    return found


def _check_velocities(config: FlowConfig, found: Tensor, x: Tensor) -> None:
    if found.dtype != x.dtype:
        raise _mistake(config, f"returns {found.dtype} for x of {x.dtype}")
    if not found.isfinite().all():
        raise _mistake(config, "returns velocities that are not finite, before any training")
    if not found.requires_grad:
        raise _mistake(config, "returns velocities that depend on none of its parameters: is "
                       "something detached, or under no_grad?")  # fmt: skip


def _mistake(config: FlowConfig, message: str) -> ConfigError:
    return ConfigError(f"{config.arch} {message}", keys=["arch"])


def _shape(*axes: int) -> str:
    return f"({', '.join(map(str, axes))})"
