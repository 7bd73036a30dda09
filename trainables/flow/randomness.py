"""Stateless randomness: every draw comes from a generator keyed by its purpose.

Nothing has to be checkpointed, and switching on one ingredient does not shift another's draws:
runs that share a seed share batches, noise and times (common random numbers).
"""

import hashlib

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
    key = f"{seed}/{epoch}/{stream}".encode()
    number = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little")
    return torch.Generator(device).manual_seed(number)


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
