"""The table of learning-rate schedules, and what they are; torch-free.

Each says what share of the peak rate is left after the warm-up, which they know nothing of.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainables.flow.config.elsewhere import OwnFunction, Table
from trainables.flow.config.ingredient import Ingredient
from trainables.flow.config.own_parts import own_function

if TYPE_CHECKING:
    from trainables.flow.config.run import FlowConfig

Decay = Callable[[int, int], float]
"""Steps since the warm-up, and steps from there to the end of the phase -> share of the peak."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Schedule(Ingredient):
    """What follows the warm-up."""

    share: Callable[..., float] = lambda progress: 1.0
    """Of the peak rate: takes the progress from 0 to 1, and the knobs."""


def cosine(progress: float, final_lr: float = 0.0) -> float:
    """Loshchilov & Hutter 2017 (arXiv:1608.03983), eq. 5 with one cycle, down to `final_lr`."""
    return final_lr + (1 - final_lr) * (0.5 * (1 + math.cos(math.pi * progress)))


def _linear(progress: float, final_lr: float) -> float:
    return final_lr + (1 - final_lr) * (1 - progress)


SCHEDULES = Table(
    {
        "cosine": Schedule(share=cosine, knobs=("final_lr",)),
        "linear": Schedule(share=_linear, knobs=("final_lr",)),
        "constant": Schedule(),
    },
    Schedule(knobs=("schedule_args",)),
)


def decay_of(config: "FlowConfig") -> Decay:
    """The schedule of a config.

    Raises:
        ConfigError: If it is one's own, and cannot be made or called.
    """
    if config.schedule not in SCHEDULES:
        return _own_decay(own_schedule(config))
    row = SCHEDULES[config.schedule]
    knobs = row.values(config)
    return lambda step, num_steps: row.share(progress_of(step, num_steps), **knobs)


def progress_of(step: int, num_steps: int) -> float:
    """How much of the steps since the warm-up has been taken."""
    return min(1.0, step / max(1, num_steps))


def own_schedule(config: "FlowConfig") -> OwnFunction:
    """The function of one's own that a config names.

    Raises:
        ConfigError: If it cannot be imported, made or called.
    """
    given = ("step", "num_steps", "progress")
    return own_function("schedule", config.schedule, config.schedule_args, given)


def _own_decay(function: OwnFunction) -> Decay:
    return lambda step, num_steps: float(
        function(step=step, num_steps=num_steps, progress=progress_of(step, num_steps))
    )
