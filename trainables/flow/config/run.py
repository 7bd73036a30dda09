"""The configuration of a flow-matching run: free of torch and Ray, so that planning is instant."""

import functools
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ablate.trainable.contract import ConfigError, MetricSpec, Mode, TrainableConfig
from trainables.flow.config import identity, sharing
from trainables.flow.config import scope as scopes
from trainables.flow.config.augmentations import AUGMENTATIONS, AugmentationKeys
from trainables.flow.config.data import DataConfig
from trainables.flow.config.elsewhere import is_reference
from trainables.flow.config.flows import FlowKeys, flow_rows
from trainables.flow.config.ingredient import Float, Int, NameIn
from trainables.flow.config.metrics import METRICS
from trainables.flow.config.optimizers import OPTIMIZERS
from trainables.flow.config.own_metrics import MetricKeys, own_specs
from trainables.flow.config.schedule import phases_of, steps_per_epoch
from trainables.flow.config.schedules import SCHEDULES
from trainables.flow.config.shapes import ARCHS, NetworkKeys


class FlowConfig(  # pyright: ignore[reportIncompatibleVariableOverride] - `metrics` is a key here
    AugmentationKeys, FlowKeys, NetworkKeys, MetricKeys, TrainableConfig
):
    """One flow-matching run, except its seed.

    The keys of networks, flows and augmentations are declared beside their tables, and come first.
    """

    version: ClassVar[int] = 5
    """Raised when a default or a meaning changes, so that finished runs no longer count as done."""
    unhashed: ClassVar[frozenset[str]] = frozenset(identity.UNHASHED)
    """Keys that change no other result."""
    paths: ClassVar[frozenset[str]] = frozenset({"data.path", "data.test"})
    """Keys that hold file paths: resolved before launch, since workers change directory."""
    study_keys: ClassVar[frozenset[str]] = frozenset({"metrics", "keep_samples"})
    """Keys that all cells of a study have in common."""
    shares_draws: ClassVar[bool] = True
    selected_by: ClassVar[str | None] = "val_loss"
    """Whose best weights are kept, and whose stand ends a run early."""
    fixed_length: ClassVar[Mapping[str, Any]] = {"patience": None}
    """Of flows that cannot be compared by it."""
    length_keys: ClassVar[tuple[str, ...]] = ("steps", "epochs")
    """Of `data.size` or `batch_size` epochs have more or fewer steps."""
    split_key: ClassVar[str | None] = "data.split_seed"
    """What `split_seed: with_seed` sets."""
    smoke: ClassVar[Mapping[str, Any] | None] = {"epochs": None, "steps": 2, "keep_samples": 0}
    """Keys that make a run as short as possible, final metrics included."""

    lr: Annotated[Float, Field(gt=0)] = 1e-3
    """Peak learning rate."""
    optimizer: Annotated[str, NameIn(OPTIMIZERS, "optimizer")] = "adamw"
    """AdamW, or `module:name` of what makes a `torch.optim.Optimizer` of `params` and `lr`:
    `torch.optim:SGD`. It gets `weight_decay` and `betas` too if it takes them."""
    optimizer_args: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Further keyword arguments of one's own optimizer."""
    weight_decay: Annotated[Float, Field(ge=0)] = 0.01
    """Decoupled weight decay; of one's own optimizer, whatever it makes of it."""
    beta1: Annotated[Float, Field(ge=0, lt=1)] = 0.9
    """AdamW's decay of the first moment."""
    beta2: Annotated[Float, Field(ge=0, lt=1)] = 0.999
    """AdamW's decay of the second moment."""
    batch_size: Annotated[Int, Field(gt=0)] = 128
    """Rows per step; batches are always full."""
    epochs: Annotated[Int, Field(gt=0)] | None = 300
    """Length of training, which the schedule spans; `reflow` spends half of it on its teacher."""
    steps: Annotated[Int, Field(gt=0)] | None = None
    """Length of training in optimizer steps, instead of `epochs`; `patience` is then null unless
    it is set."""
    patience: Annotated[Int, Field(gt=0)] | None = 20
    """Epochs without a better `val_loss` before a run stops early; null runs the whole schedule."""
    warmup: Annotated[Float, Field(ge=0)] = 0.05
    """Linear warm-up: below 1 a fraction of all steps, otherwise a number of steps."""
    schedule: Annotated[str, NameIn(SCHEDULES, "schedule")] = "cosine"
    """Learning rate after the warm-up. Or `module:name` of a function that says which share of `lr`
    it is, of `step`, `num_steps` and `progress`, or of a class that makes one."""
    schedule_args: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Keyword arguments of one's own schedule."""
    final_lr: Annotated[Float, Field(ge=0, le=1)] = 0.0
    """Where cosine and linear schedules end, as a share of `lr`."""
    ema_decay: Annotated[Float, Field(ge=0, lt=1)] = 0.9999
    """Upper bound of the weight average's decay, which warms up."""
    clip: Annotated[Float, Field(gt=0)] | None = 1.0
    """Bound of the global gradient norm; null: no clipping."""
    solver: Literal["euler", "midpoint", "heun", "rk4"] = "midpoint"
    """Solver of the ODE, for the samples of the final metrics and the pairs of `reflow`."""
    solver_steps: Annotated[Int, Field(gt=0)] = 20
    """Equal steps of the solver from t = 0 to t = 1."""
    nll: bool = False
    """Whether the final metrics include the negative log-likelihood of the test part (costly)."""
    keep_samples: Annotated[Int, Field(ge=0)] = 256
    """Samples that a run keeps of its best weights, to be looked at, from noise that all runs
    share; 0: none. Fewer where rows are long: see `evaluation.kept.MAX_BYTES`."""
    dtype: Literal["float32", "tf32", "float64", "bfloat16"] = "float32"
    """Of the network; `bfloat16` computes in it and keeps weights and loss in float32, `tf32` is
    float32 with a GPU's faster matrix products (10 bits of mantissa)."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` is the GPU that the trial was given, else the CPU."""
    cuda_graph: bool = False
    """Whether a GPU replays its steps as one CUDA graph, instead of launching kernels one by one;
    the first steps are checked against ordinary ones. No effect on a CPU."""
    data: DataConfig = DataConfig()

    @model_validator(mode="before")
    @classmethod
    def _steps_replace_epochs(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("steps") is not None:
            return {"epochs": None, "patience": None, **values}
        return values

    @model_validator(mode="after")
    def _meaningful(self) -> Self:
        wrong: list[str] = []
        if (self.epochs is None) == (self.steps is None):
            wrong.append(
                "give epochs or steps, exactly one of the two: with steps, drop epochs or set it "
                "to null"
            )
        named = [("flow", self.flow, row) for row in flow_rows(self)]
        named += [("aug", name, AUGMENTATIONS[name]) for name in self.augmentations]
        named += [("arch", self.arch, ARCHS[self.arch])]
        named += [("optimizer", self.optimizer, OPTIMIZERS[self.optimizer])]
        wrong += [
            f"{key} {name} {refusal}" for key, name, row in named for refusal in row.refusals(self)
        ]
        if self.has_teacher and (self.epochs or self.steps or 2) < 2:
            wrong.append(
                f"flow {self.flow} needs at least 2 epochs or steps: half are its teacher's"
            )
        if self.dtype == "bfloat16" and self.batch_size == 1:
            wrong.append("dtype bfloat16 needs a batch_size of at least 2: set dtype: float32")
        if wrong:
            raise ConfigError(*wrong)
        return self

    @classmethod
    def metrics_of(
        cls, base: Mapping[str, Any], asked: Mapping[str, Mode | None]
    ) -> Mapping[str, MetricSpec]:
        """What a study can be about: the built-in metrics, and those of `base.metrics`."""
        return {**own_specs(base.get("metrics"), asked), **METRICS}

    def measured(self) -> tuple[str, ...]:
        """The built-in metrics that a run of this config ends with."""
        return tuple(
            name
            for name, row in METRICS.items()
            if row.asked_by is None or getattr(self, row.asked_by)
        )

    def same_training(self, num_rows: int | None = None) -> dict[str, Any]:
        """The config with other spellings of one training folded together.

        Args:
            num_rows: Rows of the whole training part, once the data have been read.
        """
        return identity.same_training(self, num_rows)

    def comparison(self, metric: str) -> dict[str, Any]:
        """What must be equal between two runs for a metric to measure the same thing in both."""
        return identity.comparison(self, metric)

    def scope(self, metric: str) -> dict[str, str]:
        """What a metric is measured of: data, split, test part, solver, weights, seeds."""
        return scopes.scope(self, metric)

    def held_out(self, metric: str) -> float | None:
        """Rows that a metric is measured on, for each row trained on; None where unknown."""
        return scopes.held_out(self, metric)

    def planned_steps(self, num_rows: int | None = None) -> int | None:
        """Steps that a run takes if nothing ends it early.

        Args:
            num_rows: Rows of the whole training part, once the data have been read.
        """
        size = num_rows if self.data.size == "all" else int(self.data.size)
        if size is None:
            return self.steps
        return sum(phases_of(self, steps_per_epoch(size, self.batch_size)))

    def code(self) -> dict[str, list[str]]:
        """Own code that a run imports, by the key that names it."""
        named = {
            "arch": [self.arch], "data.source": [self.data.source], "flow": [self.flow],
            "coupling": [self.coupling], "aug": self.augmentations, "schedule": [self.schedule],
            "optimizer": [self.optimizer], "metrics": self.metrics,
        }  # fmt: skip
        own = {key: [n for n in names if n and is_reference(n)] for key, names in named.items()}
        return {key: names for key, names in own.items() if names}

    def idle_keys(self) -> list[str]:
        """Keys of ingredients that this config does not have."""
        foreign = sharing.foreign_knobs(sharing.ingredients(self))
        default = _defaults()
        return [key for key in sorted(foreign) if getattr(self, key) != getattr(default, key)]

    def pack_key(self) -> tuple[Any, ...]:
        """Runs with equal keys can be trained as one pack."""
        return sharing.pack_key(self)

    def rows_a_step(self) -> int:
        """Rows that one run's step computes on."""
        return self.batch_size


@functools.cache
def _defaults() -> FlowConfig:
    return FlowConfig()
