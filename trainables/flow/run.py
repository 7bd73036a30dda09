"""One run inside a pack: its data, draws, optimizer, schedule, averages and progress."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from trainables.flow.config import FlowConfig
from trainables.flow.data import Dataset, Floats, Normalisation
from trainables.flow.networks import State
from trainables.flow.paths import path_sample, uses_eps
from trainables.flow.randomness import generator

Status = Literal["running", "ok", "diverged"]
Point = tuple[int, dict[str, float]]
"""A global step and the metrics measured at it."""


@dataclass(frozen=True)
class RunSpec:
    """What tells a run from the others of its pack."""

    run_id: str
    seed: int
    config: FlowConfig


@dataclass
class Progress:
    """How far a run is: everything of its state that is neither tensor nor data."""

    epoch: int = 0
    step: int = 0
    status: Status = "running"
    stop_reason: str = ""
    error: str = ""
    val_loss: float = float("inf")
    best_val_loss: float = float("inf")
    best_epoch: int = 0
    best_step: int = 0
    best: State = field(default_factory=dict)
    """EMA weights of the best epoch."""

    def state_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over the fields."""
        for name, value in state.items():
            setattr(self, name, value)


class NormalisationState:
    """The statistics a run works with: on resume those of the checkpoint win."""

    def __init__(self, current: Normalisation) -> None:
        self.current = current
        self.mismatch = ""

    def state_dict(self) -> dict[str, Any]:
        """Mean and standard deviation, (dim,) each."""
        return {
            "mean": torch.from_numpy(self.current.mean),
            "std": torch.from_numpy(self.current.std),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes the checkpoint's statistics and notes where today's data say otherwise."""
        saved = Normalisation(state["mean"].numpy(), state["std"].numpy())
        gaps = [
            float(np.abs(getattr(saved, name) - getattr(self.current, name)).max())
            if getattr(saved, name).shape == getattr(self.current, name).shape
            else float("inf")
            for name in ("mean", "std")
        ]
        if max(gaps) > 0:
            self.mismatch = (
                "normalisation statistics differ from the checkpoint's, which are kept: "
                f"mean by up to {gaps[0]:.3g}, std by up to {gaps[1]:.3g}"
            )
        self.current = saved


class RunData:
    """A run's rows in normalised coordinates, and every draw it makes from them."""

    def __init__(self, spec: RunSpec, data: Dataset, normalisation: Normalisation) -> None:
        self.spec = spec
        self.dim = data.dim
        self.train = _tensor(normalisation.apply(data.train))
        self.test = _tensor(normalisation.apply(data.test))
        self._validation = _tensor(normalisation.apply(data.validation))

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps that count as one epoch: the batches that the rows fill, rounded."""
        return max(1, round(len(self.train) / self.spec.config.batch_size))

    def epoch(self, epoch: int) -> tuple[Tensor, Tensor, Tensor]:
        """All steps of an epoch: x_t and u_t (steps, batch, dim), t (steps, batch)."""
        config, seed = self.spec.config, self.spec.seed
        steps = (self.steps_per_epoch, config.batch_size)
        x_1 = self.train[self._batches(epoch)]
        x_0 = torch.randn(*steps, self.dim, generator=generator(seed, epoch, "noise"))
        t = torch.rand(*steps, generator=generator(seed, epoch, "time"))
        eps = None
        if uses_eps(config.flow, config.sigma):
            eps = torch.randn(*steps, self.dim, generator=generator(seed, epoch, "path"))
        x_t, u_t = path_sample(config.flow, config.sigma, x_0, x_1, t, eps)
        return x_t, u_t, t

    def validation(self) -> tuple[Tensor, Tensor, Tensor]:
        """The held-out draws, the same in every epoch and for every seed, t stratified."""
        config, split_seed = self.spec.config, self.spec.config.data.split_seed
        x_1 = self._validation
        source = generator(split_seed, 0, "validation")
        x_0 = torch.randn(x_1.shape, generator=source)
        strata = torch.randperm(len(x_1), generator=source)
        t = (strata + torch.rand(len(x_1), generator=source)) / len(x_1)
        eps = torch.randn(x_1.shape, generator=source)
        x_t, u_t = path_sample(config.flow, config.sigma, x_0, x_1, t, eps)
        return x_t, u_t, t

    def sampling_noise(self) -> Tensor:
        """Fixed start points for samples, as many as the test part has rows."""
        source = generator(self.spec.config.data.split_seed, 0, "sampling")
        return torch.randn(self.test.shape, generator=source)

    def _batches(self, epoch: int) -> Tensor:
        """Row numbers (steps, batch): shuffled passes laid end to end, so every batch is full."""
        rows, count = len(self.train), self.steps_per_epoch * self.spec.config.batch_size
        first = epoch * count
        passes = range(first // rows, (first + count - 1) // rows + 1)
        shuffled = torch.cat(
            [
                torch.randperm(rows, generator=generator(self.spec.seed, number, "batch"))
                for number in passes
            ]
        )
        start = first - passes[0] * rows
        return shuffled[start : start + count].view(self.steps_per_epoch, -1)


def _tensor(rows: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(rows))
