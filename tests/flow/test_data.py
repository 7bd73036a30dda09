import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainables.flow.config.data import DataConfig
from trainables.flow.data.dataset import load_dataset, preflight
from trainables.flow.data.errors import DataError
from trainables.flow.data.npy import read_npy
from trainables.flow.data.parquet import read_parquet


def write(path, lists, kind):
    pq.write_table(pa.table({"embedding": pa.array(lists, type=kind)}), path)
    return path


@pytest.mark.parametrize("value", [pa.float16(), pa.float32(), pa.float64()])
@pytest.mark.parametrize("shape", ["fixed", "variable", "large"])
def test_every_kind_of_float_list_is_read(tmp_path, value, shape):
    kind = {"fixed": pa.list_(value, 2), "variable": pa.list_(value), "large": pa.large_list(value)}
    rows = np.array([[0.5, 1.0], [2.0, -3.0], [0.25, 8.0]], dtype=np.float32)
    scalars = rows.astype(np.float16 if value == pa.float16() else np.float64)
    path = write(tmp_path / "x.parquet", [list(row) for row in scalars], kind[shape])
    np.testing.assert_array_equal(read_parquet(str(path), "embedding"), rows)


def test_a_directory_is_its_files_by_name(tmp_path):
    for name, value in (("b", 2.0), ("a", 1.0)):
        write(tmp_path / f"{name}.parquet", [[value, value]], pa.list_(pa.float32()))
    assert read_parquet(str(tmp_path), "embedding")[:, 0].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ([[1.0, 2.0], None, [3.0, 4.0], None], r"2 of 4 rows cannot be used, .*: 2 null \(1, 3\)"),
        ([[1.0, 2.0], [1.0], [3.0, 4.0]], r"1 not of length 2 \(1\)"),
        ([[1.0, float("inf")], [1.0, 2.0], [None, 1.0]], r"1 null \(2\); 1 not finite \(0\)"),
        ([], "has no rows"),
        ([[], []], "holds empty lists only"),
    ],
)
def test_bad_rows_are_named(tmp_path, lists, message):
    path = write(tmp_path / "x.parquet", lists, pa.list_(pa.float32()))
    with pytest.raises(DataError, match=message):
        read_parquet(str(path), "embedding")


def test_bad_files_are_named(tmp_path):
    path = write(tmp_path / "x.parquet", [[1, 2]], pa.list_(pa.int32()))
    with pytest.raises(DataError, match="not lists of floats"):
        read_parquet(str(path), "embedding")
    with pytest.raises(DataError, match="no column 'text'; it has: embedding"):
        read_parquet(str(path), "text")
    with pytest.raises(DataError, match="no such file or folder"):
        read_parquet(str(tmp_path / "none.parquet"), "embedding")
    (tmp_path / "torn.parquet").write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="not a readable Parquet file"):
        read_parquet(str(tmp_path / "torn.parquet"), "embedding")


def test_parts_come_from_the_split_seed_and_subsets_nest():
    whole = load_dataset(DataConfig())
    small, smaller = (load_dataset(DataConfig(size=size)) for size in (500, 100))
    assert (len(whole.train), len(whole.validation), len(whole.test)) == (1259, 179, 359)
    np.testing.assert_array_equal(small.train, whole.train[:500])
    np.testing.assert_array_equal(smaller.train, whole.train[:100])
    np.testing.assert_array_equal(small.test, whole.test)
    np.testing.assert_array_equal(small.normalisation.mean, whole.normalisation.mean)
    other = load_dataset(DataConfig(split_seed=1))
    assert other.fingerprint == whole.fingerprint
    assert not np.array_equal(other.test, whole.test)


def test_normalised_rows_have_zero_mean_and_unit_scale():
    data = load_dataset(DataConfig())
    rows = data.normalisation.apply(data.train)
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-4)
    varying = data.train.std(axis=0) > 0
    np.testing.assert_allclose(rows.std(axis=0)[varying], 1, atol=1e-3)


def test_too_many_rows_asked_for():
    with pytest.raises(DataError, match=r"data.size 5000 is more than .* holds: 1259 of 1797 rows"):
        load_dataset(DataConfig(size=5000))


def test_real_embeddings(sentences):
    config = {"data": {"source": "parquet", "path": str(sentences), "column": "embedding"}}
    assert preflight(config)["data_fingerprint"].startswith("6000x384-")


def test_npy_files_are_read_and_bad_ones_named(tmp_path):
    rows = np.random.default_rng(0).normal(size=(30, 3))
    np.save(tmp_path / "x.npy", rows)
    for path in (str(tmp_path / "x.npy"), (tmp_path / "x.npy").as_uri()):
        np.testing.assert_array_equal(read_npy(path), rows.astype(np.float32))
    bad = {"flat": rows[0], "ints": rows.astype(int), "nan": np.where(rows > 1, np.nan, rows)}
    for name, values in bad.items():
        np.save(tmp_path / f"{name}.npy", values)
    (tmp_path / "torn.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:200])
    told = {
        "flat": r"holds \(3,\), not a \(rows, dim\) array", "ints": "holds int64, not floats",
        "nan": "rows cannot be used, numbered from 0: ", "torn": "not a readable .npy file",
        "none": "no such file or folder",
    }  # fmt: skip
    for name, message in told.items():
        with pytest.raises(DataError, match=message):
            read_npy(str(tmp_path / f"{name}.npy"))


def test_a_uri_is_read_like_a_path(tmp_path):
    path = write(tmp_path / "x.parquet", [[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32()))
    expected = read_parquet(str(path), "embedding")
    np.testing.assert_array_equal(read_parquet(path.as_uri(), "embedding"), expected)
    np.testing.assert_array_equal(read_parquet(tmp_path.as_uri(), "embedding"), expected)
    with pytest.raises(DataError, match="cannot be reached"):
        read_parquet("nosuch://bucket/x.parquet", "embedding")


def test_drawn_sources_are_what_they_say():
    board = load_dataset(DataConfig(source="checkerboard", rows=2000))
    rows = np.concatenate([board.train, board.validation, board.test])
    square = np.floor(rows).astype(int)
    assert ((square.sum(axis=1) % 2) == 0).all()
    assert (np.abs(rows) <= 2).all()
    assert len({tuple(s) for s in square}) == 8
    moons = load_dataset(DataConfig(source="moons")).train
    upper = np.abs(np.hypot(moons[:, 0], moons[:, 1]) - 1) < 0.25
    lower = np.abs(np.hypot(moons[:, 0] - 1, moons[:, 1] - 0.5) - 1) < 0.25
    assert (upper | lower).all()
    for dim in (1, 2, 7):
        mixture = load_dataset(DataConfig(source="gaussians", dim=dim, rows=1000))
        assert mixture.train.shape == (700, dim)
    again = load_dataset(DataConfig(source="moons", split_seed=3))
    assert again.fingerprint == load_dataset(DataConfig(source="moons")).fingerprint


def test_identical_rows_go_to_one_part(tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 2)).astype(np.float32)
    rows = np.repeat(rows, rng.integers(1, 5, 200), axis=0)
    rows = np.concatenate([rows, np.zeros((100, 2), np.float32)])  # one row a hundred times
    np.save(tmp_path / "x.npy", rng.permutation(rows))
    data = load_dataset(DataConfig(source="npy", path=str(tmp_path / "x.npy")))
    parts = [set(map(tuple, part)) for part in (data.train, data.validation, data.test)]
    assert sum(map(len, parts)) == len(set().union(*parts))
    sizes = [len(part) for part in (data.train, data.validation, data.test)]
    assert sum(sizes) == len(rows)
    assert sizes[1:] == pytest.approx([0.1 * len(rows), 0.2 * len(rows)], abs=6)
    assert (0.0, 0.0) in parts[0]  # what is oddly common is kept for training


def split_of(tmp_path, *copies):
    """Parts of a file in which each of several rows is there as often as told, and rows at random.

    Returns:
        For each part its size, and how many of the commonest row are in it.
    """
    rng = np.random.default_rng(0)
    repeated = np.repeat(np.arange(1, 1 + len(copies), dtype=np.float32), copies)
    rows = np.stack([repeated, repeated], axis=1)
    rows = np.concatenate([rows, rng.normal(size=(200 - len(rows), 2)).astype(np.float32)])
    np.save(tmp_path / "x.npy", rng.permutation(rows))
    data = load_dataset(DataConfig(source="npy", path=str(tmp_path / "x.npy")))
    commonest = 1.0 + np.argmax(copies)
    parts = (data.train, data.validation, data.test)
    return [(len(part), int((part[:, 0] == commonest).sum())) for part in parts]


def test_the_commonest_row_stays_in_training_however_common(tmp_path):
    assert split_of(tmp_path, 130) == [(140, 130), (20, 0), (40, 0)]
    for copies in ((80, 60, 30), (30, 60, 80), (60, 80, 30)):
        assert split_of(tmp_path, *copies) == [(140, 80), (20, 0), (40, 0)]


def test_too_many_identical_rows_leave_nothing_to_learn_from(tmp_path):
    told = "200 rows, 51 of them distinct, the commonest 150 times, are too few to split"
    with pytest.raises(DataError, match=told):
        split_of(tmp_path, 150)
    with pytest.raises(DataError, match="2 of them distinct, the commonest 120 times"):
        split_of(tmp_path, 120, 80)
    with pytest.raises(DataError, match="200 rows, 1 of them distinct"):
        split_of(tmp_path, 200)


def test_few_rows_are_told_how_many_are_needed(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(19))
    with pytest.raises(
        DataError, match=r"^19 rows are too few to split .*: at least 20 are needed$"
    ):
        load_dataset(DataConfig(source="npy", path=str(tmp_path / "x.npy")))


def test_preflight_counts_rows_and_parameters():
    known = preflight({"hidden_dim": 64, "num_layers": 1, "data": {"source": "moons"}})
    assert known["data_fingerprint"].startswith("5000x2-")
    assert known["num_parameters"] == 3 * 64 + 65 * 64 + 2 * (65 * 2)
    with pytest.raises(DataError, match=r"10000 is more than .* holds: 3500 of 5000 rows"):
        preflight({"data": {"source": "moons", "size": "10k"}})
