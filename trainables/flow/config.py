"""The configuration of a flow-matching run: free of torch and Ray, so that planning is instant."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    model_validator,
)

from trainables.flow import equivalence
from trainables.flow.data_config import DataConfig, Int

Float = Annotated[float, Strict()]

WIDTH_MULTIPLE = 64
"""Matrix kernels treat a run alike alone and in a pack only at widths that are multiples of it."""
AUGMENTATIONS = ("mixup", "noise", "dropout")
"""In the order in which they are applied."""
MEASURED = ("sliced_w2", "energy_distance", "mmd", "straightness", "train_distance", "nll")
"""Metrics taken once training has ended, see `trainables.flow.evaluation`."""
SHAPES: dict[str, dict[str, tuple[int, int]]] = {
    "mlp": {"tiny": (64, 2), "small": (128, 3), "base": (320, 4)},
    "dit": {"tiny": (64, 2), "small": (128, 4), "base": (256, 7)},
    "unet": {"tiny": (128, 2), "small": (256, 3), "base": (1024, 3)},
}
"""`hidden_dim` and `num_layers` of each architecture and scale."""


def _canonical_aug(written: Any) -> Any:
    """`noise + mixup` as `mixup+noise`: a sum has one order, that of its application.

    Raises:
        ValueError: Where a part is no augmentation, or stands twice.
    """
    if not isinstance(written, str) or written == "none":
        return written
    parts = [part.strip() for part in written.split("+")]
    unknown = [part for part in parts if part not in AUGMENTATIONS]
    if unknown:
        known = ", ".join(AUGMENTATIONS)
        raise ValueError(
            f"no augmentation '{unknown[0]}': write none, one of {known}, or a sum of them "
            "such as mixup+noise"
        )
    if len(set(parts)) < len(parts):
        raise ValueError("names an augmentation twice: write each once")
    return "+".join(part for part in AUGMENTATIONS if part in parts)


class FlowConfig(BaseModel):
    """One flow-matching run, all but its seed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: ClassVar[int] = 5
    """Raised when a default or a meaning changes: then finished runs no longer count as done."""
    unhashed: ClassVar[frozenset[str]] = frozenset({"cuda_graph", "device", "nll"})
    """Keys that change no other result."""
    paths: ClassVar[frozenset[str]] = frozenset({"data.path"})
    """Keys that hold file paths: resolved before launch, since workers change directory."""
    metrics: ClassVar[tuple[str, ...]] = (*MEASURED, "val_loss", "train_loss")
    """What a study can be about."""
    measurable: ClassVar[tuple[str, ...]] = MEASURED
    """What can be measured of finished runs, from their best weights."""

    unranked: ClassVar[frozenset[str]] = frozenset({"train_distance"})
    """Metrics of which neither lower nor higher is better: samples near the training rows may be
    good, or training rows learned by heart."""
    no_ratios: ClassVar[frozenset[str]] = frozenset({"nll"})
    """Metrics whose zero means nothing: other units of the data move it."""
    smoke: ClassVar[Mapping[str, Any]] = {"epochs": None, "steps": 2}
    """What makes a run as short as it can be, its final metrics included."""

    arch: Literal["mlp", "dit", "unet"] = "mlp"
    """Velocity network; `mlp` has about 1M parameters at 1024-d, `dit` 9M, `unet` 7M."""
    scale: Literal["tiny", "small", "base"] = "base"
    """Width and depth of the network, where `hidden_dim` and `num_layers` do not say them."""
    hidden_dim: Annotated[Int, Field(gt=0, multiple_of=WIDTH_MULTIPLE)] | None = None
    """Width of the hidden layers (`unet`: of the widest); null is what `scale` says."""
    num_layers: Annotated[Int, Field(ge=1, le=64)] | None = None
    """Hidden layers (`mlp`), blocks (`dit`), levels (`unet`); null is what `scale` says."""
    flow: Literal["icfm", "otcfm", "target", "vp", "si", "reflow"] = "icfm"
    """Probability path and coupling; trainables/README.md has the table."""
    sigma: Annotated[Float, Field(ge=0, lt=1)] = 0.0
    """Standard deviation of the path: around its mean, or, for `target`, at t = 1."""
    interpolant: Literal["gvp", "linear"] = "gvp"
    """Mean of the `si` path."""
    gamma: Annotated[Float, Field(ge=0)] = 0.0
    """Noise of the `si` path: it has the standard deviation sqrt(gamma t (1 - t))."""
    aug: Annotated[str, BeforeValidator(_canonical_aug)] = "none"
    """Augmentation of x_1 in training: none, mixup, noise, dropout, or a sum: mixup+noise."""
    mixup_alpha: Annotated[Float, Field(gt=0)] = 0.2
    """Mixing weights are Beta(alpha, alpha)."""
    noise_std: Annotated[Float, Field(ge=0)] = 0.05
    """Standard deviation of `noise`, in normalised coordinates."""
    dropout_rate: Annotated[Float, Field(ge=0, lt=1)] = 0.1
    """Share of coordinates that `dropout` sets to zero, the mean; the others are scaled up."""
    lr: Annotated[Float, Field(gt=0)] = 1e-3
    """Peak learning rate of AdamW."""
    weight_decay: Annotated[Float, Field(ge=0)] = 0.01
    """Decoupled weight decay."""
    beta1: Annotated[Float, Field(ge=0, lt=1)] = 0.9
    """AdamW's decay of the first moment."""
    beta2: Annotated[Float, Field(ge=0, lt=1)] = 0.999
    """AdamW's decay of the second moment."""
    batch_size: Annotated[Int, Field(gt=0)] = 128
    """Rows a step; batches are always full."""
    epochs: Annotated[Int, Field(gt=0)] | None = 300
    """Length of training, which the schedule spans; `reflow` spends half of it on its teacher."""
    steps: Annotated[Int, Field(gt=0)] | None = None
    """Length of training in optimizer steps, instead of `epochs`."""
    patience: Annotated[Int, Field(gt=0)] | None = 20
    """Epochs without a better `val_loss` before a run stops early; null runs the whole schedule."""
    warmup: Annotated[Float, Field(ge=0)] = 0.05
    """Linear warm-up: a fraction of all steps below 1, a number of steps from 1 on."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Learning rate after the warm-up."""
    final_lr: Annotated[Float, Field(ge=0, le=1)] = 0.0
    """Where cosine and linear schedules end, as a share of `lr`."""
    ema_decay: Annotated[Float, Field(ge=0, lt=1)] = 0.9999
    """Cap of the weight average's decay, which itself warms up."""
    clip: Annotated[Float, Field(gt=0)] | None = 1.0
    """Bound of the global gradient norm; null clips nothing."""
    solver: Literal["euler", "midpoint", "heun", "rk4"] = "midpoint"
    """How samples are drawn for the final metrics, and pairs for `reflow`."""
    solver_steps: Annotated[Int, Field(gt=0)] = 20
    """Equal steps of the solver from t = 0 to t = 1."""
    nll: bool = False
    """Whether the final metrics have the negative log-likelihood of the test part (costly)."""
    dtype: Literal["float32", "tf32", "float64", "bfloat16"] = "float32"
    """Of the network; `bfloat16` computes in it and keeps weights and loss in float32, `tf32` is
    float32 with a GPU's faster matrix products (10 bits of mantissa)."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` is the GPU that the trial was given, else the CPU."""
    cuda_graph: bool = False
    """Whether a GPU replays its steps as one CUDA graph, instead of taking them one by one; the
    first are checked against ordinary ones. On a CPU it changes nothing."""
    data: DataConfig = DataConfig()

    @model_validator(mode="before")
    @classmethod
    def _steps_replace_epochs(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("steps") is not None:
            return {"epochs": None, **values}
        return values

    @model_validator(mode="after")
    def _meaningful(self) -> Self:
        wrong: list[str] = []
        if (self.epochs is None) == (self.steps is None):
            wrong.append(
                "give epochs or steps, exactly one of the two: beside steps, drop epochs or set it "
                "to null"
            )
        if self.flow == "si" and self.sigma:
            wrong.append("flow si takes no sigma: set sigma: 0, its noise is gamma")
        if self.flow == "reflow" and self.aug != "none":
            wrong.append(
                "flow reflow trains on fixed pairs of noise and what its teacher makes of it, "
                f"which {self.aug} would break up: set aug: none, or exclude the cell"
            )
        if self.flow == "reflow" and (self.epochs or self.steps or 2) < 2:
            wrong.append("flow reflow needs 2 epochs or steps at least: half are its teacher's")
        if self.dtype == "bfloat16" and self.batch_size == 1:
            wrong.append("dtype bfloat16 needs a batch_size of 2 at least: set dtype: float32")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """`hidden_dim` and `num_layers`, as written or as the scale says."""
        hidden_dim, num_layers = SHAPES[self.arch][self.scale]
        return self.hidden_dim or hidden_dim, self.num_layers or num_layers

    @property
    def gains_on_cpu(self) -> bool:
        """Whether a CPU can gain from packs of such runs; those of `dit` leave its cache."""
        return self.arch != "dit"

    @property
    def augmentations(self) -> tuple[str, ...]:
        """The augmentations in the order of their application."""
        return () if self.aug == "none" else tuple(self.aug.split("+"))

    def measured(self) -> tuple[str, ...]:
        """The metrics that a run of this config ends with."""
        return tuple(name for name in self.metrics if self.nll or name != "nll")

    def same_training(self, num_rows: int | None = None) -> dict[str, Any]:
        """The config with other spellings of one training folded together.

        Args:
            num_rows: Rows of the whole training part, once the data have been looked at.
        """
        return equivalence.same_training(self, num_rows)

    def comparison(self, metric: str) -> dict[str, Any]:
        """What must be equal between two runs for a metric to measure the same thing in both."""
        return equivalence.comparison(self, metric)

    def pack_key(self) -> tuple[Any, ...]:
        """Runs with equal keys can be trained as one pack."""
        return equivalence.pack_key(self)
