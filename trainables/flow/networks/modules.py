"""Velocity networks that are modules of somebody's own: `arch: my_nets:Net`.

A module is made once a process and shape; each call lends it the numbers of one run, so that the
engine can keep them in its rows. Runs of a pack take their turns: each gets the bits that it gets
alone, whatever the module computes. What a module draws in training (dropout) comes from global
generators, which are seeded before every step from the run's seed and the number of the step.
"""

import copy
import functools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ablate.trainable.contract import ConfigError
from trainables.flow.config.elsewhere import (
    Found,
    call_text,
    failing_as,
    load_ingredient,
    parameter_names,
    parameters_by_name,
)
from trainables.flow.config.run import FlowConfig
from trainables.flow.config.shapes import NetworkKeys, RowShape, Shapes
from trainables.flow.networks.layers import parameter_dtype
from trainables.flow.randomness import global_generators, seed_globally, stream_seed

State = dict[str, Tensor]
"""Numbers by name."""
SKELETONS = 4
"""Modules that a process keeps, with weights that nobody uses."""


@dataclass(frozen=True)
class Surroundings:
    """What a network may need beside its stacked parameters; built-in ones need none of it.

    Attributes:
        shape: Of a row; none: its width.
        buffers: Each run's numbers that are not trained, changed in place; none where they are
            among the parameters.
        seeds: What each run's draws in training begin with; none in evaluation.
    """

    shape: tuple[int, ...] = ()
    buffers: Sequence[State] = ()
    seeds: Sequence[int] = ()


@dataclass(frozen=True)
class Skeleton:
    """A module whose numbers come with each call.

    Attributes:
        module: The module, in training or in evaluation mode.
        shape: Of a row.
        names: Its parameters for points and times; none if it takes both as one tensor.
    """

    module: nn.Module
    shape: tuple[int, ...]
    names: Mapping[str, str] | None

    @cached_property
    def buffers(self) -> tuple[str, ...]:
        """What training may change beside the parameters."""
        return tuple(name for name, _ in self.module.named_buffers())

    def __call__(self, numbers: Mapping[str, Tensor], x: Tensor, t: Tensor) -> Tensor:
        """Velocities of one run.

        Args:
            numbers: Its parameters and buffers by name; training changes buffers in place.
            x: Points, (batch, dim).
            t: Times, (batch,).

        Returns:
            (batch, dim).
        """
        return self.velocities(numbers, x, t).flatten(1)

    def velocities(self, numbers: Mapping[str, Tensor], x: Tensor, t: Tensor) -> Any:
        """What the module returns, (batch, *shape) if it is right."""
        # Lent as copies: what a module does to a buffer must not reach what autograd has kept.
        rows = x.unflatten(1, self.shape)
        lent = {n: v if v.requires_grad else v.clone() for n, v in numbers.items()}
        if self.names is None:
            found = functional_call(self.module, lent, (with_time(rows, t),))
        else:
            named = {self.names["x"]: rows, self.names["t"]: t}
            found = functional_call(self.module, lent, kwargs=named)
        for name in self.buffers if self.module.training else ():
            numbers[name].copy_(lent[name].detach())
        return found


def velocities(
    config: FlowConfig,
    numbers: Sequence[Mapping[str, Tensor]],
    x: Tensor,
    t: Tensor,
    surroundings: Surroundings,
) -> list[Tensor]:
    """Velocities of K runs, (batch, dim) each in the precision of x, one run after another.

    Args:
        config: Of any of the runs.
        numbers: Each run's parameters.
        x: Points, (K, batch, dim).
        t: Times, (K, batch).
        surroundings: Their buffers, and in training the seeds of their draws.
    """
    shape, seeds = surroundings.shape or (x.shape[-1],), surroundings.seeds
    skeleton = skeleton_of(config, shape, x.device, bool(seeds))
    found: list[Tensor] = []
    for k, own in enumerate(numbers):
        seed_globally(seeds[k] if seeds else 0, x.device)
        buffers = surroundings.buffers[k] if surroundings.buffers else {}
        # Copied: a slice may be unaligned, and kernels then sum in another order than alone.
        found.append(skeleton({**own, **buffers}, x[k].clone(), t[k].clone()).to(x.dtype))
    return found


def gradients_of(
    config: FlowConfig,
    weights: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
    x: Tensor,
    t: Tensor,
    surroundings: Surroundings,
) -> tuple[Tensor, Callable[[Tensor], None]]:
    """Velocities (K, batch, dim), and the function that fills the gradients.

    Args:
        config: Of any of the runs.
        weights: Stacked parameters that require gradients, (K, ...) each.
        gradients: Where their gradients go.
        x: Points, (K, batch, dim).
        t: Times, (K, batch).
        surroundings: As `velocities`.
    """
    numbers = unstacked(weights)
    found = velocities(config, numbers, x, t, surroundings)

    def pull_back(slope: Tensor) -> None:
        for k, (own, velocity) in enumerate(zip(numbers, found, strict=True)):
            # A step may leave parameters unused.
            pulled = torch.autograd.grad(
                velocity, list(own.values()), slope[k].clone(), materialize_grads=True
            )
            torch._foreach_copy_([gradients[name][k] for name in own], pulled)

    return torch.stack(found), pull_back


def unstacked(weights: Mapping[str, Tensor]) -> list[State]:
    """Each run's parameters, of stacked ones."""
    runs = zip(*(tensor.unbind(0) for tensor in weights.values()), strict=True)
    return [dict(zip(weights, own, strict=True)) for own in runs]


def initial_numbers(config: FlowConfig, shape: tuple[int, ...], seed: int) -> tuple[State, State]:
    """A run's numbers at step 0: what is trained, and buffers and frozen parameters."""
    with global_generators():
        seed_globally(stream_seed(seed, 0, "init"))
        module = make_module(config, shape)
    module.to(parameter_dtype(config))
    trained = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
    kept = {name: p.detach() for name, p in module.named_parameters() if not p.requires_grad}
    return trained, kept | {name: b.detach().clone() for name, b in module.named_buffers()}


def trained_shapes(config: NetworkKeys, rows: RowShape) -> Shapes:
    """Shapes by name of what is trained."""
    shape = (rows,) if isinstance(rows, int) else rows
    return dict(_trained_shapes(*_made_of(config), shape))


def make_module(config: NetworkKeys, shape: tuple[int, ...]) -> nn.Module:
    """The module of a config, with weights drawn from torch's own generator.

    Raises:
        ConfigError: If it cannot be made.
    """
    return _module(config.arch, load_ingredient("arch", config.arch), config.arch_args, shape)


def _module(
    arch: str, made_of: Any, arch_args: Mapping[str, Any], shape: tuple[int, ...]
) -> nn.Module:
    if isinstance(made_of, nn.Module):
        raise ConfigError(f"{arch} is a module that is there already: name its class, or a "
                          "function that makes one", keys=["arch"])  # fmt: skip
    given, taken = {"dim": math.prod(shape), "shape": shape}, parameter_names(made_of)
    named = {key: value for key, value in given.items() if key in taken}
    arguments = {**named, **copy.deepcopy(dict(arch_args))}
    with failing_as(call_text(arch, arguments), "arch_args" if arch_args else "arch"):
        module = made_of(**arguments)
    _check_module(arch, module)
    return module


@functools.lru_cache(maxsize=SKELETONS)
def _skeleton(
    arch: str, named: Found, arguments: str, call: str, shape: tuple[int, ...], dtype: torch.dtype,
    device: torch.device, in_training: bool,
) -> Skeleton:  # fmt: skip
    with global_generators():
        seed_globally(0)  # what it draws beside its numbers is the same in every process
        module = _module(arch, named.it, json.loads(arguments), shape)
    module.to(device, dtype).train(in_training)
    return Skeleton(module, shape, None if call == "cat" else names_of(arch, module))


def skeleton_of(
    config: FlowConfig, shape: tuple[int, ...], device: torch.device, in_training: bool
) -> Skeleton:
    """The module of a config, to be lent numbers."""
    return _skeleton(*_made_of(config), config.call, shape, parameter_dtype(config), device,
                     in_training)  # fmt: skip


def names_of(arch: str, module: nn.Module) -> Mapping[str, str]:
    """What the parameters of a module for `x` and `t` are called.

    Raises:
        ConfigError: If its `forward` does not take them.
    """
    return parameters_by_name("arch", arch, module.forward, ("x", "t"), ("x", "t"))


def with_time(rows: Tensor, t: Tensor) -> Tensor:
    """Rows (batch, dim) with the time as the last column, (batch, channels, ...) as a channel."""
    spread = t.view(-1, *[1] * (rows.ndim - 1)).expand(-1, 1, *rows.shape[2:])
    return torch.cat([rows, spread], dim=1)


@functools.lru_cache(maxsize=256)
def _trained_shapes(
    arch: str, named: Found, arguments: str, shape: tuple[int, ...]
) -> dict[str, tuple[int, ...]]:
    with global_generators():
        module = _module(arch, named.it, json.loads(arguments), shape)
    return {name: tuple(p.shape) for name, p in module.named_parameters() if p.requires_grad}


def _check_module(arch: str, module: Any) -> None:
    if not isinstance(module, nn.Module):
        raise ConfigError(f"{arch} makes {repr(module)[:100]}, not a torch.nn.Module",
                          keys=["arch"])  # fmt: skip
    if type(module).forward is nn.Module.forward:
        raise ConfigError(f"{arch} makes a {type(module).__name__}, which has no method forward",
                          keys=["arch"])  # fmt: skip
    if any(isinstance(p, nn.UninitializedParameter) for p in module.parameters()):
        raise ConfigError(f"{arch} has lazy layers, whose shapes are unknown: give them",
                          keys=["arch"])  # fmt: skip
    if not any(p.requires_grad for p in module.parameters()):
        raise ConfigError(f"{arch} has no parameters to train", keys=["arch"])


def _made_of(config: NetworkKeys) -> tuple[str, Found, str]:
    """What a module depends on beside the shape of rows."""
    named = Found(load_ingredient("arch", config.arch))
    return config.arch, named, json.dumps(config.arch_args, sort_keys=True)
