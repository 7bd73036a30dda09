"""A run's spec and progress: all of its state that is neither weights nor data."""

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from trainables.flow.config.run import FlowConfig

if TYPE_CHECKING:
    from trainables.flow.networks.velocity import State

Status = Literal["running", "ok", "diverged"]
Point = tuple[int, dict[str, float]]
"""A global step and the metrics measured at it."""


@dataclass(frozen=True)
class RunSpec:
    """What distinguishes a run from the others of its pack."""

    run_id: str
    seed: int
    config: FlowConfig


@dataclass
class Progress:
    """How far a run has got."""

    epoch: int = 0
    step: int = 0
    status: Status = "running"
    stop_reason: str = ""
    error: str = ""
    train_loss: float = float("inf")
    """Mean over the last epoch."""
    val_loss: float = float("inf")
    best_train_loss: float = float("inf")
    best_val_loss: float = float("inf")
    best_epoch: int = 0
    best_step: int = 0
    best: "State" = field(default_factory=dict)
    """EMA weights of the best epoch."""
    phase: int = 0
    """0, and 1 once a reflow run trains its student."""
    first_epoch: int = 0
    """Epochs before the phase."""
    first_step: int = 0
    """Steps before the phase."""
    teacher: "State" = field(default_factory=dict)
    """Weights that made a reflow run's pairs."""
    final_metrics: dict[str, float] = field(default_factory=dict)
    """Metrics measured after training."""
    warnings: list[str] = field(default_factory=list)
    """Warnings to report beside the run's result."""

    def enter_phase(self, phase: int) -> None:
        """Begins a phase, without a best epoch; the last `val_loss` stays until the next one."""
        self.phase, self.first_epoch, self.first_step = phase, self.epoch, self.step
        self.best_val_loss = float("inf")
        self.best_epoch, self.best_step, self.best = self.epoch, self.step, {}

    def state_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the fields."""
        for name, value in state.items():
            setattr(self, name, value)
