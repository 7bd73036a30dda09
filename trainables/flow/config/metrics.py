"""The table of metrics, torch-free; `measure.MEASURES` measures those of a trained model."""

from dataclasses import dataclass
from typing import Literal

from ablate.trainable.contract import MetricSpec


@dataclass(frozen=True, kw_only=True)
class Metric(MetricSpec):
    """What a study must know of a metric before anything is trained."""

    is_measurable: bool = True
    """From best weights; losses are not."""
    of: Literal["model", "validation", "training"] = "model"
    """Measured from trained weights, or the loss over validation or training targets."""
    asked_by: str | None = None
    """The config key that turns it on; None if every run ends with it."""
    optional: bool = False
    """Whether a run is fine without a finite value of it."""


METRICS: dict[str, Metric] = {
    "sliced_w2": Metric(),
    "energy_distance": Metric(),
    "mmd": Metric(),
    "straightness": Metric(),
    # Samples near the training rows may be good, or memorised.
    "train_distance": Metric(ranks=False),
    "nll": Metric(has_ratios=False, asked_by="nll", optional=True),
    "val_loss": Metric(of="validation", is_measurable=False),
    "train_loss": Metric(of="training", is_measurable=False),
}


def is_optional(column: str) -> bool:
    """Whether a result `<metric>_<what>` may be left out if it is not finite."""
    return METRICS[column.rpartition("_")[0]].optional
