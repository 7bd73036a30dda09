"""Work that is the same each time as one CUDA graph: one launch for all its kernels."""

from collections.abc import Callable

import torch

WARM_UP_CALLS = 3
"""Before a capture, as PyTorch asks: libraries set themselves up at their first calls."""


class NotCapturedError(RuntimeError):
    """No graph can be had; the message says why."""


def can_capture(device: torch.device) -> bool:
    """Whether there are graphs on such a device."""
    return device.type == "cuda"


def captured(work: Callable[[], None]) -> torch.cuda.CUDAGraph:
    """A graph whose replay does what calls of `work` do.

    Args:
        work: Reads and writes only tensors that stay where they are, and asks nothing of the
            device. It is called a few times before.

    Raises:
        NotCapturedError: Where it cannot be captured.
        torch.OutOfMemoryError: Where the device's memory does not suffice.
    """
    try:
        return _captured(work, torch.cuda.Stream())
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        # The end of a capture that broke off has an error of its own to tell.
        if isinstance(error.__context__, torch.OutOfMemoryError):
            raise error.__context__ from None
        raise NotCapturedError(str(error)) from error


def _captured(work: Callable[[], None], aside: torch.cuda.Stream) -> torch.cuda.CUDAGraph:
    current = torch.cuda.current_stream()
    with torch.cuda.stream(current):  # back to it also where a capture breaks off
        aside.wait_stream(current)
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP_CALLS):
                work()
        current.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
        return graph
