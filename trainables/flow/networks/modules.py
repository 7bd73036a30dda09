"""Velocity networks that are modules of somebody's own: `arch: my_nets:Net`.

A module is made once a process and shape; each call lends it the numbers of one run, so that the
engine can keep them in its rows. Runs of a pack take their turns: each gets the bits that it gets
alone, whatever the module computes. What a module draws in training (dropout) comes from global
generators, which are seeded before every step from the run's seed and the number of the step.
"""

import contextlib
import copy
import functools
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

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
from trainables.flow.networks.layers import parameter_dtype, precision
from trainables.flow.randomness import global_generators, seed_globally, stream_seed

State = dict[str, Tensor]
"""Numbers by name."""
Result = TypeVar("Result")
_NO_FORWARD = getattr(nn.Module().forward, "__func__", None)
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
    """A module whose numbers are lent to it.

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

    @cached_property
    def complex_names(self) -> frozenset[str]:
        """Parameters that are complex, whose numbers are pairs of real ones."""
        return frozenset(n for n, p in self.module.named_parameters() if _is_pairs(p))

    @cached_property
    def _borrower(self) -> nn.Module:
        return _Borrower(self.module)

    def lend(self, numbers: Mapping[str, Tensor], call: Callable[[], Result]) -> Result:
        """What a call returns that uses the module while it has the numbers of a run.

        A step is one such call, with its backward pass: gradient checkpointing calls parts of the
        module again there.

        Args:
            numbers: Its parameters and buffers by name; training changes buffers in place.
            call: What is to be done meanwhile.
        """
        # Lent as copies: what a module does to a buffer must not reach what autograd has kept.
        lent = {f"module.{n}": self._lent(n, v) for n, v in numbers.items()}
        found: Result = functional_call(self._borrower, lent, (call,))
        for name in self.buffers if self.module.training else ():
            numbers[name].copy_(lent[f"module.{name}"].detach())
        return found

    def velocities(self, x: Tensor, t: Tensor) -> Any:
        """What the module returns with the numbers that it has, (batch, *shape) if it is right.

        Args:
            x: Points, (batch, dim).
            t: Times, (batch,).
        """
        rows = x.unflatten(1, self.shape)
        if self.names is None:
            return self.module(with_time(rows, t))
        return self.module(**{self.names["x"]: rows, self.names["t"]: t})

    def _lent(self, name: str, numbers: Tensor) -> Tensor:
        own = numbers if numbers.requires_grad else numbers.clone()
        return torch.view_as_complex(own) if name in self.complex_names else own


class _Borrower(nn.Module):
    """Does what it is asked to while its module has numbers that are lent."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, call: Callable[[], Any]) -> Any:
        return call()


def velocities(
    config: FlowConfig,
    numbers: Sequence[Mapping[str, Tensor]],
    x: Tensor,
    t: Tensor,
    surroundings: Surroundings,
) -> list[Tensor]:
    """Velocities of K trained runs, (batch, dim) each in the precision of x, one after another.

    Args:
        config: Of any of the runs.
        numbers: Each run's parameters.
        x: Points, (K, batch, dim).
        t: Times, (K, batch).
        surroundings: Their buffers.
    """
    shape = surroundings.shape or (x.shape[-1],)
    skeleton = skeleton_of(config, shape, x.device, in_training=False)
    found: list[Tensor] = []
    for k, own in enumerate(numbers):
        seed_globally(0, x.device)
        buffers = surroundings.buffers[k] if surroundings.buffers else {}
        # Copied: a slice may be unaligned, and kernels then sum in another order than alone.
        points = x[k].clone(), t[k].clone()
        if torch.is_grad_enabled() and x.requires_grad:
            leaves = {name: number.detach().requires_grad_() for name, number in own.items()}
            found.append(_ByPoints.apply(*points, skeleton, {**leaves, **buffers}))
        else:
            call = functools.partial(skeleton.velocities, *points)
            found.append(skeleton.lend({**own, **buffers}, call).flatten(1).to(x.dtype))
    return found


class _ByPoints(torch.autograd.Function):
    """Velocities (batch, dim) with derivatives by their points, in which the numbers are lent, too.

    Those are all that is asked of trained networks: the likelihood needs them.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, t: Tensor, skeleton: Skeleton, numbers: State) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        with torch.enable_grad(), _eagerly():
            points = x.detach().requires_grad_()
            call = functools.partial(skeleton.velocities, points, t)
            found = skeleton.lend(numbers, call).flatten(1).to(x.dtype)
        ctx.lend = functools.partial(skeleton.lend, numbers)
        ctx.pull_back = functools.partial(
            torch.autograd.grad, found, points, retain_graph=True, materialize_grads=True
        )
        return found.detach()

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        [pulled] = ctx.lend(functools.partial(ctx.pull_back, slope))
        return pulled, None, None, None


def fill_gradients_of(
    config: FlowConfig,
    weights: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
    x: Tensor,
    u: Tensor,
    t: Tensor,
    surroundings: Surroundings,
) -> Tensor:
    """Computes the mean squared errors of K runs, and fills in their gradients.

    Args:
        config: Of any of the runs.
        weights: Stacked parameters that require gradients, (K, ...) each.
        gradients: Where their gradients go.
        x: Points, (K, batch, dim).
        u: Target velocities, (K, batch, dim).
        t: Times, (K, batch).
        surroundings: The runs' buffers, and the seeds of their draws.

    Returns:
        The losses, (K,).
    """
    shape, losses = surroundings.shape or (x.shape[-1],), list[Tensor]()
    skeleton = skeleton_of(config, shape, x.device, in_training=True)
    for k, own in enumerate(unstacked(weights)):
        leaves = {name: number.detach().requires_grad_() for name, number in own.items()}
        seed_globally(surroundings.seeds[k], x.device)
        buffers = surroundings.buffers[k] if surroundings.buffers else {}
        step = functools.partial(pull_back, config, skeleton, x[k].clone(), u[k], t[k].clone())
        losses.append(skeleton.lend({**leaves, **buffers}, step))
        # A step may leave parameters unused.
        pulled = [torch.zeros_like(p) if p.grad is None else p.grad for p in leaves.values()]
        torch._foreach_copy_([gradients[name][k] for name in leaves], pulled)
    return torch.stack(losses)


def pull_back(config: FlowConfig, skeleton: Skeleton, x: Tensor, u: Tensor, t: Tensor) -> Tensor:
    """The mean squared error of one run, once its gradients are in the leaves of its graph.

    Args:
        config: The run's.
        skeleton: Its module, which has its numbers.
        x: Points, (batch, dim).
        u: Target velocities, (batch, dim).
        t: Times, (batch,).
    """
    with precision(config, x.device):
        found = skeleton.velocities(x, t).flatten(1).to(x.dtype)
    error = found.detach() - u
    torch.autograd.backward(found, error * (2 / error.numel()))
    return error.square().mean()


def _eagerly() -> contextlib.AbstractContextManager[Any]:
    """What is compiled has no second backward pass; without the compiler nothing is."""
    is_there = "torch._dynamo" in sys.modules  # takes seconds to load
    return torch.compiler.set_stance("force_eager") if is_there else contextlib.nullcontext()


def unstacked(weights: Mapping[str, Tensor]) -> list[State]:
    """Each run's parameters, of stacked ones."""
    runs = zip(*(tensor.unbind(0) for tensor in weights.values()), strict=True)
    return [dict(zip(weights, own, strict=True)) for own in runs]


def initial_numbers(config: FlowConfig, shape: tuple[int, ...], seed: int) -> tuple[State, State]:
    """A run's numbers at step 0: what is trained, and buffers and frozen parameters."""
    with global_generators():
        seed_globally(stream_seed(seed, 0, "init"))
        module = make_module(config, shape)
    cast(module, parameter_dtype(config))
    return numbers_of(module)


def numbers_of(module: nn.Module) -> tuple[State, State]:
    """A module's numbers: what is trained, and buffers and frozen parameters."""
    trained = {n: as_real(p.detach()) for n, p in module.named_parameters() if p.requires_grad}
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
    cast(module.to(device), dtype)
    module.train(in_training)
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
    try:
        return parameters_by_name("arch", arch, module.forward, ("x", "t"), ("x", "t"))
    except ConfigError as error:
        told = (f"{message}; a module around it, whose forward(x, t) calls it, may name and scale "
                "the time as it likes" for message in error.messages)  # fmt: skip
        raise ConfigError(*told, keys=error.keys) from error


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
    trained = ((name, p) for name, p in module.named_parameters() if p.requires_grad)
    return {name: (*p.shape, 2) if p.is_complex() else tuple(p.shape) for name, p in trained}


def cast(module: nn.Module, dtype: torch.dtype) -> None:
    """Puts a module into the precision of a config; buffers in one of their own keep that."""
    usual = torch.get_default_dtype()
    for part in module.modules():
        for p in part.parameters(recurse=False):
            if p.is_floating_point() or p.is_complex():
                p.data = p.data.to(dtype.to_complex() if p.is_complex() else dtype)
        for name, buffer in list(part.named_buffers(recurse=False)):
            if buffer.dtype in (usual, usual.to_complex()):
                to = dtype.to_complex() if buffer.is_complex() else dtype
                setattr(part, name, buffer.to(to))


def _is_pairs(p: Tensor) -> bool:
    """Whether a parameter is trained as pairs of real numbers."""
    return p.requires_grad and p.is_complex()


def as_real(p: Tensor) -> Tensor:
    """Numbers as they are trained: complex ones as pairs, (..., 2)."""
    return torch.view_as_real(p) if p.is_complex() else p


def _check_module(arch: str, module: Any) -> None:
    if not isinstance(module, nn.Module):
        raise ConfigError(f"{arch} makes {repr(module)[:100]}, not a torch.nn.Module",
                          keys=["arch"])  # fmt: skip
    if isinstance(module, torch.jit.ScriptModule):
        raise ConfigError(f"{arch} makes a ScriptModule, to which no weights can be lent: return "
                          "the module that is scripted", keys=["arch"])  # fmt: skip
    if getattr(module.forward, "__func__", None) is _NO_FORWARD:
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
