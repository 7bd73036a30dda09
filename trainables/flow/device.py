"""Where a run computes."""

import os
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from trainables.flow.config.run import FlowConfig


def ready_device(config: "FlowConfig") -> torch.device:
    """The device of a config, set up for reproducible results.

    `device` is `cpu`, `cuda`, or `auto` for a GPU if there is one, else the CPU. The TF32 setting
    of `dtype` applies to the whole process.
    """
    name = config.device
    if name == "auto":
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES") == ""
        name = "cuda" if torch.cuda.is_available() and not hidden else "cpu"
    if name == "cpu":
        # A sum over two threads differs in its last bits from a sum over one.
        torch.set_num_threads(1)
    else:
        torch.set_float32_matmul_precision("high" if config.dtype == "tf32" else "highest")
    return torch.device(name)


def device_name(device: torch.device) -> str:
    """The device for people."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else "cpu"
