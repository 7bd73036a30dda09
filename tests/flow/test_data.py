import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainables.flow.config import DataConfig
from trainables.flow.data import DataError, load_dataset, preflight, read_parquet


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
    np.testing.assert_array_equal(read_parquet(path, "embedding"), rows)


def test_a_directory_is_its_files_by_name(tmp_path):
    for name, value in (("b", 2.0), ("a", 1.0)):
        write(tmp_path / f"{name}.parquet", [[value, value]], pa.list_(pa.float32()))
    assert read_parquet(tmp_path, "embedding")[:, 0].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ([[1.0, 2.0], None, [3.0, 4.0], None], "is null in 2 rows: 1, 3"),
        ([[1.0, 2.0], [1.0], [3.0, 4.0]], "is not of length 2 in 1 rows: 1"),
        ([[1.0, float("inf")], [1.0, 2.0], [None, 1.0]], "is not finite in 2 rows: 0, 2"),
        ([], "has no rows"),
        ([[], []], "holds empty lists only"),
    ],
)
def test_bad_rows_are_named(tmp_path, lists, message):
    path = write(tmp_path / "x.parquet", lists, pa.list_(pa.float32()))
    with pytest.raises(DataError, match=message):
        read_parquet(path, "embedding")


def test_bad_files_are_named(tmp_path):
    path = write(tmp_path / "x.parquet", [[1, 2]], pa.list_(pa.int32()))
    with pytest.raises(DataError, match="not lists of floats"):
        read_parquet(path, "embedding")
    with pytest.raises(DataError, match="no column 'text'; it has: embedding"):
        read_parquet(path, "text")
    with pytest.raises(DataError, match="no such Parquet file"):
        read_parquet(tmp_path / "none.parquet", "embedding")
    (tmp_path / "torn.parquet").write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="not a readable Parquet file"):
        read_parquet(tmp_path / "torn.parquet", "embedding")


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
    assert preflight(config).startswith("6000x384-")
