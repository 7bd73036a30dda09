"""What Ablate asks of a trainable: all that its author needs to read.

Any `ray.tune.Trainable` will do: `step()` returns metrics and `done`, `save_checkpoint` and
`load_checkpoint` make it resumable. Everything here is for those who want more:

- a class attribute `Config`, a pydantic model, has every run's config checked before anything
  starts. Derived from `TrainableConfig`, it also says what its metrics are, what a run's id is made
  of, and which configs are one training under two names.
- a class attribute `ablate`, a `TrainableHooks`, has data looked at beforehand, samples drawn and
  metrics measured afterwards, several runs trained in one trial.
"""

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Required, TypedDict

from pydantic import BaseModel

if TYPE_CHECKING:
    import numpy as np

REPORT_KEY = "_ablate"
"""Key of a trial's config that says which runs it carries, and of its results that holds their
reports. A list under it keeps Tune from flattening what is inside."""

Mode = Literal["min", "max"]
Point = tuple[int, dict[str, float]]
"""A global step and the metrics measured at it."""


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """What a metric is.

    Attributes:
        mode: Whether lower (`min`) or higher (`max`) values are better.
        ranks: Whether either is: a metric that does not rank gets no verdicts.
        has_ratios: Whether "half as much" means anything of it: not where zero is arbitrary.
        is_measurable: Whether it can be measured of a finished run, see `TrainableHooks.evaluate`.
    """

    mode: Mode = "min"
    ranks: bool = True
    has_ratios: bool = True
    is_measurable: bool = False


class TrainableConfig(BaseModel):
    """A run's config: its fields are the keys of `base` and `factors`, checked at plan time.

    Everything else here is a hook; what a class does not say has the default below. Attributes
    are `ClassVar`, so that they are no keys.
    """

    version: ClassVar[int] = 1
    """Part of every run's id: raise it when a default or a meaning changes, and finished runs no
    longer count as done."""
    unhashed: ClassVar[frozenset[str]] = frozenset()
    """Keys that change no result, and so no run's id: `device`, say."""
    paths: ClassVar[frozenset[str]] = frozenset()
    """Keys that hold file paths: made absolute before launch."""
    metrics: ClassVar[Mapping[str, MetricSpec]] = {}
    """What a study can be about, by name; without any, whatever the results have."""
    smoke: ClassVar[Mapping[str, Any] | None] = None
    """Keys that make a run as short as it can be, final metrics included; None: two results."""

    def measured(self) -> Collection[str]:
        """The metrics that a run of this config ends with: all of `metrics`."""
        return tuple(self.metrics)

    def comparison(self, metric: str) -> Mapping[str, Any]:
        """What must be equal between two runs for a metric to measure the same thing in both."""
        return {}

    def same_training(self) -> Mapping[str, Any]:
        """The config, other spellings of one training folded together; equal ones are told."""
        return self.model_dump(mode="json")

    def pack_key(self) -> Hashable | None:
        """Runs with equal keys can share a trial; None: with no other."""
        return None

    def rows_a_step(self) -> int:
        """Rows that a step of one run computes on, for `pack: auto`."""
        return 1

    def gains_on_cpu(self) -> bool:
        """Whether small runs gain from packs on a CPU, too, for `pack: auto`."""
        return True


class RunReport(TypedDict, total=False):
    """What a trainable that packs says of one run in one result, in a list under `REPORT_KEY`."""

    run_id: Required[str]
    status: Required[Literal["running", "ok", "diverged", "failed", "halted"]]
    """`halted` where the study's storage failed it: `path` and `error` say where and why."""
    stop_reason: str
    error: str
    path: str
    failure: dict[str, Any]
    """Why it failed, in the fields of a `Failure`; instead of `error`."""
    points: list[Point]
    times: list[float]
    """When each point was measured, in seconds since 1970; without them, as of now."""
    facts: dict[str, Any]
    """Columns of the run's row in the ledger: epoch, step, seconds, device, checkpoint, ..."""
    metrics: dict[str, float]
    """Final metrics, with the report that ends the run; without them the ledger sums up points."""
    warnings: list[str]
    notices: list[str]
    """What is told at once and not kept: it may come right."""


class PackedTrainable(Protocol):
    """A `ray.tune.Trainable` that trains the runs of a pack together.

    Its config is `{"runs": [{run_id, run_name, seed, config}, ...], "study_dir": ...}`, also for
    one run; each result has a `RunReport` for every run that goes on or has just ended.
    """

    def load_runs(self, folders: Mapping[str, str]) -> None:
        """Puts runs to where they were, whatever pack they were in then.

        Args:
            folders: Checkpoint directories by run id; the other runs are at their start.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class TrainableHooks:
    """What a trainable can do beside training: its class attribute `ablate`.

    A function may also be named, as `module:function`: then it is imported when it is needed.

    Attributes:
        config: The config model, where it is not the class attribute `Config`.
        preflight: Looks at a run's data before anything starts. Takes its config; returns what is
            known by then: `data_fingerprint`, `num_parameters`, `same_training` (equal for configs
            that are one training under two names). Raises ValueError or OSError with what is wrong.
        sample: Draws from a run's best weights: `(best, num, seed, solver, num_steps)` to rows
            (num, dim).
        evaluate: Measures a metric of a run's best weights: `(best, config, metric)` to columns.
        preload: Modules that a trial needs, for workers that wait for one.
        packs: Whether it is a `PackedTrainable`.
    """

    config: str | type[BaseModel] | None = None
    preflight: "str | Callable[[dict[str, Any]], Mapping[str, Any]] | None" = None
    sample: "str | Callable[[Path, int, int, str | None, int | None], np.ndarray] | None" = None
    evaluate: "str | Callable[[Path, dict[str, Any], str], Mapping[str, float]] | None" = None
    preload: tuple[str, ...] = ("ray.tune",)
    packs: bool = False
