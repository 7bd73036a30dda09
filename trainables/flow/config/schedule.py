"""What changes from step to step: learning rate, and how fast the weight average forgets."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from trainables.flow.config.schedules import Decay, cosine, progress_of

if TYPE_CHECKING:
    from trainables.flow.config.run import FlowConfig


ROWS_A_VALIDATION_ROW = 6
"""A forward pass is a third of a step: validation takes an eighteenth of the time of training."""
MIN_VALIDATIONS = 30


def steps_per_epoch(num_rows: int, batch_size: int) -> int:
    """Optimizer steps per epoch: the number of batches that the rows fill, rounded."""
    return max(1, round(num_rows / batch_size))


def phases_of(config: "FlowConfig", steps_per_epoch: int) -> tuple[int, ...]:
    """Steps of each phase of training: one, or a teacher's and its student's."""
    total = config.steps or (config.epochs or 0) * steps_per_epoch
    if not config.has_teacher:
        return (total,)
    teacher = total // 2 if config.steps else max(1, (config.epochs or 0) // 2) * steps_per_epoch
    return max(1, teacher), max(1, total - teacher)


def validation_every(
    num_rows: int, num_validation: int, phase_epochs: int, patience: int | None
) -> int:
    """Epochs between validations: 1, or more when few rows are trained on.

    At most one validation row is evaluated for every `ROWS_A_VALIDATION_ROW` rows trained on, as
    long as a phase has `MIN_VALIDATIONS` validations and `patience` spans three.

    Args:
        num_rows: Rows trained on in an epoch.
        num_validation: Rows of the validation part.
        phase_epochs: Epochs of the phase of training.
        patience: Epochs without a better loss before it stops.
    """
    affordable = math.ceil(ROWS_A_VALIDATION_ROW * num_validation / num_rows)
    most = min(phase_epochs // MIN_VALIDATIONS, (patience or phase_epochs) // 3)
    return max(1, min(affordable, most))


def ema_decay(step: int, cap: float) -> float:
    """Decay of the average after `step` updates: min(cap, (1 + n) / (10 + n)).

    Without the warm-up a cap of 0.9999 leaves 89 % of the initial weights in the average after
    1,200 steps (the warm-up is TensorFlow's ExponentialMovingAverage with `num_updates`).
    """
    return min(cap, (1 + step) / (10 + step))


def warmup_steps(warmup: float, total_steps: int) -> int:
    """Steps of warm-up: below 1 a fraction of all steps, otherwise a number of steps."""
    return min(total_steps, round(warmup * total_steps) if warmup < 1 else int(warmup))


def lr_factor(step: int, warmup: int, total_steps: int, decay: Decay | None = None) -> float:
    """Share of the peak rate at a step: up linearly to 1, then as a schedule says.

    Args:
        step: Steps taken so far in the phase.
        warmup: Steps of warm-up.
        total_steps: Steps of the phase.
        decay: The schedule; None is cosine to zero.
    """
    if step < warmup:
        return (step + 1) / warmup
    after = step - warmup, total_steps - warmup
    return cosine(progress_of(*after)) if decay is None else decay(*after)


class HasRate(Protocol):
    """What a learning rate is set of."""

    lr: float


class LearningRate:
    """Sets an optimizer's rate before each step; its only state is the step.

    Args:
        optimizer: Whose rate to set.
        lr: Peak rate.
        warmup: Below 1 a fraction of a phase's steps, otherwise a number of steps.
        phases: Steps of each phase of training; warm-up and decay start over in each.
        decay: What follows the warm-up.
    """

    def __init__(
        self,
        optimizer: HasRate,
        lr: float,
        warmup: float,
        phases: Sequence[int],
        decay: Decay,
    ) -> None:
        self._optimizer = optimizer
        self._lr = lr
        self._warmup = warmup
        self._phases = phases
        self._decay = decay
        self._apply(0)

    @property
    def lr(self) -> float:
        """The rate of the next step."""
        return self._optimizer.lr

    def rates(self, num_steps: int) -> list[float]:
        """The rates of the next steps of the phase."""
        start, total = self._phase()
        warmup = warmup_steps(self._warmup, total)
        return [
            self._lr * lr_factor(step - start, warmup, total, self._decay)
            for step in range(self._step, self._step + num_steps)
        ]

    def advance(self) -> None:
        """Moves on by one optimizer step."""
        self._apply(self._step + 1)

    def enter(self, phase: int) -> None:
        """Jumps to the first step of a phase."""
        self._apply(sum(self._phases[:phase]))

    def state_dict(self) -> dict[str, Any]:
        """The schedule's part of a checkpoint."""
        return {"step": self._step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Jumps to the step of a checkpoint."""
        self._apply(state["step"])

    def _phase(self) -> tuple[int, int]:
        """Start and length of the phase that the step is in."""
        start = 0
        for total in self._phases[:-1]:
            if self._step < start + total:
                return start, total
            start += total
        return start, self._phases[-1]

    def _apply(self, step: int) -> None:
        self._step = step
        self._optimizer.lr = self.rates(1)[0]
