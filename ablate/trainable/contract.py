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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    Protocol,
    Required,
    TypedDict,
    TypeVar,
    get_args,
)

from pydantic import BaseModel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

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


Function = TypeVar("Function", bound=Callable[..., Any])
DECLARED = "ablate_metric"
"""The attribute in which `metric` leaves what it says of a function."""


def metric(
    mode: Mode | Mapping[str, Mode] | None = None, *, ranks: bool = True, has_ratios: bool = True
) -> Callable[[Function], Function]:
    """Says of a function that measures samples what a study must know of its numbers.

    `@ablate.metric(mode="max")`. Of a function that returns a dict one mode holds for all keys;
    `mode={"precision": "max", "width": "min"}` says it key by key, and a key that is not named has
    no direction.

    Args:
        mode: Whether lower (`min`) or higher (`max`) values are better.
        ranks: False where neither is better; then `mode` may be left out.
        has_ratios: As in `MetricSpec`.

    Raises:
        TypeError: If it stands without brackets.
        ValueError: If `mode` is no direction.
    """
    if callable(mode):
        raise TypeError("@ablate.metric stands without brackets: write @ablate.metric(mode='min') "
                        "or mode='max'")  # fmt: skip
    by_key = dict(mode) if isinstance(mode, Mapping) else {"": mode or "min"}
    for said in by_key.values() if mode is not None or ranks else ():
        if mode is None or said not in get_args(Mode):
            raise ValueError(f"@ablate.metric has no mode {mode!r}: write mode='min' or mode='max'")

    def mark(function: Function) -> Function:
        spec = MetricSpec(ranks=ranks, has_ratios=has_ratios, is_measurable=True)
        declared = {key: replace(spec, mode=said) for key, said in by_key.items()}
        setattr(function, DECLARED, declared)
        return function

    return mark


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
    metrics: ClassVar[Mapping[str, MetricSpec]]
    """The metrics that a study can use, by name; if there are none, any number in the results."""
    study_keys: ClassVar[frozenset[str]] = frozenset()
    """Keys that all cells of a study have in common: set in `base`, never by a factor."""
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

    @classmethod
    def metrics_of(
        cls, base: Mapping[str, Any], asked: Mapping[str, Mode | None]
    ) -> Mapping[str, MetricSpec]:
        """The metrics that a study can use, by name: `metrics`, and what its `study_keys` add.

        Those that they add every run of the study ends with.

        Args:
            base: The study's; empty where no study is asked about.
            asked: The metrics that the study names, with the direction if it gives one.

        Raises:
            ConfigError: If a key's value cannot be used.
        """
        return getattr(cls, "metrics", {})

    def measured(self) -> Collection[str]:
        """The metrics that a run of this config ends with: all of `metrics`."""
        return tuple(self.metrics_of({}, {}))

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

    def code(self) -> Mapping[str, Sequence[str]]:
        """Modules that a run of this config imports, as `module:name`, by the key that names them.

        The nodes of a cluster are asked for them before anything trains.
        """
        return {}

    def idle_keys(self) -> Collection[str]:
        """Keys that are set and do nothing in this config; a plan tells those that no cell uses."""
        return ()

    def pack_note(self) -> str:
        """What a plan says of packs of such runs, if there is something to say."""
        return ""


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
    supersedes: int
    """Points reported before, of this step and beyond, no longer count: the run went back to a
    checkpoint of its own. Those that count from there on are in this report and later ones."""
    amends: bool
    """Whether points may add to earlier ones: numbers of a step need not be measured at once."""
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
    one run, with the `data_fingerprint` of a preflight that gave one; each result has a `RunReport`
    for every run that is running or has just ended.
    """

    def load_runs(self, folders: Mapping[str, str]) -> None:
        """Restores runs, whatever packs they were in before.

        Args:
            folders: Checkpoint directories by run id; the other runs start from the beginning.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class KeptSamples:
    """Samples of one run, in the data's own coordinates, to be looked at.

    Attributes:
        rows: (num, dim): the n-th is made from the n-th noise, which all runs share.
        shape: Of one row; (dim,) where it is flat.
        weights: Which weights made them: `best` or `final`.
        step: The step of those weights.
        solver: How they were made, in words: `midpoint, 50 steps`.
        data: Names the file of data rows beside it, see `KeptData`; empty where there is none.
        paths: (num_paths, points, dim): the way from noise to sample of the first samples, both
            included, where rows have two numbers; else None.
        projected: (num, 2): coordinates on the first two principal components of the data, where
            rows are neither images nor of two numbers; else None.
        nearest: (num,): the distance to the nearest training row; None where not measured.
    """

    rows: "Floats"
    shape: tuple[int, ...]
    weights: str
    step: int
    solver: str
    data: str = ""
    paths: "Floats | None" = None
    projected: "Floats | None" = None
    nearest: "Floats | None" = None


@dataclass(frozen=True, kw_only=True)
class KeptData:
    """Test rows of some data, to show beside samples.

    Attributes:
        rows: (num, dim) of images and rows of two numbers; (num, 2), projected, of others.
        shape: Of one row of the data.
        explained: The share of the variance that the two components have; None where rows are
            not projected.
        nearest: (num,): each test row's distance to the nearest training row.
    """

    rows: "Floats"
    shape: tuple[int, ...]
    explained: float | None = None
    nearest: "Floats | None" = None


MAX_KEPT_BYTES = 400_000
"""Of the numbers of one file: 129 samples of 768 numbers, 32 images of 3x32x32, at least one."""


def room_for(dim: int) -> int:
    """As many rows as fit into a file, of float32, with two coordinates and a distance each."""
    return max(1, MAX_KEPT_BYTES // (4 * (dim + 3)))


SampleMaker = Callable[[Path, dict[str, Any]], tuple[KeptSamples, KeptData | None]]
"""Makes samples of a run, see `TrainableHooks.keep_samples`."""


@dataclass(frozen=True, kw_only=True)
class TrainableHooks:
    """What a trainable can do beside training: its class attribute `ablate`.

    A function may be given as `module:function`; it is then imported when needed.

    Attributes:
        config: The config model, if it is not the class attribute `Config`.
        preflight: Checks a run's data before anything starts. Takes the run's config; returns what
            is known: `data_fingerprint`, `num_parameters`, `planned_steps` (see the config's
            hook), `same_training` (equal for configs that are the same training under two names),
            `notes` (of the data, for people: a list of texts), `metrics` (a `MetricSpec` by name:
            those that the `study_keys` turn out to add).
            Raises ValueError or OSError if data are wrong; a `ConfigError` names the keys.
        sample: Draws from a run's best weights: `(best, num, seed, solver, num_steps)` to rows
            (num, *shape).
        evaluate: Measures a metric of a run's best weights: `(best, config, metric)` to columns.
        keep_samples: Makes samples of a run's best weights to be looked at, for
            `ablate evaluate --samples`: `(best, config)` to `KeptSamples`, and to `KeptData` to
            show beside them, or None. The n-th sample of all runs is made from the same noise.
        preload: Modules that a trial needs, imported by workers that wait for one.
        packs: Whether it is a `PackedTrainable`.
    """

    config: str | type[BaseModel] | None = None
    preflight: "str | Callable[[dict[str, Any]], Mapping[str, Any]] | None" = None
    sample: "str | Callable[[Path, int, int, str | None, int | None], np.ndarray] | None" = None
    evaluate: "str | Callable[[Path, dict[str, Any], str], Mapping[str, float]] | None" = None
    keep_samples: "str | SampleMaker | None" = None
    preload: tuple[str, ...] = ("ray.tune",)
    packs: bool = False
