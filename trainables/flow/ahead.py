"""The next draws while the device still trains on the last ones."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch

from trainables.flow.draws import Targets


def ahead(source: Iterator[Targets], device: torch.device) -> Generator[Targets]:
    """The items of an iterator, each made in a thread while the one before is in use.

    Args:
        source: Draws from generators of its own, so that the moment does not matter.
        device: Where its tensors are; on a GPU they are made on a stream of their own.
    """
    aside = torch.cuda.Stream(device) if device.type == "cuda" else None
    if aside is not None:  # what is drawn from may still be in the making
        aside.wait_stream(torch.cuda.current_stream(device))
    with ThreadPoolExecutor(max_workers=1) as worker:
        coming = worker.submit(_next, source, aside)
        while (item := coming.result()) is not None:
            coming = worker.submit(_next, source, aside)
            targets, drawn = item
            if drawn is not None:
                _hand_over(targets, drawn)
            yield targets


def _next(
    source: Iterator[Targets], aside: torch.cuda.Stream | None
) -> tuple[Targets, torch.cuda.Event | None] | None:
    with torch.cuda.stream(aside):  # None changes nothing
        targets = next(source, None)
        if targets is None or aside is None:
            return targets and (targets, None)
        drawn = torch.cuda.Event()
        drawn.record(aside)
        return targets, drawn


def _hand_over(targets: Targets, drawn: torch.cuda.Event) -> None:
    """Makes the stream that trains wait for the draws, and the allocator for that stream."""
    current = torch.cuda.current_stream()
    current.wait_event(drawn)
    for tensor in targets:
        tensor.record_stream(current)
