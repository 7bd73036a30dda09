"""Captures repeated work as one CUDA graph: one launch for all its kernels."""

from collections.abc import Callable

import torch

WARM_UP_CALLS = 3
"""Before a capture, as PyTorch requires: libraries initialise themselves on their first calls."""


class NotCapturedError(RuntimeError):
    """The work cannot be captured; the message says why."""


def can_capture(device: torch.device) -> bool:
    """Whether a device supports graphs."""
    return device.type == "cuda"


def captured(work: Callable[[], None]) -> torch.cuda.CUDAGraph:
    """A graph whose replay does what a call of `work` does.

    Args:
        work: Reads and writes only tensors that stay where they are, and never synchronises with
            the device. It is called a few times before the capture.

    Raises:
        NotCapturedError: If it cannot be captured.
        torch.OutOfMemoryError: If the device runs out of memory.
    """
    try:
        return _captured(work, torch.cuda.Stream())
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        # Ending an aborted capture raises an error of its own.
        if isinstance(error.__context__, torch.OutOfMemoryError):
            raise error.__context__ from None
        raise NotCapturedError(str(error)) from error


def _captured(work: Callable[[], None], aside: torch.cuda.Stream) -> torch.cuda.CUDAGraph:
    current = torch.cuda.current_stream()
    with torch.cuda.stream(current):  # back to it even if the capture is aborted
        aside.wait_stream(current)
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP_CALLS):
                work()
        current.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
        return graph
