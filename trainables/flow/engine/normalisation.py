"""The normalisation statistics of a run."""

from typing import Any

import numpy as np
import torch

from trainables.flow.data.dataset import Normalisation


class NormalisationState:
    """Statistics as a part of a run's state: on resume, the checkpoint's win."""

    def __init__(self, current: Normalisation) -> None:
        self.current = current
        self.mismatch = ""

    def state_dict(self) -> dict[str, Any]:
        """Mean and standard deviation, (dim,) each."""
        return {
            "mean": torch.from_numpy(self.current.mean),
            "std": torch.from_numpy(self.current.std),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes the checkpoint's statistics, and notes where today's data disagree."""
        saved = Normalisation(state["mean"].numpy(), state["std"].numpy())
        gaps = [
            float(np.abs(getattr(saved, name) - getattr(self.current, name)).max())
            if getattr(saved, name).shape == getattr(self.current, name).shape
            else float("inf")
            for name in ("mean", "std")
        ]
        if max(gaps) == 0:
            return  # runs of one data set keep sharing it
        self.mismatch = (
            "normalisation statistics differ from the checkpoint's, which are kept: "
            f"mean by up to {gaps[0]:.3g}, std by up to {gaps[1]:.3g}"
        )
        self.current = saved
