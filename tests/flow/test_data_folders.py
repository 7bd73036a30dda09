"""Folders and files as other tools leave them: what is read, what is skipped, what is told."""

import os
import socket

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainables.flow.config.data import DataConfig
from trainables.flow.data import reachability
from trainables.flow.data.errors import DataError
from trainables.flow.data.npy import read_npy
from trainables.flow.data.parquet import read_parquet
from trainables.flow.data.sources import stamp

FLOATS = pa.list_(pa.float32())


def part(path, *values, kind=FLOATS, **columns):
    """A part with a row [value, value] for each value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = pa.array([[value, value] for value in values], kind)
    pq.write_table(pa.table({"embedding": cells, **columns}), path)
    return path


def read(path):
    return read_parquet(str(path), "embedding")[:, 0].tolist()


def error_of(path, column="embedding"):
    with pytest.raises(DataError) as caught:
        read_parquet(str(path), column)
    return str(caught.value)


def test_what_other_tools_leave_behind_is_no_data(tmp_path):
    good = part(tmp_path / "year=1" / "part-0.parquet", 1.0, 2.0)
    (tmp_path / "year=1" / "notes.csv").touch()
    alone = read(tmp_path), stamp(DataConfig(source="parquet", path=str(tmp_path)))
    hidden = [
        "_temporary/0/part-0.parquet", ".ipynb_checkpoints/part-0.parquet", "_metadata.parquet",
        "year=1/._part-0.parquet", "year=1/.hive-staging/a/b.parquet",
        "year=1/_delta_log/x.parquet",
    ]  # fmt: skip
    for name in hidden:
        part(tmp_path / name, 9.0)
    (tmp_path / "year=1" / "_SUCCESS").touch()
    assert (read(tmp_path), stamp(DataConfig(source="parquet", path=str(tmp_path)))) == alone
    assert read_parquet(tmp_path.as_uri(), "embedding")[:, 0].tolist() == alone[0]
    assert read(tmp_path / "_temporary") == [9.0]  # written by the user, so wanted
    assert read(tmp_path / "year=1" / "._part-0.parquet") == [9.0]
    assert read(good) == alone[0]


def test_each_file_and_folder_counts_once_however_links_go(tmp_path):
    first = part(tmp_path / "a" / "part-0.parquet", 1.0)
    elsewhere = part(tmp_path / "elsewhere" / "part-1.parquet", 2.0)
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a").symlink_to(first.parent)
    (folder / "again").symlink_to(first.parent)
    (folder / "latest.parquet").symlink_to(elsewhere)
    (folder / "round").symlink_to(folder)
    (folder / "itself").symlink_to(folder / "itself")
    assert read(folder) == [1.0, 2.0]
    (folder / "lost.parquet").symlink_to(tmp_path / "nothing.parquet")
    assert "lost.parquet: not a readable Parquet file" in error_of(folder)


def test_parts_without_rows_are_no_mistake(tmp_path):
    part(tmp_path / "part-0.parquet", 1.0)
    part(tmp_path / "part-1.parquet")
    pq.write_table(pa.table({"embedding": pa.array([], pa.null())}), tmp_path / "part-2.parquet")
    pq.write_table(pa.table({"other": pa.array([], pa.int8())}), tmp_path / "part-3.parquet")
    assert read(tmp_path) == [1.0]
    (tmp_path / "part-0.parquet").unlink()
    assert error_of(tmp_path) == f"{tmp_path}: column 'embedding' has no rows"


def test_the_keys_of_folders_do_not_meet_columns_of_the_files(tmp_path):
    for year in ("2023", "2024"):
        path = tmp_path / f"year={year}" / "embedding=x" / "part.parquet"
        part(path, float(year), year=pa.array([int(year)]))
    assert read(tmp_path) == [2023.0, 2024.0]
    assert read(tmp_path / "year=2024") == [2024.0]


def tensors_of_arrow(values):
    kind = pa.fixed_shape_tensor(pa.float32(), values.shape[1:])
    flat = pa.array(list(values.reshape(len(values), -1)), pa.list_(pa.float32(), values[0].size))
    return pa.ExtensionArray.from_storage(kind, flat)


def tensors_of_ray(values):
    extensions = pytest.importorskip("ray.data.extensions")
    return extensions.ArrowTensorArray.from_numpy(values)


def tensors_of_ray_with_shapes(values):
    data = pa.array([row.ravel() for row in values], pa.large_list(pa.float32()))
    shapes = pa.array([row.shape for row in values], pa.list_(pa.int64()))
    return pa.StructArray.from_arrays([data, shapes], ["data", "shape"])


def nested_as_of_hugging_face(values):
    return pa.array([row.tolist() for row in values], pa.list_(pa.list_(pa.float32())))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray's own, at its import
@pytest.mark.parametrize(
    "column",
    [tensors_of_arrow, tensors_of_ray, tensors_of_ray_with_shapes, nested_as_of_hugging_face],
)
def test_tensors_are_read_as_vectors(tmp_path, column):
    values = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    pq.write_table(pa.table({"embedding": column(values)}), tmp_path / "x.parquet")
    rows = read_parquet(str(tmp_path / "x.parquet"), "embedding")
    np.testing.assert_array_equal(rows, values.reshape(2, 6))


def test_all_bad_rows_are_told_at_once(tmp_path):
    nan = float("nan")
    rows = [[1.0, 2.0], None, [nan, 1.0], [1.0], [None, 1.0], [1e300, 1.0], [], [3.0, 4.0]]
    pq.write_table(
        pa.table({"embedding": pa.array(rows, pa.list_(pa.float64()))}), tmp_path / "a.parquet"
    )
    nested = [[[1.0], [2.0]], [[1.0], [2.0, 3.0]], [[1.0], None], [[1.0], [nan]], [[1.0]]]
    pq.write_table(pa.table({"embedding": pa.array(nested)}), tmp_path / "b.parquet")
    part(tmp_path / "c.parquet", *[nan] * 30)
    (tmp_path / "d.parquet").touch()
    told = error_of(tmp_path)
    for line in (
        "a.parquet: column 'embedding': 6 of 8 rows cannot be used, numbered from 0: "
        "2 null (1, 4); 2 not of length 2 (3, 6); 1 not finite (2); 1 beyond float32 (5)",
        "b.parquet: column 'embedding': 4 of 5 rows cannot be used, numbered from 0: "
        "1 null (2); 1 not of length 2 (4); 1 not of length 1 (1); 1 not finite (3)",
        "30 of 30 rows cannot be used, numbered from 0: 30 not finite (0, 1, 2, 3, 4, 5, 6, 7, 8, "
        "9 and 20 more)",
        "d.parquet: not a readable Parquet file",
    ):
        assert line in told, told


def test_parts_of_several_widths_are_told(tmp_path):
    part(tmp_path / "a.parquet", 1.0)
    pq.write_table(pa.table({"embedding": pa.array([[1.0]], FLOATS)}), tmp_path / "b.parquet")
    assert "rows of different lengths: " in error_of(tmp_path)


def test_columns_that_cannot_be_meant_are_told(tmp_path):
    path = tmp_path / "x.parquet"
    cells = pa.array([[1.0]], FLOATS)
    pq.write_table(pa.Table.from_arrays([cells, cells], names=["embedding", "embedding"]), path)
    assert error_of(path) == f"{path}: 2 columns are named 'embedding': rename all but one"
    other = [pa.array([1.0]), pa.array([[1]]), pa.array([{"x": [1.0]}]), pa.array([[True]])]
    for cells in [*other, pa.array(["a"]).dictionary_encode(), pa.array([None])]:
        pq.write_table(pa.table({"embedding": cells}), path)
        assert "not lists of floats" in error_of(path)


def test_folders_without_data_say_what_is_in_them(tmp_path):
    assert error_of(tmp_path) == f"{tmp_path}: no Parquet files in this folder; it is empty"
    part(tmp_path / "_tmp" / "a.parquet", 1.0)
    assert "it holds none that could be (names that begin with . or _" in error_of(tmp_path)
    (tmp_path / "a.csv").touch()
    assert f"it holds {tmp_path / 'a.csv'} (names that" in error_of(tmp_path)
    assert "a folder, not a .npy file" in npy_error(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_no_file_to_wait_for(tmp_path):
    for name in ("x.parquet", "x.npy"):
        os.mkfifo(tmp_path / name)
    assert "no ordinary file" in error_of(tmp_path / "x.parquet")
    assert "no ordinary file" in npy_error(tmp_path / "x.npy")


def test_names_that_are_no_utf8_are_read(tmp_path):
    path = part(tmp_path / "x.parquet", 1.0)
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    path.rename(folder / os.fsdecode(b"\xff.parquet"))
    assert read(folder) == [1.0]


def npy_error(path):
    with pytest.raises(DataError) as caught:
        read_npy(str(path))
    return str(caught.value)


def test_arrays_of_other_tools(tmp_path):
    rows = np.arange(6.0).reshape(3, 2)
    for name, array in {
        "fortran": np.asfortranarray(rows), "big": rows.astype(">f8"), "half": rows.astype("f2"),
    }.items():  # fmt: skip
        np.save(tmp_path / f"{name}.npy", array)
        np.testing.assert_array_equal(read_npy(str(tmp_path / f"{name}.npy")), rows)
    told = {
        "none": (np.zeros((0, 3)), "holds no rows, only the shape (0, 3)"),
        "complex": (rows * 1j, "holds complex128, not floats"),
        "objects": (rows.astype(object), "not a readable .npy file"),
        "dirty": (
            np.array([[np.nan, 1], [1e300, 1], [np.inf, 1e300], [1, 1]]),
            "3 of 4 rows cannot be used, numbered from 0: 2 not finite (0, 2); "
            "2 beyond float32 (1, 2)",
        ),
    }
    for name, (array, message) in told.items():
        np.save(tmp_path / f"{name}.npy", array)
        assert message in npy_error(tmp_path / f"{name}.npy")


def test_a_store_that_does_not_answer_is_told_within_seconds(monkeypatch):
    monkeypatch.setattr(reachability, "ANSWER_TIMEOUT_S", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"127.0.0.1:{silent.getsockname()[1]}"
        store = f"gs://anonymous@bucket/rows.parquet?scheme=http&endpoint_override={where}"
        assert "cannot be reached (no answer within 3 s): check network" in error_of(store)


@pytest.mark.parametrize(
    "uri", ["http://host/x.parquet", "nosuch://bucket/x.parquet", "abfs://x/y"]
)
def test_a_store_of_no_known_kind_is_told(uri):
    told = error_of(uri)
    assert told.startswith(f"{uri}: cannot be reached (")
    assert "\n" not in told


def test_a_library_that_a_store_needs_is_told(monkeypatch, tmp_path):
    """As where huggingface_hub is not installed, and a path of its kind is given."""
    (tmp_path / "huggingface_hub.py").write_text("raise ImportError('not here')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "cannot be reached (" in error_of("hf://datasets/me/rows/x.parquet")
