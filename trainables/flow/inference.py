"""Samples and further metrics from a run's `best.pt`, once training is over."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainables.flow.config.run import FlowConfig
from trainables.flow.data.dataset import Normalisation, load_dataset
from trainables.flow.data.errors import Floats
from trainables.flow.device import ready_device
from trainables.flow.engine.batches import RunData
from trainables.flow.engine.checkpoint import CheckpointError, read_checkpoint
from trainables.flow.engine.state import RunSpec
from trainables.flow.evaluation.measure import columns, floors, measure
from trainables.flow.networks.velocity import State, parameter_dtype, velocity_of
from trainables.flow.randomness import generator
from trainables.flow.sampling import integrate


@dataclass(frozen=True)
class TrainedModel:
    """Best weights of a run, and what it takes to use them."""

    config: FlowConfig
    seed: int
    dim: int
    weights: State
    normalisation: Normalisation


def load_trained(path: Path) -> TrainedModel:
    """Reads a `best.pt`.

    Raises:
        CheckpointError: If the file is missing, torn or of another kind.
    """
    state = read_checkpoint(path)
    try:
        scale = state["normalisation"]
        return TrainedModel(
            FlowConfig.model_validate(state["config"]), state["seed"], state["dim"],
            state["weights"], Normalisation(scale["mean"].numpy(), scale["std"].numpy()),
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
        (num, dim), in the data's own coordinates.

    Raises:
        CheckpointError: As `load_trained`.
    """
    model = load_trained(path)
    config = model.config
    device = ready_device(config)
    weights = {name: tensor.to(device) for name, tensor in model.weights.items()}
    x_0 = torch.randn(num, model.dim, generator=generator(seed, 0, "sample"))
    x_1 = integrate(
        velocity_of(config, weights), x_0.to(parameter_dtype(config)).to(device),
        num_steps or config.solver_steps, solver or config.solver,
    )  # fmt: skip
    return model.normalisation.undo(x_1.cpu().numpy()).astype(np.float32)


def evaluate(path: Path, config: dict[str, Any], metric: str) -> dict[str, float]:
    """One metric of a run's best weights, as the run itself would have measured it.

    Args:
        path: The run's `best.pt`.
        config: The run's config with absolute paths; it locates the data.
        metric: A measurable one of `config.metrics.METRICS`.

    Returns:
        `<metric>_best`, and `<metric>_floor` where there is one.

    Raises:
        CheckpointError: As `load_trained`.
        DataError: As `data.dataset.read_dataset`.
    """
    model = load_trained(path)
    current = FlowConfig.model_validate(config)
    device = ready_device(current)
    dataset = load_dataset(current.data)
    data = RunData(RunSpec("", model.seed, current), dataset, model.normalisation)
    measured = measure(current, data, model.normalisation, model.weights, [metric], device)
    return columns(measured, "best") | columns(floors(data, [metric], device), "floor")
