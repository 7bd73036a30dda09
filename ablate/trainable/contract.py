"""What Ablate asks of a trainable: all that its author needs to read.

Any `ray.tune.Trainable` works: `step()` returns metrics and `done`, `save_checkpoint` and
`load_checkpoint` make it resumable. Everything here is optional:

- With a class attribute `Config`, a pydantic model, every run's config is checked before anything
  starts. Derived from `TrainableConfig`, it also declares its metrics, what a run's id is made of,
  and which configs are the same training under two names.
- With a class attribute `ablate`, a `TrainableHooks`, Ablate can check data beforehand, draw
  samples and measure metrics afterwards, and train several runs in one trial.
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Required, TypedDict

from pydantic import BaseModel

if TYPE_CHECKING:
    import numpy as np

REPORT_KEY = "_ablate"
"""The key of a trial's config that lists its runs, and of its results that holds their reports.
Since its value is a list, Tune does not flatten it."""

Mode = Literal["min", "max"]
Point = tuple[int, dict[str, float]]
"""A global step and the metrics measured at it."""


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """The properties of a metric.

    Attributes:
        mode: Whether lower (`min`) or higher (`max`) values are better.
        ranks: Whether either is better: a metric that does not rank gets no verdicts.
        has_ratios: Whether "half as much" is meaningful: not if its zero is arbitrary.
        is_measurable: Whether it can be measured on finished runs, see `TrainableHooks.evaluate`.
    """

    mode: Mode = "min"
    ranks: bool = True
    has_ratios: bool = True
    is_measurable: bool = False


class ConfigError(ValueError):
    """What a validator of a config, or a preflight, may raise in the place of a `ValueError`.

    Args:
        *messages: Mistakes, each told by itself.
        keys: The config keys, dotted, that have the wrong values. A validator need not say them:
            they are found by leaving out one key after another.
    """

    def __init__(self, *messages: str, keys: Sequence[str] = ()) -> None:
        super().__init__(*messages)
        self.messages = messages
        self.keys = tuple(keys)

    def __str__(self) -> str:
        return "; ".join(self.messages)


class TrainableConfig(BaseModel):
    """A run's config: its fields are the keys of `base` and `factors`, checked at plan time.

    Everything else here is a hook, with its default. Attributes are `ClassVar`, so that they are
    not keys.
    """

    version: ClassVar[int] = 1
    """Part of every run's id: raise it when a default or a meaning changes, so that finished runs
    no longer count as done."""
    unhashed: ClassVar[frozenset[str]] = frozenset()
    """Keys that affect no result, and so no run's id: `device`, say."""
    paths: ClassVar[frozenset[str]] = frozenset()
    """Keys that hold file paths: made absolute before launch."""
    metrics: ClassVar[Mapping[str, MetricSpec]] = {}
    """The metrics that a study can use, by name; if empty, any number in the results."""
    smoke: ClassVar[Mapping[str, Any] | None] = None
    """Keys that make a run as short as possible, final metrics included; None: two results."""

    selected_by: ClassVar[str | None] = None
    """The metric by which a run chooses its best weights, of which its `<metric>_best` are: they
    are its results where that metric can be compared between cells, else its last values are."""
    shares_draws: ClassVar[bool] = False
    """Whether runs of one seed share draws (initial weights, batches, noise), so that differences
    between cells are paired by seed; a study's `pairing` says otherwise."""
    fixed_length: ClassVar[Mapping[str, Any]] = {}
    """Keys that keep `selected_by` from ending a run early: advised where cells cannot be compared
    by it."""
    length_keys: ClassVar[tuple[str, ...]] = ()
    """Keys that say how long a run trains, first the one that makes all train alike: advised where
    cells do not, but where a factor sets one of them."""
    split_key: ClassVar[str | None] = None
    """The key, dotted, of the integer that decides which rows a run trains and is measured on: what
    `split_seed: with_seed` sets to each run's seed. None: splits cannot vary."""

    def measured(self) -> Collection[str]:
        """The metrics that a run of this config ends with: all of `metrics`."""
        return tuple(self.metrics)

    def comparison(self, metric: str) -> Mapping[str, Any]:
        """What must be equal between two runs for a metric to measure the same thing in both."""
        return {}

    def scope(self, metric: str) -> str | Mapping[str, str]:
        """What a metric is measured of, by part (`{"split": "fold 0", ...}`); for every report."""
        return {}

    def held_out(self, metric: str) -> float | None:
        """Rows that a metric is measured on, for each row trained on: 0.25 of 20 % against 80 %.

        Intervals over random splits depend on it. None: unknown, so that splits cannot vary.
        """
        return None

    def same_training(self) -> Mapping[str, Any]:
        """The config, with spellings of the same training made equal; duplicates are reported."""
        return self.model_dump(mode="json")

    def pack_key(self) -> Hashable | None:
        """Equal for runs that can share a trial; None for runs that cannot."""
        return None

    def planned_steps(self) -> int | None:
        """Steps that a run takes if nothing ends it early; None: not known from its config alone.

        They are those of its row: of a trainable of one's own, its results.
        """
        return None

    def rows_a_step(self) -> int:
        """Rows that one run's step computes on, for `pack: auto`."""
        return 1

    def gains_on_cpu(self) -> bool:
        """Whether packs of small runs also pay off on a CPU, for `pack: auto`."""
        return True


class RunReport(TypedDict, total=False):
    """What a packing trainable reports of one run, in a list under `REPORT_KEY` of a result."""

    run_id: Required[str]
    status: Required[Literal["running", "ok", "diverged", "failed", "halted"]]
    """`halted` if the study's storage failed: `path` and `error` say where and why."""
    stop_reason: str
    error: str
    path: str
    failure: dict[str, Any]
    """Why it failed, in the fields of a `Failure`; instead of `error`."""
    points: list[Point]
    times: list[float]
    """When each point was measured, in seconds since 1970; by default now."""
    facts: dict[str, Any]
    """Columns of the run's row in the ledger: epoch, step, seconds, device, checkpoint, ..."""
    metrics: dict[str, float]
    """Final metrics, in the report that ends the run; by default the ledger derives them from the
    points."""
    warnings: list[str]
    notices: list[str]
    """Shown at once and not kept: the problem may resolve itself."""


class PackedTrainable(Protocol):
    """A `ray.tune.Trainable` that trains the runs of a pack together.

    Its config is `{"runs": [{run_id, run_name, seed, config}, ...], "study_dir": ...}`, even for
    one run; each result has a `RunReport` for every run that is running or has just ended.
    """

    def load_runs(self, folders: Mapping[str, str]) -> None:
        """Restores runs, whatever packs they were in before.

        Args:
            folders: Checkpoint directories by run id; the other runs start from the beginning.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class TrainableHooks:
    """What a trainable can do beside training: its class attribute `ablate`.

    A function may be given as `module:function`; it is then imported when needed.

    Attributes:
        config: The config model, if it is not the class attribute `Config`.
        preflight: Checks a run's data before anything starts. Takes the run's config; returns what
            is known: `data_fingerprint`, `num_parameters`, `planned_steps` (see the config's
            hook), `same_training` (equal for configs that are the same training under two names).
            Raises ValueError or OSError if data are wrong; a `ConfigError` names the keys.
        sample: Draws from a run's best weights: `(best, num, seed, solver, num_steps)` to rows
            (num, dim).
        evaluate: Measures a metric of a run's best weights: `(best, config, metric)` to columns.
        preload: Modules that a trial needs, imported by workers that wait for one.
        packs: Whether it is a `PackedTrainable`.
    """

    config: str | type[BaseModel] | None = None
    preflight: "str | Callable[[dict[str, Any]], Mapping[str, Any]] | None" = None
    sample: "str | Callable[[Path, int, int, str | None, int | None], np.ndarray] | None" = None
    evaluate: "str | Callable[[Path, dict[str, Any], str], Mapping[str, float]] | None" = None
    preload: tuple[str, ...] = ("ray.tune",)
    packs: bool = False
