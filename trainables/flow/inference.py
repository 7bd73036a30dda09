"""Samples and further metrics from a run's `best.pt`, once training is over."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ablate.trainable.contract import KeptData, KeptSamples
from trainables.flow.config.metrics import METRICS
from trainables.flow.config.own_metrics import measured_by
from trainables.flow.config.run import FlowConfig
from trainables.flow.data.dataset import Normalisation, load_dataset
from trainables.flow.data.errors import Floats
from trainables.flow.device import ready_device
from trainables.flow.engine.batches import RunData
from trainables.flow.engine.checkpoint import CheckpointError, read_checkpoint
from trainables.flow.engine.state import RunSpec
from trainables.flow.evaluation.kept import kept_data, kept_samples
from trainables.flow.evaluation.measure import (
    columns,
    evaluation_of,
    floors,
    measure,
    own_measures,
)
from trainables.flow.evaluation.own_metrics import own_floors
from trainables.flow.networks.layers import parameter_dtype
from trainables.flow.networks.velocity import State, velocity_of
from trainables.flow.randomness import generator, global_generators
from trainables.flow.sampling import integrate


@dataclass(frozen=True)
class TrainedModel:
    """Best weights of a run, and what it takes to use them."""

    config: FlowConfig
    seed: int
    shape: tuple[int, ...]
    """Of one row."""
    weights: State
    normalisation: Normalisation
    step: int
    """At which they were the best."""

    @property
    def dim(self) -> int:
        """Numbers of a row."""
        return math.prod(self.shape)


def load_trained(path: Path) -> TrainedModel:
    """Reads a `best.pt`.

    Raises:
        CheckpointError: If the file is missing, torn or of another kind.
    """
    state = read_checkpoint(path)
    try:
        scale = state["normalisation"]
        return TrainedModel(
            FlowConfig.model_validate(state["config"]), state["seed"],
            tuple(state.get("shape", [state["dim"]])), state["weights"],
            Normalisation(scale["mean"].numpy(), scale["std"].numpy()), state["step"],
        )  # fmt: skip
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: not the best weights of a run ({error})") from error


def sample(
    path: Path, num: int, seed: int = 0, solver: str | None = None, num_steps: int | None = None
) -> Floats:
    """Draws from a run's best weights.

    Args:
        path: The run's `best.pt`.
        num: Number of samples.
        seed: Of the noise; the same seed gives the same samples.
        solver: A name in `sampling.SOLVERS`; the run's own by default.
        num_steps: Of the solver; the run's own by default.

    Returns:
        (num, *shape), in the data's own coordinates.

    Raises:
        CheckpointError: As `load_trained`.
    """
    model = load_trained(path)
    config = model.config
    device = ready_device(config)
    weights = {name: tensor.to(device) for name, tensor in model.weights.items()}
    x_0 = torch.randn(num, model.dim, generator=generator(seed, 0, "sample"))
    with global_generators():
        x_1 = integrate(
            velocity_of(config, weights, model.shape), x_0.to(parameter_dtype(config)).to(device),
            num_steps or config.solver_steps, solver or config.solver,
        )  # fmt: skip
    rows = model.normalisation.undo(x_1.cpu().numpy()).astype(np.float32)
    return rows.reshape(num, *model.shape)


def evaluate(path: Path, config: dict[str, Any], metric: str) -> dict[str, float]:
    """One metric of a run's best weights, as the run itself would have measured it.

    Args:
        path: The run's `best.pt`.
        config: The run's config with absolute paths; it locates the data.
        metric: A measurable one of `config.metrics.METRICS`, or one of the config's own.

    Returns:
        `<metric>_best`, and `<metric>_floor` where there is one; of a function that returns a dict
        those of all its keys.

    Raises:
        CheckpointError: As `load_trained`.
        DataError: As `data.dataset.read_dataset`.
    """
    model = load_trained(path)
    current = FlowConfig.model_validate(config)
    device = ready_device(current)
    dataset = load_dataset(current.data)
    data = RunData(RunSpec("", model.seed, current), dataset, model.normalisation)
    evaluation = evaluation_of(current, data, model.normalisation, model.weights, device)
    own = None if metric in METRICS else measured_by(current.metrics, metric)
    with global_generators():
        if own is None:
            measured, floor = measure(evaluation, [metric]), floors(data, [metric], device)
        else:
            measured = own_measures(evaluation, dataset, own)
            floor = own_floors(own, dataset, device)
    return columns(measured, "best") | columns(floor, "floor")


def keep_samples(path: Path, config: dict[str, Any]) -> tuple[KeptSamples, KeptData]:
    """Samples of a run's best weights, as the run itself keeps them, and the data beside them.

    A run that was to keep none gets as many as by default.

    Args:
        path: The run's `best.pt`.
        config: The run's config with absolute paths; it locates the data.

    Raises:
        CheckpointError: As `load_trained`.
        DataError: As `data.dataset.read_dataset`.
    """
    model, current = load_trained(path), FlowConfig.model_validate(config)
    dataset, device = load_dataset(current.data), ready_device(current)
    num = current.keep_samples or FlowConfig.model_fields["keep_samples"].default
    samples = kept_samples(
        current.model_copy(update={"keep_samples": num}), dataset, model.normalisation,
        model.weights, model.step, device,
    )  # fmt: skip
    return samples, kept_data(current.data, dataset, device)
