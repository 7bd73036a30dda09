"""Tries parts of people's own before anything trains, on a few real rows."""

import io
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ablate.trainable.contract import ConfigError
from trainables.flow.config.augmentations import AUGMENTATIONS
from trainables.flow.config.elsewhere import failing_as
from trainables.flow.config.run import FlowConfig
from trainables.flow.config.schedule import phases_of, steps_per_epoch, warmup_steps
from trainables.flow.config.schedules import own_schedule, progress_of
from trainables.flow.config.shapes import parameter_shapes
from trainables.flow.data.errors import Floats
from trainables.flow.engine.own_optimizer import OwnOptimizer
from trainables.flow.engine.parameters import RowLayout, Rows
from trainables.flow.ingredients.own_calls import Steps
from trainables.flow.ingredients.own_ingredients import own_augmented, own_pairs, own_path_sample
from trainables.flow.networks.layers import parameter_dtype
from trainables.flow.randomness import CPU, Streams, generator

TRIED_STEPS = 64
"""Steps of a schedule that are tried, evenly spread."""
STEPS_BEFORE, STEPS_AFTER = 11, 12
"""Steps of an optimizer on either side of a checkpoint: some do other things every few steps."""
WIDTH = 4
"""Of the parameters that an optimizer is tried on: those of the network, cut down to it."""


@dataclass(frozen=True)
class Trial:
    """A config and what its parts are tried on.

    Attributes:
        config: A run's.
        rows: Training rows in normalised coordinates, (rows, dim).
        shape: Of a row.
        num_rows: How many there are to train on.
    """

    config: FlowConfig
    rows: Floats
    shape: tuple[int, ...]
    num_rows: int

    @cached_property
    def x_1(self) -> Tensor:
        """The rows of one step, (1, rows, dim)."""
        return torch.from_numpy(self.rows).to(parameter_dtype(self.config))[None]

    @property
    def steps(self) -> Steps:
        """One step with fresh draws, the same ones each time."""
        return Steps(self.shape, Streams(0, 0))

    def noise(self, stream: str) -> Tensor:
        """Standard normal draws like the rows."""
        return torch.randn(self.x_1.shape, generator=generator(0, 0, stream)).to(self.x_1)


def _try_path(trial: Trial) -> None:
    x_0, eps = trial.noise("noise"), trial.noise("path")
    t = (torch.arange(len(trial.rows)) + 0.5).to(x_0)[None] / len(trial.rows)
    _check_twice(
        "flow", trial.config.flow,
        lambda: own_path_sample(trial.config, x_0, trial.x_1, t, eps, trial.steps),
    )  # fmt: skip


def _try_coupling(trial: Trial) -> None:
    x_0 = trial.noise("noise")
    _check_twice(
        "coupling", trial.config.pairing,
        lambda: own_pairs(trial.config, x_0, trial.x_1, trial.steps),
    )  # fmt: skip


def _try_augmentations(trial: Trial) -> None:
    for name in trial.config.augmentations:
        if name not in AUGMENTATIONS:
            _check_twice("aug", name, lambda name=name: (
                own_augmented(trial.config, name, trial.x_1, trial.steps),
            ))  # fmt: skip


def _check_twice(key: str, name: str, call: Callable[[], tuple[Tensor, ...]]) -> None:
    """Checks that a part returns finite rows, and the same ones for the same draws."""
    with failing_as(f"{name} fails on rows of the data", key):
        first, second = call(), call()
    if not all(rows.isfinite().all() for rows in first):
        raise ConfigError(f"{name} returns numbers that are not finite", keys=[key])
    if not all(map(torch.equal, first, second)):
        raise ConfigError(
            f"{name} returns other numbers when it is called again with the same ones, so a run "
            "could not be repeated: draw from the argument `generator`, and keep nothing from "
            "call to call",
            keys=[key],
        )


def _try_schedule(trial: Trial) -> None:
    config, function = trial.config, own_schedule(trial.config)
    for total in phases_of(config, steps_per_epoch(trial.num_rows, config.batch_size)):
        num_steps = max(1, total - warmup_steps(config.warmup, total))
        for step in sorted({k * (num_steps - 1) // TRIED_STEPS for k in range(TRIED_STEPS + 1)}):
            progress = progress_of(step, num_steps)
            with failing_as(f"{config.schedule} fails", "schedule"):
                share, again = (
                    function(step=step, num_steps=num_steps, progress=progress) for _ in range(2)
                )
                number, other = (math.nan if n is None else float(n) for n in (share, again))
            if other != number and math.isfinite(number):
                raise ConfigError(
                    f"{config.schedule} returns {share!r} at step {step}, and {again!r} when it is "
                    "asked again: keep nothing from call to call, and draw nothing",
                    keys=["schedule"],
                )
            if not (math.isfinite(number) and number >= 0):
                raise ConfigError(
                    f"{config.schedule} returns {share!r} at step {step} of {num_steps}: return "
                    "the share of lr, a finite number from 0",
                    keys=["schedule"],
                )


def _try_optimizer(trial: Trial) -> None:
    """Takes steps, and those that follow from the state as a checkpoint has it, too."""
    name, config = trial.config.optimizer, trial.config
    layout, row, gradients = _small_network(trial)
    with failing_as(f"{name} fails", "optimizer"):
        optimizer = OwnOptimizer(config, layout, row)
        _take_steps(optimizer, row, gradients[:STEPS_BEFORE])
        other = row.copied()
        kept = _through_a_file(name, optimizer)
        _take_steps(optimizer, row, gradients[STEPS_BEFORE:])
        restored = OwnOptimizer(config, layout, other)
        restored.load_state_dict(kept)
        _take_steps(restored, other, gradients[STEPS_BEFORE:])
    if not row.weights.isfinite().all():
        raise ConfigError(f"{name} makes weights that are not finite", keys=["optimizer"])
    if not torch.equal(row.weights, other.weights):
        raise ConfigError(
            f"{name} takes other steps once its state has been restored, so a run could not be "
            "interrupted: keep what it remembers in its state_dict, and draw nothing at random",
            keys=["optimizer"],
        )


def _take_steps(optimizer: OwnOptimizer, row: Rows, gradients: Iterable[Tensor]) -> None:
    for gradient in gradients:
        row.gradients.copy_(gradient)
        optimizer.step()


def _small_network(trial: Trial) -> tuple[RowLayout, Rows, Tensor]:
    """Parameters as a network has them, but small, and gradients of some steps for them."""
    source, dtype = generator(0, 0, "trial"), parameter_dtype(trial.config)
    sizes = {
        name: tuple(min(size, WIDTH) for size in shape)
        for name, shape in parameter_shapes(trial.config, trial.shape).items()
    }
    draws = [
        {name: torch.randn(shape, generator=source).to(dtype) for name, shape in sizes.items()}
        for _ in range(1 + STEPS_BEFORE + STEPS_AFTER)
    ]
    layout = RowLayout(draws[0])
    weights, *gradients = layout.rows(draws, CPU)
    return layout, Rows.of(weights[None]).row(0), torch.stack(gradients)


def _through_a_file(name: str, optimizer: OwnOptimizer) -> dict[str, object]:
    file = io.BytesIO()
    try:
        torch.save(optimizer.state_dict(), file)
        file.seek(0)
        return torch.load(file, weights_only=True)
    except Exception as error:
        raise ConfigError(
            f"the state of {name} cannot be in a checkpoint: keep tensors, numbers and text in it",
            keys=["optimizer"],
        ) from error


TRIALS: dict[str, Callable[[Trial], None]] = {
    "flow": _try_path,
    "coupling": _try_coupling,
    "aug": _try_augmentations,
    "schedule": _try_schedule,
    "optimizer": _try_optimizer,
}
"""By the config key that names the part."""
