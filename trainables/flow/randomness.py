"""Stateless randomness: every draw comes from a generator keyed by its purpose.

Nothing has to be checkpointed, and switching on one ingredient does not shift another's draws:
runs that share a seed share batches, noise and times (common random numbers).
"""

import contextlib
import hashlib
import random
from collections.abc import Generator

import numpy as np
import torch

CPU = torch.device("cpu")

Stream = str
"""What a draw is for: `init`, `batch`, `noise`, `time`, `path`, `validation`, `sampling`, ..."""


def generator(seed: int, epoch: int, stream: Stream, device: torch.device = CPU) -> torch.Generator:
    """A fresh generator for one stream of one epoch.

    Args:
        seed: The run's seed, or the split seed for what runs of all seeds share.
        epoch: The epoch, or any other counter that tells draws of one stream apart.
        stream: What the draw is for.
        device: Where it draws; a GPU's numbers differ from the CPU's.
    """
    return torch.Generator(device).manual_seed(stream_seed(seed, epoch, stream))


def stream_seed(seed: int, epoch: int, stream: Stream) -> int:
    """What seeds a stream, see `generator`."""
    key = f"{seed}/{epoch}/{stream}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little")


@contextlib.contextmanager
def global_generators() -> Generator[None]:
    """Leaves torch's, NumPy's and Python's own generators as they are found.

    People's code draws from them: seed them first (`seed_globally`).
    """
    of_numpy, of_python = np.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        np.random.set_state(of_numpy)
        random.setstate(of_python)


def seed_globally(seed: int, device: torch.device = CPU) -> None:
    """Seeds the generators that belong to no stream.

    `torch.manual_seed` takes up to a millisecond, since it seeds devices that nobody uses.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


class Streams:
    """The generators of one run and epoch by stream, each created on first use."""

    def __init__(self, seed: int, epoch: int, device: torch.device = CPU) -> None:
        self.device = device
        self._key = (seed, epoch)
        self._made: dict[Stream, torch.Generator] = {}

    def __getitem__(self, stream: Stream) -> torch.Generator:
        """The generator of a stream, where its last draw left it."""
        if stream not in self._made:
            self._made[stream] = generator(*self._key, stream, self.device)
        return self._made[stream]

    def step_seed(self, stream: Stream, step: int) -> int:
        """What seeds the draws of a step of the epoch that nobody else shares."""
        return stream_seed(*self._key, f"{stream} {step}")
