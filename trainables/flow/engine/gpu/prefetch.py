"""Makes the next draws while the device still trains on the last ones."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch

from trainables.flow.engine.batches import Targets


def prefetched(source: Iterator[Targets], device: torch.device) -> Generator[Targets]:
    """The items of an iterator, each made in a thread while the one before is in use.

    An item is made once the device is done with the last but one, which bounds memory however far
    the host is ahead, and keeps items from overwriting one that is still in use.

    Args:
        source: Draws from its own generators, so that timing does not matter.
        device: Where its tensors are; on a GPU they are made on a separate stream.
    """
    aside = _side_stream(device) if device.type == "cuda" else None
    used = _waited_for(aside, device)  # the source's own tensors may still be in the making
    with ThreadPoolExecutor(max_workers=1) as worker:
        coming = worker.submit(_next, source, aside, used)
        while (item := coming.result()) is not None:
            coming = worker.submit(_next, source, aside, used)
            targets, drawn = item
            if drawn is not None:
                torch.cuda.current_stream(device).wait_event(drawn)
            yield targets
            used = _waited_for(aside, device)


@lru_cache(maxsize=8)
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """One stream for all epochs: the allocator keeps the memory of each stream apart."""
    return torch.cuda.Stream(device)


def _waited_for(aside: torch.cuda.Stream | None, device: torch.device) -> torch.cuda.Event | None:
    """An event after everything queued on the training stream so far."""
    return None if aside is None else _mark(torch.cuda.current_stream(device))


def _mark(stream: torch.cuda.Stream) -> torch.cuda.Event:
    event = torch.cuda.Event()
    event.record(stream)
    return event


def _next(
    source: Iterator[Targets], aside: torch.cuda.Stream | None, used: torch.cuda.Event | None
) -> tuple[Targets, torch.cuda.Event | None] | None:
    if aside is None or used is None:
        targets = next(source, None)
        return targets and (targets, None)
    used.synchronize()
    with torch.cuda.stream(aside):
        aside.wait_event(used)
        targets = next(source, None)
        return targets and (targets, _mark(aside))
