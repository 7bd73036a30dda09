"""The table of metrics, torch-free; `measure.MEASURES` measures those of a trained model."""

from dataclasses import dataclass
from typing import Literal

from ablate.trainable.contract import MetricSpec
from trainables.flow.config.data import TEST_SHARE, VALIDATION_SHARE

MAX_ROWS = 2_048
"""Test rows, and as many samples, that the metrics of weights look at."""
_SAMPLES = f"at most {MAX_ROWS:,} samples from fixed noise"
_TEST_ROWS = f"rows of the test part ({100 * TEST_SHARE:.0f} % of all rows)"


@dataclass(frozen=True, kw_only=True)
class Metric(MetricSpec):
    """What a study must know of a metric before anything is trained."""

    is_measurable: bool = True
    """From best weights; losses are not."""
    of: Literal["model", "validation", "training"] = "model"
    """Taken of trained weights, or the loss over held-out or over training targets."""
    measured_on: str = f"{_SAMPLES} against as many {_TEST_ROWS}"
    """For people."""
    solver: str | None = None
    """What integrates for it, where that is not the config's solver."""
    asked_by: str | None = None
    """The config key that turns it on; None if every run ends with it."""
    optional: bool = False
    """Whether a run is fine without a finite value of it."""


METRICS: dict[str, Metric] = {
    "sliced_w2": Metric(),
    "energy_distance": Metric(),
    "mmd": Metric(),
    "straightness": Metric(measured_on=_SAMPLES),
    # Samples near the training rows may be good, or training rows learned by heart.
    "train_distance": Metric(ranks=False, measured_on=f"{_SAMPLES} against the training rows"),
    "nll": Metric(
        has_ratios=False, asked_by="nll", optional=True, solver="rk4",
        measured_on=f"at most {MAX_ROWS:,} {_TEST_ROWS}",
    ),
    "val_loss": Metric(
        of="validation", is_measurable=False,
        measured_on=f"the validation part ({100 * VALIDATION_SHARE:.0f} % of all rows)",
    ),
    "train_loss": Metric(
        of="training", is_measurable=False, measured_on="training batches, in training"
    ),
}  # fmt: skip


OWN = Metric(optional=True)
"""The row of metrics of one's own."""


def is_optional(column: str) -> bool:
    """Whether a result `<metric>_<what>` may be left out if it is not finite."""
    return METRICS.get(column.rpartition("_")[0], OWN).optional
