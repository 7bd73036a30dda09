"""What the velocity networks share: stacked linear maps, the time embedding, padding."""

import contextlib
import functools
import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from trainables.flow.config.run import FlowConfig
from trainables.flow.config.shapes import TIME_DIM, padded

_AS_IT_IS = contextlib.nullcontext()
Weights = Mapping[str, Tensor]
"""Parameters by name, of one run or, with a leading K, of a pack's runs."""


def parameter_dtype(config: FlowConfig) -> torch.dtype:
    """Precision of weights, data and loss."""
    return torch.float64 if config.dtype == "float64" else torch.float32


def precision(config: FlowConfig, device: torch.device) -> AbstractContextManager[Any]:
    """In which a network computes."""
    if config.dtype != "bfloat16":
        return _AS_IT_IS
    # Each weight is used once, and cached casts must not outlive the capture of a CUDA graph.
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)


def linear(weights: Weights, name: str, x: Tensor) -> Tensor:
    """One linear map per run: (K, rows, in) -> (K, rows, out).

    Args:
        weights: Stacked parameters.
        name: The layer's: it has `<name>.weight` and `<name>.bias`.
        x: Inputs, (K, rows, in).
    """
    return torch.baddbmm(weights[f"{name}.bias"].unsqueeze(1), x, weights[f"{name}.weight"])


def time_embedding(t: Tensor) -> Tensor:
    """Sinusoidal features of t in [0, 1]: (...) -> (..., TIME_DIM), Vaswani et al. 2017, 3.5."""
    # Cached only on the CPU: tensors made in a graph's capture are overwritten by its replays.
    frequencies = _kept_frequencies if t.device.type == "cpu" else _frequencies
    angles = 1000.0 * t.unsqueeze(-1) * frequencies(t.dtype, t.device)
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def pad(x: Tensor) -> Tensor:
    """Pads the last axis with zeros to the next width in `shapes.padded`."""
    missing = padded(x.shape[-1]) - x.shape[-1]
    return functional.pad(x, (0, missing)) if missing else x


def _frequencies(dtype: torch.dtype, device: torch.device) -> Tensor:
    half = TIME_DIM // 2
    exponents = torch.arange(half, dtype=dtype, device=device) / half
    return torch.exp(-math.log(10_000.0) * exponents)


_kept_frequencies = functools.cache(_frequencies)
