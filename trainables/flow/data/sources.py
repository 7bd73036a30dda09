"""Reads the rows of each `data.source`; no torch, and pyarrow, slow to import, only for files."""

import contextlib
import importlib.util
from collections.abc import Callable, Generator, Hashable, Mapping
from pathlib import Path

import numpy as np

from trainables.flow.config.data import DEFAULT_DIM, DEFAULT_ROWS, DataConfig
from trainables.flow.config.elsewhere import Found, Table
from trainables.flow.data.errors import DataError, Floats
from trainables.flow.data.own_source import read_own, source_of
from trainables.flow.data.rows import Rows, joined

Parts = Mapping[str, Floats]
"""Rows, (rows, *shape), by the part of `config.data.PARTS` that they are for."""
Reader = Callable[[DataConfig], Floats | Parts]
"""Gives all rows of a source, before the split, or parts of its own; `train` at least."""
NUM_GAUSSIANS = 8
GAUSSIAN_STD = 0.15
"""Of each Gaussian of the mixture; the centres are one unit from the origin."""
MOON_NOISE = 0.05
BOARD_SQUARES = 4
"""Squares along a side of the checkerboard, which covers [-2, 2] x [-2, 2]."""


def read_rows(config: DataConfig) -> Rows:
    """All rows of a source, before the split.

    Raises:
        DataError: If they cannot be used, with the reason.
    """
    read = READERS[config.source](config)
    parts = read if isinstance(read, Mapping) else {"train": read}
    return joined(parts, *(["data.source"] if config.is_own else ["data.path", "data.test"]))


def stamp(config: DataConfig) -> Hashable:
    """What changes when the files or folders of a config are rewritten, or its function replaced.

    Raises:
        ConfigError: If they cannot be reached, or the function cannot be imported.
    """
    if config.is_own:
        return Found(source_of(config))
    return tuple(_file_stamp(path, key) for key, path in _paths(config).items())


def _paths(config: DataConfig) -> dict[str, str]:
    """The paths that a config has, by key."""
    paths = {"data.path": config.path, "data.test": config.test}
    return {key: path for key, path in paths.items() if path is not None}


def _file_stamp(path: str, key: str) -> str:
    from trainables.flow.data.filesystem import list_files

    with _told_at(key):
        files = list_files(path).files
    return " ".join(f"{file.path} {file.mtime_ns} {file.size}" for file in files)


@contextlib.contextmanager
def _told_at(key: str) -> Generator[None]:
    """Mistakes of a path are told at its key: readers know of `data.path` alone."""
    try:
        yield
    except DataError as error:
        keys = [key if told == "data.path" else told for told in error.keys]
        raise DataError(str(error), *keys) from error.__cause__


def _digits(config: DataConfig) -> Floats:
    # Read from scikit-learn's files: importing the package would take a second for one table.
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("data.source digits needs scikit-learn: pip install scikit-learn",
                        "data.source")  # fmt: skip
    path = Path(spec.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")
    return np.loadtxt(path, delimiter=",", dtype=np.float32)[:, :-1]


def _parquet(config: DataConfig, path: str) -> Floats:
    from trainables.flow.data.parquet import read_parquet

    return read_parquet(path, config.column)


def _npy(config: DataConfig, path: str) -> Floats:
    from trainables.flow.data.npy import read_npy

    return read_npy(path)


def _files(read: Callable[[DataConfig, str], Floats]) -> Reader:
    """A source whose rows are in files, those of the test part perhaps in others."""

    def read_all(config: DataConfig) -> Parts:
        parts: dict[str, Floats] = {}
        for key, path in _paths(config).items():
            with _told_at(key):
                parts["test" if key == "data.test" else "train"] = read(config, path)
        return parts

    return read_all


def _drawn(draw: Callable[[np.random.Generator, int, int], np.ndarray]) -> Reader:
    """A source whose rows are one fixed draw; `split_seed` affects only how they are split."""

    def read(config: DataConfig) -> Floats:
        rng = np.random.default_rng([ord(letter) for letter in config.source])
        rows = draw(rng, config.rows or DEFAULT_ROWS, config.dim or DEFAULT_DIM)
        return rows.astype(np.float32)

    return read


def _moons(rng: np.random.Generator, rows: int, dim: int) -> np.ndarray:
    """Two interleaved half circles, as scikit-learn's `make_moons` places them."""
    lower = rng.integers(0, 2, rows)
    angle = rng.uniform(0, np.pi, rows)
    x = np.where(lower, 1 - np.cos(angle), np.cos(angle))
    y = np.where(lower, 0.5 - np.sin(angle), np.sin(angle))
    return np.stack([x, y], axis=1) + MOON_NOISE * rng.normal(size=(rows, 2))


def _checkerboard(rng: np.random.Generator, rows: int, dim: int) -> np.ndarray:
    """Uniform on the dark squares."""
    column = rng.integers(0, BOARD_SQUARES, rows)
    row = 2 * rng.integers(0, BOARD_SQUARES // 2, rows) + column % 2
    corner = np.stack([column, row], axis=1) - BOARD_SQUARES / 2
    return corner + rng.uniform(size=(rows, 2))


def _gaussians(rng: np.random.Generator, rows: int, dim: int) -> np.ndarray:
    """A mixture of Gaussians: centres on a line, a circle or the unit sphere."""
    if dim == 2:
        angles = 2 * np.pi * np.arange(NUM_GAUSSIANS) / NUM_GAUSSIANS
        centres = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    elif dim == 1:
        centres = np.linspace(-1, 1, NUM_GAUSSIANS)[:, None]
    else:
        centres = rng.normal(size=(NUM_GAUSSIANS, dim))
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    chosen = centres[rng.integers(0, NUM_GAUSSIANS, rows)]
    return chosen + GAUSSIAN_STD * rng.normal(size=(rows, dim)) * np.sqrt(2 / max(2, dim))


READERS: Table[Reader] = Table(
    {
        "digits": _digits,
        "parquet": _files(_parquet),
        "npy": _files(_npy),
        "moons": _drawn(_moons),
        "checkerboard": _drawn(_checkerboard),
        "gaussians": _drawn(_gaussians),
    },
    elsewhere=read_own,
)
