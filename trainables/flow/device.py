"""Where a run computes."""

import os

import torch


def choose_device(name: str) -> torch.device:
    """The device of a config's `device`, made ready for results that can be repeated.

    Args:
        name: `cpu`, `cuda`, or `auto` for the GPU that there is, else the CPU.
    """
    if name == "auto":
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES") == ""
        name = "cuda" if torch.cuda.is_available() and not hidden else "cpu"
    if name == "cpu":
        # A sum over two threads has other bits than a sum over one.
        torch.set_num_threads(1)
    return torch.device(name)


def use_precision(device: torch.device, dtype: str) -> None:
    """Lets a GPU multiply float32 matrices in TF32, or forbids it, as a config's `dtype` says."""
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")


def device_name(device: torch.device) -> str:
    """The device for people."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else "cpu"
