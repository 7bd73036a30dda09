"""Rows to train on: checked, split and normalised. No torch, so that a plan can read them."""

import functools
import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainables.flow.config.data import MIN_ROWS, DataConfig
from trainables.flow.config.run import FlowConfig
from trainables.flow.config.shapes import ARCHS, MODULE, num_parameters
from trainables.flow.data.errors import DataError, Floats
from trainables.flow.data.memory import check_rows, check_run
from trainables.flow.data.rows import Rows, row_shape
from trainables.flow.data.sources import read_rows, stamp
from trainables.flow.data.split import Parts, identical, overlaps, split
from trainables.flow.parts_check import check_parts

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
    """Raw rows in three parts, flat, (n, dim) each, and the scale of the training part."""

    train: Floats
    """As many as `data.size` takes."""
    validation: Floats
    test: Floats
    normalisation: Normalisation
    fingerprint: str
    reference: Floats
    """At most `REFERENCE_ROWS` rows of the full training part: fresh samples of the data, for the
    floors of the metrics."""
    shape: tuple[int, ...]
    """What a row stands for: `(channels, height, width)`, or `(dim,)`."""

    @property
    def dim(self) -> int:
        """Numbers of a row."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class _Source:
    """All rows of a source, and their split."""

    rows: Floats
    """Flat, (n, dim)."""
    shape: tuple[int, ...]
    parts: Parts
    normalisation: Normalisation
    fingerprint: str
    notes: list[str]
    """What people should know of the parts."""


def load_dataset(config: DataConfig) -> Dataset:
    """The rows of a config, read once per process unless their files change.

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
        run, `same_training`: equal for configs that are the same training under two names, and
        `notes` for people, and `metrics`: those of one's own, where there are some.

    Raises:
        DataError: As `read_dataset`.
        ConfigError: If a part of somebody's own cannot be used.
    """
    model = FlowConfig.model_validate(config)
    stamped = stamp(model.data)
    source = _source(model.data, stamped)
    _check_size(source, model.data)
    if model.data.is_own:
        _check_again(_of_all(model.data), stamped)
    check_network(model, source.shape)
    num_rows, size = len(source.parts[0]), model.data.size
    num_trained = num_rows if size == "all" else int(size)
    check_run(model, num_trained, source.shape)
    some = source.normalisation.apply(source.rows[source.parts[0][: model.batch_size]])
    check_parts(model, some, source.shape, num_trained)
    return {
        "data_fingerprint": source.fingerprint,
        "num_parameters": num_parameters(model, source.shape),
        "planned_steps": model.planned_steps(num_rows),
        "same_training": model.same_training(num_rows),
        "notes": source.notes,
        **_own_metrics(model),
    }


def check_network(config: FlowConfig, shape: tuple[int, ...]) -> None:
    """Checks a network of somebody's own; the built-in ones need no torch to be known."""
    if ARCHS[config.arch] is MODULE:
        from trainables.flow.networks.module_check import check_module

        check_module(config, shape)


def _own_metrics(config: FlowConfig) -> dict[str, Any]:
    """What metrics of one's own turn out to be; torch is imported only where there are some."""
    if not config.metrics:
        return {}
    from trainables.flow.evaluation.own_metrics import check_metrics

    return {"metrics": check_metrics(config)}


def check_same(config: DataConfig, data: Dataset, known: str | None) -> None:
    """Checks that a worker reads what was read when its study was checked.

    Args:
        config: Where the rows come from.
        data: What was read here.
        known: The fingerprint then; None where nobody says.

    Raises:
        DataError: If they are other rows.
    """
    if known is not None and known != data.fingerprint:
        key = "source" if config.path is None else "path"
        raise DataError(
            f"data.{key} {getattr(config, key)} gives other rows here than when the study was "
            f"checked: {data.fingerprint}, not {known}: they must be the same in each process and "
            "on each machine",
            f"data.{key}",
        )


@functools.lru_cache(maxsize=4)
def _dataset(config: DataConfig, stamped: Hashable) -> Dataset:
    return _sized(_source(config, stamped), config)


def _source(config: DataConfig, stamped: Hashable) -> _Source:
    return _source_of_all(_of_all(config), stamped)


def _of_all(config: DataConfig) -> DataConfig:
    return config.model_copy(update={"size": "all"})


@functools.lru_cache(maxsize=4)
def _source_of_all(config: DataConfig, stamped: Hashable) -> _Source:
    return _read(config)


@functools.lru_cache(maxsize=256)
def _check_again(config: DataConfig, stamped: Hashable) -> None:
    """Calls a function of one's own once more: workers call it, too, and must get the same rows."""
    if read_rows(config).fingerprint != _source_of_all(config, stamped).fingerprint:
        raise DataError(
            f"{config.source} returns other rows each time that it is called: draw them from a "
            "generator with a fixed seed",
            "data.source",
        )


def _read(config: DataConfig) -> _Source:
    check_rows(config)
    rows = read_rows(config)
    keys = ("data.source",) if config.is_own else ("data.path", "data.test", "data.rows")
    shape = row_shape(config, rows)
    parts = split(rows, config.split_seed)
    train = rows.flat[parts[0]]
    if min(map(len, parts)) < 2 or not (train != train[0]).any():
        raise DataError(_too_few(rows), *keys)
    notes = overlaps(rows, *keys)
    return _Source(rows.flat, shape, parts, _statistics(train), rows.fingerprint, notes)


def _too_few(rows: Rows) -> str:
    if len(rows.counts) > 1:
        told = ", ".join(f"{count} for {name}" for name, count in rows.counts.items())
        return f"too few rows to learn from ({told}): two different ones in each part are needed"
    counts = identical(rows.flat)[1]
    counted, fix = f"{len(rows.flat)} rows", f"at least {MIN_ROWS} are needed"
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
        rows[train[:REFERENCE_ROWS]], source.shape,
    )  # fmt: skip


def _check_size(source: _Source, config: DataConfig) -> None:
    available = len(source.parts[0])
    if config.size != "all" and int(config.size) > available:
        raise DataError(
            f"data.size {config.size} is more than the training part holds: {available} of "
            f"{len(source.rows)} rows",
            "data.size",
        )


def _statistics(rows: Floats) -> Normalisation:
    exact = rows.astype(np.float64)
    mean, std = exact.mean(axis=0), exact.std(axis=0)
    varies = std > CONSTANT * np.abs(mean)
    return Normalisation(mean.astype(np.float32), np.where(varies, std, 1.0).astype(np.float32))
