"""Files of kept samples."""

import json
import os

import numpy as np
import pytest

from ablate.ledger.parquet_files import DamagedFileError, write_arrays
from ablate.samples.kept import (
    KeptData,
    KeptSamples,
    read_data,
    read_samples,
    write_data,
    write_samples,
)
from ablate.study_dir import StudyPaths


def some(*shape):
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    "kept",
    [
        KeptSamples(
            rows=some(5, 2), shape=(2,), weights="best", step=7, solver="euler", data="d",
            paths=some(3, 4, 2), nearest=some(5),
        ),
        KeptSamples(rows=some(5, 6), shape=(6,), weights="best", step=7, solver="euler",
                    projected=some(5, 2)),
        KeptSamples(rows=some(0, 4), shape=(1, 2, 2), weights="best", step=0, solver="euler"),
        KeptSamples(rows=np.full((2, 2), np.nan, np.float32), shape=(2,), weights="final", step=1,
                    solver="euler"),
    ],
)  # fmt: skip
def test_samples_come_back_as_they_were(tmp_path, kept):
    path = StudyPaths(tmp_path).samples("icfm-s1")
    write_samples(path, kept)
    found = read_samples(path)
    for name, value in vars(kept).items():
        np.testing.assert_array_equal(getattr(found, name), value, name)
    assert found.rows.shape == kept.rows.shape


def test_data_come_back_and_other_files_are_told(tmp_path):
    path = StudyPaths(tmp_path).sampled_data("0af1")
    kept = KeptData(rows=some(9, 2), shape=(768,), explained=0.31, nearest=some(9))
    write_data(path, kept)
    found = read_data(path)
    assert (found.shape, found.explained) == ((768,), 0.31)
    np.testing.assert_array_equal(found.rows, kept.rows)
    with pytest.raises(DamagedFileError, match="samples of a run"):
        read_samples(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DamagedFileError):
        read_data(path)


SAMPLES = {"shape": [2], "weights": "best", "step": 7, "solver": "euler", "data": ""}


@pytest.mark.parametrize(
    ("note", "columns"),
    [
        ({"shape": [3]}, {}),
        ({"shape": [-1, -2]}, {}),
        ({"shape": ["2"]}, {}),
        ({"shape": 2}, {}),
        ({"step": float("inf")}, {}),
        ({}, {"x": some(5)}),
        ({}, {"nearest": some(3)}),
        ({}, {"projected": some(5, 3)}),
    ],
)
def test_what_a_file_says_is_checked(tmp_path, note, columns):
    path = tmp_path / "x.parquet"
    write_arrays(path, {"x": some(5, 2), **columns}, {"ablate": json.dumps({**SAMPLES, **note})})
    with pytest.raises(DamagedFileError):
        read_samples(path)


@pytest.mark.parametrize("explained", [float("nan"), 1e9, "0.5", [1], {}])
def test_what_data_say_is_checked(tmp_path, explained):
    path = tmp_path / "x.parquet"
    note = {"shape": [2], "explained": explained}
    write_arrays(path, {"x": some(5, 2)}, {"ablate": json.dumps(note)})
    with pytest.raises(DamagedFileError):
        read_data(path)


def test_pipes_and_links_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "link"):
        with pytest.raises(DamagedFileError):
            read_samples(tmp_path / name)
