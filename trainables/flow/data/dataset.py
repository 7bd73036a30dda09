"""Rows to train on: checked, split and normalised. No torch, so that a plan can read them."""

import functools
import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainables.flow.config.data import MIN_ROWS, TEST_SHARE, VALIDATION_SHARE, DataConfig
from trainables.flow.config.run import FlowConfig
from trainables.flow.config.shapes import num_parameters
from trainables.flow.data.errors import DataError, Floats
from trainables.flow.data.memory import check_rows, check_run
from trainables.flow.data.sources import read_rows, stamp

ODDLY_COMMON = 0.25
"""A row repeated more often than this share of the validation part is kept for training."""
REFERENCE_ROWS = 4_096
"""Training rows that stand in for samples in the floors of the metrics: two blocks of the largest
size that metrics use, three of the test part's size below that, so that floors cost no more than
the metrics of a run's best and final weights."""
CONSTANT = 1e-6
"""A column is constant, up to rounding, if its spread is less than this share of its mean."""


@dataclass(frozen=True, eq=False)
class Normalisation:
    """Statistics of the full training part, however much of it `data.size` takes."""

    mean: Floats
    """(dim,)"""
    std: Floats
    """(dim,); 1 where a dimension is constant."""

    def apply(self, rows: Floats) -> Floats:
        """Rows (n, dim) in normalised coordinates."""
        return (rows - self.mean) / self.std

    def undo(self, rows: Floats) -> Floats:
        """Normalised rows (n, dim) in the data's own coordinates."""
        return rows * self.std + self.mean


@dataclass(frozen=True, eq=False)
class Dataset:
    """Raw rows in three parts, (n, dim) each, and the scale of the training part."""

    train: Floats
    """As many as `data.size` takes."""
    validation: Floats
    test: Floats
    normalisation: Normalisation
    fingerprint: str
    reference: Floats
    """At most `REFERENCE_ROWS` rows of the full training part: fresh samples of the data, for the
    floors of the metrics."""

    @property
    def dim(self) -> int:
        """Width of a row."""
        return self.train.shape[1]


@dataclass(frozen=True)
class _Source:
    """All rows of a source, and their split."""

    rows: Floats
    parts: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]
    """Row numbers for training (all of them), validation and test."""
    normalisation: Normalisation
    fingerprint: str


def load_dataset(config: DataConfig) -> Dataset:
    """The rows of a config, read once per process unless their file changes.

    Raises:
        DataError: As `read_dataset`.
    """
    return _dataset(config, stamp(config))


def read_dataset(config: DataConfig) -> Dataset:
    """Reads, checks and splits the rows.

    Identical rows go to the same part, so that no test row has been trained on.

    Raises:
        DataError: If rows cannot be used, with their numbers, or if there are too few.
    """
    return _sized(_read(config), config)


def preflight(config: dict[str, Any]) -> dict[str, Any]:
    """Checks a run's data before anything starts.

    Args:
        config: A resolved run config.

    Returns:
        `data_fingerprint` of the rows, `num_parameters` of the network for them, the steps of a
        run, and `same_training`: equal for configs that are the same training under two names.

    Raises:
        DataError: As `read_dataset`.
    """
    model = FlowConfig.model_validate(config)
    source = _source(model.data, stamp(model.data))
    _check_size(source, model.data)
    dim = source.rows.shape[1]
    num_rows, size = len(source.parts[0]), model.data.size
    check_run(model, num_rows if size == "all" else int(size), dim)
    return {
        "data_fingerprint": source.fingerprint,
        "num_parameters": num_parameters(model, dim),
        "planned_steps": model.planned_steps(num_rows),
        "same_training": model.same_training(num_rows),
    }


def fingerprint(rows: Floats) -> str:
    """Rows, dimension and a hash of the bytes: equal for equal data."""
    digest = hashlib.blake2b(np.ascontiguousarray(rows).tobytes(), digest_size=8).hexdigest()
    return f"{rows.shape[0]}x{rows.shape[1]}-{digest}"


@functools.lru_cache(maxsize=4)
def _dataset(config: DataConfig, stamped: str) -> Dataset:
    return _sized(_source(config, stamped), config)


def _source(config: DataConfig, stamped: str) -> _Source:
    return _source_of_all(config.model_copy(update={"size": "all"}), stamped)


@functools.lru_cache(maxsize=4)
def _source_of_all(config: DataConfig, stamped: str) -> _Source:
    return _read(config)


def _read(config: DataConfig) -> _Source:
    check_rows(config)
    rows = read_rows(config)
    parts = _split(rows, config.split_seed)
    if min(map(len, parts)) < 2 or not (rows[parts[0]] != rows[parts[0][0]]).any():
        raise DataError(_too_few(rows), "data.path", "data.rows")
    return _Source(rows, parts, _statistics(rows[parts[0]]), fingerprint(rows))


def _too_few(rows: Floats) -> str:
    counts = _identical(rows)[1]
    counted, fix = f"{len(rows)} rows", f"at least {MIN_ROWS} are needed"
    if max(counts) > 1:
        counted += f", {len(counts)} of them distinct, the commonest {max(counts)} times,"
        fix = "drop repeated rows (identical ones go to the same part)"
    return f"{counted} are too few to split into three parts to learn from: {fix}"


def _sized(source: _Source, config: DataConfig) -> Dataset:
    _check_size(source, config)
    rows, (train, validation, test) = source.rows, source.parts
    numbers = train if config.size == "all" else train[: int(config.size)]
    return Dataset(
        rows[numbers], rows[validation], rows[test], source.normalisation, source.fingerprint,
        rows[train[:REFERENCE_ROWS]],
    )  # fmt: skip


def _check_size(source: _Source, config: DataConfig) -> None:
    available = len(source.parts[0])
    if config.size != "all" and int(config.size) > available:
        raise DataError(
            f"data.size {config.size} is more than the training part holds: {available} of "
            f"{len(source.rows)} rows",
            "data.size",
        )


def _split(
    rows: Floats, split_seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Row numbers of the training, validation and test parts; identical rows stay together.

    Oddly common rows come last, the commonest at the very end, so that they are trained on.
    """
    rng = np.random.default_rng(split_seed)
    group, counts = _identical(rows)
    rank = rng.permutation(len(counts))[group]
    num_validation, num_test = int(VALIDATION_SHARE * len(rows)), int(TEST_SHARE * len(rows))
    common = counts[group] > max(1, ODDLY_COMMON * num_validation)
    order = np.lexsort((rank, np.where(common, counts[group], 0)))
    first = _boundary(rank[order], num_validation)
    second = _boundary(rank[order], first + num_test)
    validation, test, train = np.split(order, [first, second])
    # Identical rows are adjacent here: shuffled, so that nested subsets take them one by one.
    return rng.permutation(train), validation, test


def _identical(rows: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The number of each row's group of identical rows, and the size of each group."""
    whole = np.ascontiguousarray(rows + np.float32(0))  # -0.0 and 0.0 are one value
    keys = whole.view(np.dtype((np.void, whole.shape[1] * whole.itemsize))).ravel()
    _, group, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return group, counts


def _boundary(groups: NDArray[np.intp], at: int) -> int:
    """The first boundary between groups at or after `at`."""
    while 0 < at < len(groups) and groups[at] == groups[at - 1]:
        at += 1
    return at


def _statistics(rows: Floats) -> Normalisation:
    exact = rows.astype(np.float64)
    mean, std = exact.mean(axis=0), exact.std(axis=0)
    varies = std > CONSTANT * np.abs(mean)
    return Normalisation(mean.astype(np.float32), np.where(varies, std, 1.0).astype(np.float32))
