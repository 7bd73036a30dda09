"""Every draw that a run makes from its data: batches, noise, times, validation pairs."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainables.flow.config.flows import FLOWS
from trainables.flow.config.run import FlowConfig
from trainables.flow.config.schedule import steps_per_epoch
from trainables.flow.config.sharing import coupling_identity, draws_identity, validation_identity
from trainables.flow.data.dataset import Dataset, Normalisation
from trainables.flow.engine.state import RunSpec
from trainables.flow.ingredients.augmentation import augment
from trainables.flow.ingredients.couplings import paired
from trainables.flow.ingredients.own_calls import Steps
from trainables.flow.ingredients.own_ingredients import own_path_sample
from trainables.flow.ingredients.probability_paths import path_sample, path_times, uses_eps
from trainables.flow.networks.layers import parameter_dtype
from trainables.flow.randomness import CPU, Stream, Streams, generator

CHUNK_NUMBERS = 2**21
"""Numbers per tensor of a chunk of steps: 8 MB, so that packs fit into memory."""
VALIDATION_BATCH = 256
"""Rows within which validation rows are coupled with noise, whatever the training batch size."""

Targets = tuple[Tensor, Tensor, Tensor]
"""x_t and u_t, (steps, batch, dim), and t, (steps, batch)."""


def stacked(targets: Sequence[Targets], dim: int, device: torch.device) -> Targets:
    """The targets of several runs as one, with an axis for the runs.

    Args:
        targets: Of each run.
        dim: Where the axis of the runs goes.
        device: Where the result goes.
    """
    x_t, u_t, t = (torch.stack(part, dim).to(device) for part in zip(*targets, strict=True))
    return x_t, u_t, t


class Pairs(NamedTuple):
    """Noise and data: (rows, dim) each if they are fixed, (steps, batch, dim) if they are drawn."""

    x_0: Tensor
    x_1: Tensor


@dataclass
class Draw:
    """The draws of some steps; runs with equal `RunData.draw_key` share them."""

    x_0: Tensor
    """(steps, batch, dim)"""
    x_1: Tensor
    """(steps, batch, dim)"""
    t: Tensor
    """(steps, batch)"""
    steps: Steps = field(repr=False)
    _paired: dict[str, Pairs] = field(default_factory=dict[str, Pairs], repr=False)

    def paired(self, config: FlowConfig) -> Pairs:
        """Noise and data as a config's coupling pairs them; computed once per coupling."""
        key = coupling_identity(config)
        if key not in self._paired:
            self._paired[key] = Pairs(*paired(config, self.x_0, self.x_1, self.steps))
        return self._paired[key]

    @cached_property
    def eps(self) -> Tensor:
        """Noise of the path, for paths that have some."""
        source = self.steps.streams["path"]
        eps = torch.randn(self.x_0.shape, generator=source, device=self.x_0.device)
        return eps.to(self.x_0.dtype)

    def targets(self, config: FlowConfig) -> Targets:
        """The training targets of a run with this config."""
        eps = self.eps if uses_eps(config) else None
        t = path_times(config, self.t)
        return *_on_path(config, self.paired(config), t, eps, self.steps), t


class RunData:
    """A run's rows in normalised coordinates, and every draw it makes from them.

    Args:
        spec: The run.
        data: Its data.
        normalisation: The statistics it uses.
        device: Where training rows are and an epoch's noise and times are drawn; validation draws
            and the order of rows come from the CPU, and are the same for every device.
    """

    def __init__(
        self,
        spec: RunSpec,
        data: Dataset,
        normalisation: Normalisation,
        device: torch.device = CPU,
    ) -> None:
        self.spec = spec
        self.dim, self.shape = data.dim, data.shape
        self._device = device
        self._dtype = parameter_dtype(spec.config)
        self._source = (data, normalisation)
        self._draws_identity = draws_identity(spec.config)
        parts = normalised_parts(data, normalisation, self._dtype, device)
        self.train, self._validation, self.test, self.reference = parts
        self.pairs: Pairs | None = None
        """A reflow student's own rows, instead of those of the data."""
        self.validation_pairs: Pairs | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps per epoch."""
        return steps_per_epoch(len(self.train), self.spec.config.batch_size)

    @property
    def num_validation(self) -> int:
        """Rows of the validation part."""
        return len(self._validation)

    def draw_key(self, epoch: int) -> Hashable:
        """Equal for runs whose draws of an epoch are the same."""
        own = self.spec.run_id if self.pairs is not None else ""
        return self.spec.seed, epoch, *self._source, self._draws_identity, own

    def epoch(self, epoch: int) -> Iterator[Draw]:
        """The draws of an epoch, chunk by chunk of its steps."""
        config, device = self.spec.config, self._device
        streams = Streams(self.spec.seed, epoch, device)
        batches = self._batches(epoch).to(device)
        first = 0
        for rows in batches.split(max(1, CHUNK_NUMBERS // (config.batch_size * self.dim))):
            steps = Steps(self.shape, streams, first)
            first += len(rows)
            t = torch.rand(rows.shape, generator=streams["time"], device=device).to(self._dtype)
            if self.pairs is not None:
                yield Draw(self.pairs.x_0[rows], self.pairs.x_1[rows], t, steps)
                continue
            shape = (*rows.shape, self.dim)
            x_0 = torch.randn(shape, generator=streams["noise"], device=device).to(self._dtype)
            yield Draw(x_0, augment(config, self.train[rows], steps), t, steps)

    @property
    def validation_key(self) -> Hashable:
        """Equal for runs whose validation draws are the same, such as those of several seeds."""
        own = self.spec.run_id if self.validation_pairs is not None else ""
        return *self._source, validation_identity(self.spec.config), own

    def validation(self) -> Targets:
        """The validation draws (rows, dim), the same in every epoch and for every seed.

        Their times are stratified: [0, 1] is cut into as many equal parts as there are rows, with
        one time in each, which removes most of the noise from the loss.
        """
        config, rows = self.spec.config, len(self._validation)
        streams = Streams(config.data.split_seed, 0)
        x_0, x_1 = self.validation_pairs or Pairs(self.validation_noise(), self._validation)
        source = streams["validation times"]
        strata = torch.randperm(rows, generator=source)
        t = ((strata + torch.rand(rows, generator=source)) / rows).to(self._dtype)
        pairs = self._validation_paired(x_0, x_1, streams)
        eps = torch.randn(x_1.shape, generator=streams["validation path"]).to(self._dtype)
        t = path_times(config, t)
        x_t, u_t = _on_path(
            config, pairs, t[None], eps[None], Steps(self.shape, streams), "validation own path"
        )
        return x_t[0], u_t[0], t

    def validation_noise(self) -> Tensor:
        """Fixed noise for the validation part, (rows, dim)."""
        return self._fixed_noise("validation noise", len(self._validation))

    def sampling_noise(self, num: int) -> Tensor:
        """Fixed start points for samples, (num, dim)."""
        return self._fixed_noise("sampling", num)

    def _fixed_noise(self, stream: str, rows: int) -> Tensor:
        source = generator(self.spec.config.data.split_seed, 0, stream)
        return torch.randn(rows, self.dim, generator=source).to(self._dtype)

    def _validation_paired(self, x_0: Tensor, x_1: Tensor, streams: Streams) -> Pairs:
        """Rows as the coupling pairs them in batches of a fixed size, (1, rows, dim)."""
        batches = zip(x_0.split(VALIDATION_BATCH), x_1.split(VALIDATION_BATCH), strict=True)
        config, stream = self.spec.config, "validation own coupling"
        coupled = [
            paired(config, noise[None], data[None], Steps(self.shape, streams, number), stream)
            for number, (noise, data) in enumerate(batches)
        ]
        return Pairs(*(torch.cat(side, dim=1) for side in zip(*coupled, strict=True)))

    def _batches(self, epoch: int) -> Tensor:
        """Row numbers (steps, batch): shuffled passes end to end, so that every batch is full."""
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


def _on_path(
    config: FlowConfig, pairs: Pairs, t: Tensor, eps: Tensor | None, steps: Steps,
    stream: Stream = "own path",
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Points and target velocities of a path, built in or not, (steps, batch, dim)."""
    if config.flow in FLOWS:
        return path_sample(config, *pairs, t, eps)
    return own_path_sample(config, *pairs, t, eps, steps, stream)


@lru_cache(maxsize=4)
def normalised_parts(
    data: Dataset, normalisation: Normalisation, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, ...]:
    """Training rows on the device; validation, test and reference rows on the CPU.

    They are cached for all runs of a process.

    Args:
        data: Raw rows.
        normalisation: The statistics to apply.
        dtype: Precision of the result.
        device: Where training rows go.
    """
    train, validation, test, reference = (
        torch.from_numpy(np.ascontiguousarray(normalisation.apply(part))).to(dtype)
        for part in (data.train, data.validation, data.test, data.reference)
    )
    return train.to(device), validation, test, reference
