"""What a run generates, kept to be looked at, beside rows of its data.

The noise is the same in all cells and for all seeds: the n-th samples of two runs of equally long
rows can be compared by eye.
"""

import hashlib
import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ablate.trainable.contract import KeptData, KeptSamples, room_for
from trainables.flow.config.data import SOURCES, DataConfig
from trainables.flow.config.metrics import MAX_ROWS
from trainables.flow.config.run import FlowConfig
from trainables.flow.data.dataset import Dataset, Normalisation
from trainables.flow.data.errors import Floats
from trainables.flow.evaluation.distances import nearest_distances
from trainables.flow.evaluation.projection import components_of
from trainables.flow.networks.layers import parameter_dtype
from trainables.flow.networks.velocity import State, velocity_of
from trainables.flow.randomness import generator, global_generators, seed_globally, stream_seed
from trainables.flow.sampling import follow

NUM_PATHS, PATH_POINTS = 64, 17
"""Samples whose way from the noise is kept where rows have two numbers, and points of it."""
NUM_IMAGES = 64
"""Test rows kept beside images; beside others as many as metrics look at."""
MOST_COMPARED = 32_768
"""Training rows of which the nearest is looked for, equally many whatever the samples."""
CHANNELS = (1, 3)
"""Of images, (channels, height, width); grey ones may also be (height, width)."""


def kept_samples(
    config: FlowConfig, data: Dataset, normalisation: Normalisation, weights: State, step: int,
    device: torch.device,
) -> KeptSamples:  # fmt: skip
    """Samples of a run's best weights; what is not finite stays as it is.

    Args:
        config: The run's config; says how many samples, as far as a file has room, and how.
        data: The run's rows.
        normalisation: The statistics of the weights.
        weights: The numbers of the network by name.
        step: The step of the weights.
        device: Where to compute.
    """
    noise = kept_noise(config.keep_samples, data.dim).to(parameter_dtype(config)).to(device)
    state = {name: tensor.to(device) for name, tensor in weights.items()}
    num_steps, in_plane = config.solver_steps, data.dim == 2
    at = _path_steps(num_steps) if in_plane else [num_steps]
    velocity = velocity_of(config, state, data.shape)
    with global_generators():  # a network of people's own may draw from them
        seed_globally(stream_seed(0, 0, "kept samples network"), device)
        points = follow(velocity, noise, num_steps, config.solver, at).cpu().numpy()
    with np.errstate(all="ignore"):
        paths = normalisation.undo(points).astype(np.float32)
    rows = np.ascontiguousarray(paths[:, -1])
    shape = seen_shape(config.data, data)
    return KeptSamples(
        rows=rows, shape=shape, weights="best", step=step,
        solver=f"{config.solver}, {num_steps} steps", data=data_name(config.data, data),
        paths=paths[:NUM_PATHS] if in_plane else None,
        projected=components_of(data).project(rows) if _is_projected(shape) else None,
        nearest=_nearest(rows, data, device),
    )  # fmt: skip


def kept_noise(num: int, dim: int) -> Tensor:
    """The noise of kept samples, (num, dim), or of as many as a file has room for.

    Fewer are the first of more.
    """
    most = room_for(dim)
    return torch.randn(most, dim, generator=generator(0, 0, "kept samples"))[:num]


def data_name(config: DataConfig, data: Dataset) -> str:
    """Names the file of data rows, by all that decides what is in it."""
    decides = data.fingerprint, config.split_seed, len(data.train), seen_shape(config, data)
    return hashlib.blake2b(repr(decides).encode(), digest_size=6).hexdigest()


def kept_data(config: DataConfig, data: Dataset, device: torch.device) -> KeptData:
    """Test rows to show beside samples, made once a process.

    Args:
        config: Where the rows come from.
        data: The rows.
        device: Where to compute.
    """
    return _kept_data(seen_shape(config, data), data, device)


@lru_cache(maxsize=4)
def _kept_data(shape: tuple[int, ...], data: Dataset, device: torch.device) -> KeptData:
    num = min(NUM_IMAGES, room_for(data.dim)) if _is_image(shape) else MAX_ROWS
    rows = data.test[:num]
    components = components_of(data) if _is_projected(shape) else None
    return KeptData(
        rows=rows if components is None else components.project(rows), shape=shape,
        explained=None if components is None else components.explained,
        nearest=_nearest(rows, data, device),
    )  # fmt: skip


def seen_shape(config: DataConfig, data: Dataset) -> tuple[int, ...]:
    """What a row is to people: flat digits are images, too."""
    return SOURCES[config.source].seen_as or data.shape if len(data.shape) == 1 else data.shape


def _is_projected(shape: tuple[int, ...]) -> bool:
    """Whether rows are shown as points on two components."""
    return math.prod(shape) > 2 and not _is_image(shape)


def _is_image(shape: tuple[int, ...]) -> bool:
    has_channels = len(shape) == 3 and shape[0] in CHANNELS
    return math.prod(shape) > 2 and (has_channels or len(shape) == 2)


def _path_steps(num_steps: int) -> list[int]:
    """The solver's steps after which points of paths are kept, the start and the end among them."""
    return np.unique(np.linspace(0, num_steps, PATH_POINTS).round().astype(int)).tolist()


def _nearest(rows: Floats, data: Dataset, device: torch.device) -> Floats:
    """Distances to the nearest training row, in the data's own coordinates, (num,).

    Those of the first `MAX_ROWS` rows, nan for others, and among the first `MOST_COMPARED` training
    rows: on one core that takes a few seconds at most.
    """
    points = torch.from_numpy(rows[:MAX_ROWS]).to(device)
    nearest = nearest_distances(points, torch.from_numpy(data.train[:MOST_COMPARED]))
    found = np.full(len(rows), np.nan, np.float32)
    found[:MAX_ROWS] = nearest.cpu().float().numpy()
    return found
