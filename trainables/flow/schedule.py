"""Learning rate: linear warm-up into a cosine decay to zero."""

import math
from typing import Any

from torch.optim import Optimizer


def warmup_steps(warmup: float, total_steps: int) -> int:
    """Steps of warm-up: a fraction of the whole below 1, a number of steps from 1 on."""
    return min(total_steps, round(warmup * total_steps) if warmup < 1 else int(warmup))


def lr_factor(step: int, warmup: int, total_steps: int) -> float:
    """Share of the peak rate at a step: linear up to 1, then cosine down to 0.

    Loshchilov & Hutter 2017 (arXiv:1608.03983), eq. 5 with one cycle.
    """
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total_steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


class WarmupCosine:
    """Sets an optimizer's rate before each step; its only state is the step."""

    def __init__(self, optimizer: Optimizer, lr: float, warmup: float, total_steps: int) -> None:
        self._optimizer = optimizer
        self._lr = lr
        self._total_steps = total_steps
        self._warmup = warmup_steps(warmup, total_steps)
        self._apply(0)

    @property
    def lr(self) -> float:
        """The rate of the next step."""
        return self._lr * lr_factor(self._step, self._warmup, self._total_steps)

    def advance(self) -> None:
        """Moves on by one optimizer step."""
        self._apply(self._step + 1)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of the schedule."""
        return {"step": self._step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to the step of a checkpoint."""
        self._apply(state["step"])

    def _apply(self, step: int) -> None:
        self._step = step
        for group in self._optimizer.param_groups:
            group["lr"] = self.lr
