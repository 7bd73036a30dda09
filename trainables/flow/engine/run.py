"""One run inside a pack: its slice of the weights, optimizer, schedule, averages and curves."""

import math
import time
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from trainables.flow.config.metrics import is_optional
from trainables.flow.config.optimizers import OPTIMIZERS
from trainables.flow.config.run import FlowConfig
from trainables.flow.config.schedule import LearningRate, phases_of, validation_every
from trainables.flow.config.schedules import decay_of
from trainables.flow.config.shapes import num_parameters
from trainables.flow.data.dataset import Dataset
from trainables.flow.engine.batches import RunData
from trainables.flow.engine.checkpoint import Stateful
from trainables.flow.engine.normalisation import NormalisationState
from trainables.flow.engine.optimizer import AdamW
from trainables.flow.engine.own_optimizer import OwnOptimizer
from trainables.flow.engine.parameters import RowLayout, Rows
from trainables.flow.engine.state import Point, Progress, RunSpec
from trainables.flow.networks.velocity import State
from trainables.flow.randomness import stream_seed

POINT_EVERY_STEPS = 10
"""Optimizer steps between the points of a run's curves; each epoch also ends with one."""


class _Weights:
    """One run's own parameters, and the buffers that belong to them, as a part of its state."""

    def __init__(self, tensors: State, buffers: State) -> None:
        self.tensors = tensors
        self._buffers = buffers

    def state_dict(self) -> dict[str, Any]:
        return {name: tensor.detach().clone() for name, tensor in self._all()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        with torch.no_grad():
            for name, tensor in self._all():
                tensor.copy_(state[name])

    def _all(self) -> Iterable[tuple[str, Tensor]]:
        return (self.tensors | self._buffers).items()


class FlowRun:
    """One run of a pack, with everything that is not shared.

    Args:
        spec: Its id, seed and config.
        dataset: Its data.
        layout: Where its parameters are in its row.
        row: Its row of the pack's numbers.
        buffers: Numbers of its network that are not trained.
    """

    def __init__(
        self, spec: RunSpec, dataset: Dataset, layout: RowLayout, row: Rows, buffers: State
    ) -> None:
        config = spec.config
        self.spec = spec
        self.dataset = dataset
        self.normalisation = NormalisationState(dataset.normalisation)
        self.progress = Progress()
        self.row = row
        self._layout = layout
        self.buffers = buffers
        self.model = _Weights(layout.views(row.weights), buffers)
        self.ema = _Weights(layout.views(row.average), buffers)
        self.curves = Curves()
        self.optimizer = optimizer_of(config, layout, row)
        self.load_data()
        self.phases = phases_of(config, self.data.steps_per_epoch)
        self.scheduler = LearningRate(
            self.optimizer, config.lr, config.warmup, self.phases, decay_of(config)
        )

    @property
    def num_parameters(self) -> int:
        """Trainable parameters of the run, without padding."""
        return num_parameters(self.spec.config, self.dataset.shape)

    @property
    def final_metrics(self) -> dict[str, float]:
        """Metrics measured at the run's end; empty until then."""
        return self.progress.final_metrics

    @property
    def has_best(self) -> bool:
        """Whether there are best weights of its own: a teacher's are not."""
        return bool(self.progress.best) and self.progress.phase + 1 == len(self.phases)

    @property
    def step_seed(self) -> int:
        """What a network's own draws in the next step begin with."""
        return stream_seed(self.spec.seed, self.progress.step, "network")

    @property
    def phase_steps(self) -> int:
        """Optimizer steps since the phase began."""
        return self.progress.step - self.progress.first_step

    @property
    def steps_left(self) -> int:
        """Optimizer steps to the end of the phase."""
        return self.phases[self.progress.phase] - self.phase_steps

    @property
    def training(self) -> bool:
        """Whether the run takes another step in this phase."""
        return self.progress.status == "running" and self.steps_left > 0

    @property
    def validates(self) -> bool:
        """Whether the epoch that was just trained ends with a validation."""
        progress, per_epoch = self.progress, self.data.steps_per_epoch
        every = validation_every(
            per_epoch * self.spec.config.batch_size, self.data.num_validation,
            math.ceil(self.phases[progress.phase] / per_epoch), self.spec.config.patience,
        )  # fmt: skip
        number = progress.epoch + 1 - progress.first_epoch
        return progress.status == "running" and (number % every == 0 or not self.training)

    def load_data(self) -> None:
        """Loads the rows in the coordinates of the current normalisation."""
        device, scale = self.row.weights.device, self.normalisation.current
        self.data = RunData(self.spec, self.dataset, scale, device)

    def parts(self) -> dict[str, Stateful]:
        """The run's state by part, see `checkpoint.ORDER`."""
        return {
            "model": self.model,
            "ema": self.ema,
            "optimizer": self.optimizer,
            "scheduler": self.scheduler,
            "progress": self.progress,
            "normalisation": self.normalisation,
        }

    def measured(self, loss: float, norm: float) -> bool:
        """Records a step's loss and gradient norm; returns whether the step may be taken."""
        step = self.progress.step + 1
        if not math.isfinite(loss):
            self.diverge(f"training loss is {loss} at step {step}")
        elif not math.isfinite(norm):
            self.diverge(f"gradient norm is {norm} at step {step}")
        else:
            self.curves.add(loss, norm, self.scheduler.lr)
        return self.progress.status == "running"

    def advance(self) -> None:
        """Counts a step that was taken."""
        self.scheduler.advance()
        self.progress.step += 1
        if self.progress.step % POINT_EVERY_STEPS == 0:
            self.curves.point(self.progress.step)

    def diverge(self, error: str) -> None:
        """Ends the run as diverged."""
        self.curves.point(self.progress.step)
        self.progress.status = self.progress.stop_reason = "diverged"
        self.progress.error = error

    def end_epoch(self, val_loss: float | None) -> str | None:
        """Records an epoch's losses and keeps the best weights.

        Args:
            val_loss: None if the epoch was not validated, see `validates`.

        Returns:
            Why the phase ends; None if it goes on.
        """
        progress, config = self.progress, self.spec.config
        progress.epoch += 1
        progress.train_loss = self.curves.epoch_loss()
        self.curves.point(progress.step)
        self.curves.record(
            progress.step, epoch=progress.epoch, epoch_train_loss=progress.train_loss
        )
        if val_loss is None:
            return None
        progress.val_loss = val_loss
        self.curves.record(progress.step, val_loss=val_loss)
        if not math.isfinite(val_loss):
            self.diverge(f"validation loss is {val_loss} after step {progress.step}")
            return None
        if val_loss < progress.best_val_loss:
            progress.best_val_loss, progress.best_train_loss = val_loss, progress.train_loss
            progress.best_epoch, progress.best_step = progress.epoch, progress.step
            progress.best = self.ema.state_dict()
        if not self.training:
            return "steps" if config.steps else "epochs"
        stale = progress.epoch - progress.best_epoch
        return "early_stopping" if config.patience and stale >= config.patience else None

    def finish(self, reason: str, metrics: dict[str, float]) -> None:
        """Ends the run with its metrics: as ok, or as diverged if its samples are not finite.

        An optional metric that is not finite is merely left out.
        """
        wrong = {name: value for name, value in metrics.items() if not math.isfinite(value)}
        for name, value in wrong.items():
            if not is_optional(name):
                self.diverge(f"{name} is {value}: samples of the trained model are not finite")
                return
        progress = self.progress
        progress.final_metrics = {k: value for k, value in metrics.items() if k not in wrong}
        progress.warnings += [
            f"{k} is {value}: left out of the metrics" for k, value in wrong.items()
        ]
        progress.status, progress.stop_reason = "ok", reason
        self.curves.record(progress.step, **progress.final_metrics)

    def move(self, row: Rows) -> None:
        """Points the run at the new location of its numbers."""
        self.row = row
        self.model.tensors = self._layout.views(row.weights)
        self.ema.tensors = self._layout.views(row.average)
        self.optimizer.move(row)


def optimizer_of(config: FlowConfig, layout: RowLayout, row: Rows) -> AdamW | OwnOptimizer:
    """The optimizer of a config on a run's numbers."""
    if config.optimizer not in OPTIMIZERS:
        return OwnOptimizer(config, layout, row)
    betas = config.beta1, config.beta2
    return AdamW(layout, row, config.lr, betas, config.weight_decay)


class Curves:
    """A run's curves while it trains: means since the last point, and over the epoch."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.times: list[float] = []
        """When each point was created, or got its last metric."""
        self._lr = 0.0
        self._losses: list[float] = []
        self._norms: list[float] = []
        self._epoch: list[float] = []

    def add(self, loss: float, norm: float, lr: float) -> None:
        """Records a step.

        Args:
            loss: Its loss.
            norm: Its gradient norm.
            lr: Its learning rate.
        """
        self._lr = lr
        self._losses.append(loss)
        self._norms.append(norm)
        self._epoch.append(loss)

    def point(self, step: int) -> None:
        """Adds a point with the means over the steps since the last one, and the current rate."""
        if not self._losses:
            return
        means = {"train_loss": _mean(self._losses), "grad_norm": _mean(self._norms)}
        self.record(step, lr=self._lr, **means)
        self._losses, self._norms = [], []

    def epoch_loss(self) -> float:
        """Ends the epoch; returns its mean loss."""
        losses, self._epoch = self._epoch, []
        return _mean(losses)

    def record(self, step: int, **metrics: float) -> None:
        """Adds metrics to the point of a step."""
        if self.points and self.points[-1][0] == step:
            self.points[-1][1].update(metrics)
            self.times[-1:] = [time.time()]
        else:
            self.points.append((step, metrics))
            self.times.append(time.time())

    def drain(self) -> list[Point]:
        """Removes and returns the points measured since the last call."""
        points, self.points = self.points, []
        self.times = []
        return points


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
