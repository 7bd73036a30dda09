"""Checkpoints: the one place that defines what is saved of a run, in which order, and how.

Torch is imported where it is needed: the driver imports this module but never loads a checkpoint.
"""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

ORDER = ("model", "ema", "optimizer", "scheduler", "progress", "normalisation")
"""Save and load order: weights must be there before the optimizer moments that belong to them."""


class Stateful(Protocol):
    """A part of a run's state."""

    def state_dict(self) -> dict[str, Any]:
        """The state, as tensors and plain values."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Restores a state."""
        ...


class CheckpointError(RuntimeError):
    """A checkpoint is missing, torn or of another kind of run; the message names the file."""


def run_state(parts: Mapping[str, Stateful]) -> dict[str, dict[str, Any]]:
    """The state of a run's parts, in `ORDER`."""
    return {name: parts[name].state_dict() for name in ORDER}


def load_run_state(parts: Mapping[str, Stateful], state: Mapping[str, dict[str, Any]]) -> None:
    """Loads the state of a run's parts, in `ORDER`.

    Raises:
        CheckpointError: If the state lacks a part.
    """
    missing = [name for name in ORDER if name not in state]
    if missing:
        raise CheckpointError(f"the checkpoint lacks {', '.join(missing)}")
    for name in ORDER:
        parts[name].load_state_dict(state[name])


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Writes a checkpoint atomically: a reader finds all of it or none of it."""
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            torch.save(dict(state), file)
        os.replace(partial, path)
    except (RuntimeError, OSError) as error:
        with contextlib.suppress(OSError):
            partial.unlink()  # make room on a full disk
        # Torch raises an error of its own; what the file system said is in its context.
        cause = error if isinstance(error, OSError) else error.__context__
        if isinstance(cause, OSError):
            raise OSError(cause.errno, cause.strerror, str(path)) from error
        raise


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU; it may hold tensors and plain values, never code.

    Raises:
        CheckpointError: If the file is missing, torn or holds something else.
    """
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such checkpoint") from error
    except Exception as error:
        raise CheckpointError(f"{path}: not a whole checkpoint ({error})") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: holds a {type(state).__name__}, not a run's state")
    return state
