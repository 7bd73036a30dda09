"""The configuration of a flow-matching run: free of torch and Ray, so that planning is instant."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, model_validator

Int = Annotated[int, Strict()]
Float = Annotated[float, Strict()]

WIDTH_MULTIPLE = 64
"""Matrix kernels treat a run alike alone and in a pack only at widths that are multiples of it."""


class DataConfig(BaseModel):
    """Where the rows come from and how they are split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Literal["digits", "parquet"] = "digits"
    """`digits` (scikit-learn's 8x8 images, 1,797 rows) or `parquet`."""
    path: str | None = None
    """Parquet file or directory, for `source: parquet`."""
    column: str = "embedding"
    """The column of float lists."""
    size: Annotated[Int, Field(gt=0)] | Literal["all"] = "all"
    """Number of training rows; smaller sizes are subsets of larger ones."""
    split_seed: Int = 0
    """Decides validation part, test part and nested subsets, for runs of all seeds alike."""

    @model_validator(mode="after")
    def _path_goes_with_parquet(self) -> Self:
        if self.source == "parquet" and self.path is None:
            raise ValueError("source parquet needs a path: set data.path")
        if self.source != "parquet" and self.path is not None:
            raise ValueError("data.path is read only with source parquet: set data.source: parquet")
        return self


class FlowConfig(BaseModel):
    """One flow-matching run, all but its seed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: ClassVar[int] = 1
    """Raised when a default or a meaning changes: then finished runs no longer count as done."""
    unhashed: ClassVar[frozenset[str]] = frozenset({"device"})
    """Keys that cannot change a result."""
    paths: ClassVar[frozenset[str]] = frozenset({"data.path"})
    """Keys that hold file paths: resolved before launch, since workers change directory."""
    metrics: ClassVar[tuple[str, ...]] = ("sliced_w2", "val_loss", "train_loss")
    """What a study can be about."""
    comparable_within: ClassVar[dict[str, tuple[str, ...]]] = {
        "val_loss": ("flow", "sigma", "data.source", "data.path", "data.column", "data.split_seed"),
        "train_loss": ("flow", "sigma", "data.source", "data.path", "data.column"),
    }
    """Keys that must be equal for a metric to be comparable between runs."""

    arch: Literal["mlp"] = "mlp"
    """Velocity network."""
    hidden_dim: Annotated[Int, Field(gt=0, multiple_of=WIDTH_MULTIPLE)] = 256
    """Width of the hidden layers."""
    num_layers: Annotated[Int, Field(ge=1, le=64)] = 4
    """Number of hidden layers."""
    flow: Literal["icfm", "target", "vp"] = "icfm"
    """Probability path: independent CFM, Lipman's target path, variance preserving (cosine)."""
    sigma: Annotated[Float, Field(ge=0, lt=1)] = 0.0
    """Standard deviation of the path: around the mean (icfm, vp), at t = 1 (target)."""
    lr: Annotated[Float, Field(gt=0)] = 1e-3
    """Peak learning rate of AdamW."""
    weight_decay: Annotated[Float, Field(ge=0)] = 0.01
    """Decoupled weight decay."""
    batch_size: Annotated[Int, Field(gt=0)] = 128
    """Rows a step; batches are always full."""
    epochs: Annotated[Int, Field(gt=0)] = 300
    """Upper bound; the learning-rate schedule spans it."""
    patience: Annotated[Int, Field(gt=0)] | None = 20
    """Epochs without a better `val_loss` before a run stops early; null runs the whole schedule."""
    warmup: Annotated[Float, Field(ge=0)] = 0.05
    """Linear warm-up: a fraction of all steps below 1, a number of steps from 1 on."""
    ema_decay: Annotated[Float, Field(ge=0, lt=1)] = 0.9999
    """Cap of the weight average's decay, which itself warms up."""
    clip: Annotated[Float, Field(gt=0)] | None = 1.0
    """Bound of the global gradient norm; null clips nothing."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` is the GPU that the trial was given, else the CPU."""
    data: DataConfig = DataConfig()

    def same_training(self) -> dict[str, Any]:
        """The config with other spellings of one training folded together.

        At sigma 0 Lipman's path is the I-CFM path, and a decay cap above what the warmed-up
        average reaches changes nothing (`data.size: all` hides the number of rows, so only the
        path is folded here).
        """
        values = self.model_dump(exclude=set(self.unhashed))
        if self.flow == "target" and self.sigma == 0:
            values["flow"] = "icfm"
        return values
