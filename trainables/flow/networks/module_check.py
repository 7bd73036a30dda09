"""Tries a module of somebody's own before anything trains, on rows of noise."""

import functools
import json

import torch
from torch import Tensor

from ablate.trainable.contract import ConfigError
from trainables.flow.config.elsewhere import Found, failing_as, load_ingredient
from trainables.flow.config.run import FlowConfig
from trainables.flow.networks.layers import parameter_dtype
from trainables.flow.networks.modules import (
    Skeleton,
    State,
    as_real,
    cast,
    initial_numbers,
    make_module,
    numbers_of,
    pull_back,
    skeleton_of,
)
from trainables.flow.randomness import CPU, generator, global_generators, seed_globally

ROWS = 4
"""More than one: some layers compare the rows of a batch."""
OTHER_SEED = 1
TOLERANCE = 1e-3
"""Of velocities, and of gradients as a share of all of them."""


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
    points = x, torch.linspace(0, 1, ROWS, dtype=like.dtype)
    in_training, trained_one = (skeleton_of(config, shape, CPU, mode) for mode in (True, False))
    for skeleton in (in_training, trained_one):
        first = _called(config, skeleton, _copies(trained, kept), *points)
        before = _counters(skeleton)
        second = _called(config, skeleton, _copies(trained, kept), *points)
        _check_velocities(config, first, x)
        if not torch.equal(first, second):
            raise _mistake(config, "returns other velocities when it is called again with the "
                           "same ones, so a run could not be repeated: keep what changes from "
                           "call to call in buffers")  # fmt: skip
        if counts := [n for n, value in _counters(skeleton).items() if before.get(n) != value]:
            raise _mistake(config, f"counts in {counts[0]}, which all runs of a process share and "
                           "no checkpoint has: keep it in a buffer")  # fmt: skip
    another = _another(config, in_training)
    other = _called(config, another, _copies(trained, kept), *points)
    if not torch.allclose(first, other, TOLERANCE, TOLERANCE**2):
        raise _mistake(
            config, "depends on numbers beside its parameters and buffers, which no seed and no "
            "checkpoint reaches (of layers in a plain list, say, or drawn when it is made): use "
            "nn.ModuleList, nn.Parameter or register_buffer",
        )  # fmt: skip
    _check_gradients(config, in_training, another, *points)


def _counters(skeleton: Skeleton) -> dict[str, int]:
    """Whole numbers and flags that a module keeps as plain attributes, by their dotted names."""
    own = (pair for pair in skeleton.module.named_modules()
           if not type(pair[1]).__module__.startswith("torch."))  # fmt: skip
    return {
        ".".join(filter(None, (name, key))): value
        for name, part in own
        for key, value in vars(part).items() if isinstance(value, int)
    }  # fmt: skip


def _another(config: FlowConfig, skeleton: Skeleton) -> Skeleton:
    """A module beside a skeleton's, from other draws, in evaluation mode."""
    with global_generators():
        seed_globally(OTHER_SEED)
        module = make_module(config, skeleton.shape)
    if module is skeleton.module:
        raise _mistake(config, "returns a module that it has returned before, and runs would "
                       "share what that keeps: make a new one in each call")  # fmt: skip
    cast(module, parameter_dtype(config))
    return Skeleton(module.eval(), skeleton.shape, skeleton.names)


def _check_gradients(
    config: FlowConfig, skeleton: Skeleton, plain: Skeleton, x: Tensor, t: Tensor
) -> None:
    """Compares a step's gradients with those of a plain loop over a module of its own."""
    numbers, module = _copies(*numbers_of(plain.module)), plain.module.train()
    step = functools.partial(pull_back, config, u=-x, t=t)  # many begin at zero
    with failing_as(f"{config.arch} fails in the backward pass", "arch"), global_generators():
        seed_globally(0)
        skeleton.lend(numbers, lambda: step(skeleton, x.clone()))
        seed_globally(0)
        step(plain, x.clone())
    pairs = {
        name: (numbers[name].grad, p.grad if p.grad is None else as_real(p.grad))
        for name, p in module.named_parameters() if p.requires_grad
    }  # fmt: skip
    scale = sum(g.norm().item() for _, g in pairs.values() if g is not None)
    for name, (found, expected) in pairs.items():
        lost = sum(g.norm().item() for g in (found, expected) if g is not None)
        off = lost if found is None or expected is None else (found - expected).norm().item()
        if not off <= TOLERANCE * scale:
            raise _mistake(
                config, f"has another gradient of {name} when its numbers are lent to it than in "
                "a plain loop: does it keep others beside its parameters and buffers?",
            )  # fmt: skip


def _copies(trained: State, kept: State) -> State:
    """A run's numbers, those that are trained with gradients."""
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in trained.items()}
    return {**leaves, **{name: tensor.clone() for name, tensor in kept.items()}}


def _called(config: FlowConfig, skeleton: Skeleton, numbers: State, x: Tensor, t: Tensor) -> Tensor:
    """What the module returns, of the right shape."""
    given = f"x {_shape(ROWS, *skeleton.shape)} and t ({ROWS},)"
    with failing_as(f"{config.arch} fails on {given}", "arch"), global_generators():
        seed_globally(0)
        found = skeleton.lend(numbers, lambda: skeleton.velocities(x.clone(), t.clone()))
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
