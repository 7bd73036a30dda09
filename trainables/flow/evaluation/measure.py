"""Metrics of a trained model: samples from fixed noise against the test part."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainables.flow.config.elsewhere import told_of
from trainables.flow.config.metrics import MAX_ROWS, METRICS
from trainables.flow.config.run import FlowConfig
from trainables.flow.data.dataset import Dataset, Normalisation
from trainables.flow.engine.batches import RunData
from trainables.flow.engine.run import FlowRun
from trainables.flow.evaluation.distances import energy_distance, mmd, nearest_distance, sliced_w2
from trainables.flow.evaluation.likelihood import negative_log_likelihood
from trainables.flow.evaluation.own_metrics import own_floors, own_rows, own_values
from trainables.flow.networks.velocity import State, velocity_of
from trainables.flow.sampling import Velocity, solve


@dataclass
class Evaluation:
    """One set of weights and the data to compare it with, in normalised coordinates."""

    config: FlowConfig
    velocity: Velocity
    noise: Tensor
    test: Tensor
    train: Tensor
    normalisation: Normalisation

    @cached_property
    def solved(self) -> tuple[Tensor, Tensor]:
        """Samples (rows, dim), and how far their paths are from straight (rows,)."""
        return solve(self.velocity, self.noise, self.config.solver_steps, self.config.solver)

    @property
    def samples(self) -> Tensor:
        """Points at t = 1, (rows, dim)."""
        return self.solved[0]


class FloorRows(NamedTuple):
    """Rows to compute floors from, in normalised coordinates."""

    train: Tensor
    test: Tensor
    blocks: list[Tensor]
    """Disjoint blocks of training rows, each as long as `test`."""


class Measure(NamedTuple):
    """How a metric of trained weights is measured."""

    of: Callable[[Evaluation], float]
    floor: Callable[[FloorRows], float] | None = None
    """The same of data rows alone, where meaningful. It sees no config: runs of the same data share
    it."""


def evaluation_of(
    config: FlowConfig,
    data: RunData,
    normalisation: Normalisation,
    weights: State,
    device: torch.device,
) -> Evaluation:
    """One set of weights beside what its samples are compared with.

    Args:
        config: The run's config; says how samples are drawn.
        data: The run's rows and fixed noise.
        normalisation: The statistics of the weights.
        weights: Parameters by name.
        device: Where to compute.
    """
    test = data.test[:MAX_ROWS].to(device)
    on_device = {name: tensor.to(device) for name, tensor in weights.items()}
    velocity = velocity_of(config, on_device, data.shape)
    noise = data.sampling_noise(len(test)).to(device)
    return Evaluation(config, velocity, noise, test, data.train.to(device), normalisation)


def measure(evaluation: Evaluation, names: Iterable[str]) -> dict[str, float]:
    """Metrics of one set of weights by name.

    Args:
        evaluation: The weights.
        names: The metrics, of `MEASURES`.
    """
    return {name: MEASURES[name].of(evaluation) for name in names}


def own_measures(evaluation: Evaluation, dataset: Dataset, reference: str) -> dict[str, float]:
    """A metric of one's own of one set of weights, by name.

    Raises:
        Exception: Whatever the function raises.
    """
    samples = evaluation.normalisation.undo(evaluation.samples.cpu().numpy()).astype(np.float32)
    return own_values(reference, own_rows(dataset, samples, evaluation.test.device))


def floors(data: RunData, names: Sequence[str], device: torch.device) -> dict[str, float]:
    """The score of training rows in the place of samples: that of a fresh sample of the data.

    A single score is noisy, so it is the mean over all disjoint blocks of `data.reference` of the
    test part's size. For `train_distance` it is the test rows' distance to the training rows:
    samples that are nearer were memorised. Runs of the same data share floors.

    Args:
        data: The rows.
        names: The metrics; those without a floor are left out.
        device: Where to compute.
    """
    return dict(_floors(data.train, data.test, data.reference, tuple(names), device))


@lru_cache(maxsize=4)
def _floors(
    train: Tensor, test: Tensor, reference: Tensor, names: tuple[str, ...], device: torch.device
) -> dict[str, float]:
    num = min(MAX_ROWS, len(test), len(reference))
    blocks = [part.to(device) for part in reference.split(num) if len(part) == num]
    rows = FloorRows(train.to(device), test[:num].to(device), blocks)
    taken = ((name, MEASURES[name].floor) for name in names)
    return {name: floor(rows) for name, floor in taken if floor}


def final_metrics(run: FlowRun, device: torch.device) -> dict[str, float]:
    """A run's final metrics: of its best and its final averaged weights, and the floors."""
    config, data, progress = run.spec.config, run.data, run.progress
    names = [name for name in config.measured() if METRICS[name].is_measurable]
    scale = run.normalisation.current
    best = evaluation_of(config, data, scale, progress.best, device)
    final = best
    if progress.best_step != progress.step:
        final = evaluation_of(config, data, scale, run.ema.state_dict(), device)
    of_best = measure(best, names)
    of_final = of_best if final is best else measure(final, names)
    metrics = columns(of_best, "best") | columns(of_final, "final")
    metrics |= columns(floors(data, names, device), "floor")
    for reference in config.metrics:
        metrics |= _own_metrics(run, reference, best, final)
    return metrics


def _own_metrics(
    run: FlowRun, reference: str, best: Evaluation, final: Evaluation
) -> dict[str, float]:
    """The columns of a metric of one's own; what it raises becomes a warning of the run."""
    metrics: dict[str, float] = {}
    try:
        values = own_measures(best, run.dataset, reference)
        metrics |= columns(values, "best")
        if final is not best:
            values = own_measures(final, run.dataset, reference)
        metrics |= columns(values, "final")
        metrics |= columns(own_floors(reference, run.dataset, best.test.device), "floor")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the run's other results are not lost to it
        run.progress.warnings.append(
            f"metric {reference} raised {told_of(error)}: left out of the metrics"
        )
    return metrics


def columns(values: Mapping[str, float], what: str) -> dict[str, float]:
    """Metrics as columns of the ledger: `<metric>_<what>`."""
    return {f"{name}_{what}": value for name, value in values.items()}


def _nll(evaluation: Evaluation) -> float:
    """Mean over the test part, in nats per row and in the data's own coordinates."""
    steps = evaluation.config.solver_steps
    nll = negative_log_likelihood(evaluation.velocity, evaluation.test, steps).mean().item()
    return nll + float(torch.from_numpy(evaluation.normalisation.std).double().log().sum())


def _distance(distance: Callable[[Tensor, Tensor], float]) -> Measure:
    """A distance between samples and test rows."""
    return Measure(
        lambda e: distance(e.samples, e.test),
        lambda rows: sum(distance(block, rows.test) for block in rows.blocks) / len(rows.blocks),
    )


MEASURES: dict[str, Measure] = {
    "sliced_w2": _distance(sliced_w2),
    "energy_distance": _distance(energy_distance),
    "mmd": _distance(mmd),
    "straightness": Measure(lambda e: e.solved[1].mean().item()),
    "train_distance": Measure(
        lambda e: nearest_distance(e.samples, e.train),
        lambda rows: nearest_distance(rows.test, rows.train),
    ),
    "nll": Measure(_nll),
}
