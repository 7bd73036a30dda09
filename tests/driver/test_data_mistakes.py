"""Mistakes of data: told at the config keys that have the values, once."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import toy

from ablate.driver.data_check import check_data
from ablate.errors import InputError
from ablate.plan.plan import plan_study
from ablate.spec.load import load_study
from ablate.trainable.contract import ConfigError, TrainableHooks

FLOW = """\
study: s
metric: sliced_w2
base:
  epochs: 2
  data: {source: npy,
         path: rows.npy}
factors:
  flow: [icfm, vp]
  data.size: [10,
              1000]
seeds: 2
"""
TOY = """\
study: s
trainable: toy:Checked
metric: score
base: {file: rows.csv}
factors:
  gain: {low: {gain: 1}, high: {gain: 9,
                                where: high.csv}}
  other: [1, 2]
seeds: 2
"""


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def mistakes(text, overrides=()):
    Path("grid.yaml").write_text(text, encoding="utf-8")
    plan = plan_study(load_study("grid.yaml", overrides))
    with pytest.raises(InputError) as error:
        check_data(plan, plan.runs)
    assert error.value.source == "grid.yaml"
    return [str(problem).strip() for problem in error.value.problems]


def rows(num=50, bad=None, dtype=np.float32):
    values = np.random.default_rng(0).normal(size=(num, 4)).astype(dtype)
    if bad is not None:
        values[bad, 0] = np.nan
    return values


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (None, "line 6: base.data.path: {here}/rows.npy: no such file or folder"),
        (rows(bad=3), "line 6: base.data.path: {here}/rows.npy: 1 of 50 rows cannot be used"),
        (rows(num=5), "line 6: base.data.path: 5 rows are too few"),
        (rows(dtype=np.int64), "line 6: base.data.path: {here}/rows.npy: holds int64, not floats"),
        (rows()[0], "line 6: base.data.path: {here}/rows.npy: holds (4,), not a (rows, dim)"),
        (rows(), "line 10: factors.data.size[1]: data.size 1000 is more than the training part"),
    ],
)
def test_what_is_wrong_with_rows_is_told_once_at_its_key(values, told, tmp_path):
    if values is not None:
        np.save("rows.npy", values)
    (problem,) = mistakes(FLOW)
    assert problem.startswith(told.format(here=tmp_path))
    assert ("in 2 of 4 cells: data.size=1000" in problem) == ("data.size" in told)


def test_a_column_is_told_where_it_is_named():
    pq.write_table(pa.table({"id": ["x"] * 30, "at": list(rows(30))}), "rows.parquet")
    data = ["base.data={source: parquet, path: rows.parquet, column: id}", "factors.data.size=[9]"]
    (told,) = mistakes(FLOW, data)
    assert told.startswith(f"--set {data[0]}: base.data.path and base.data.column: ")
    assert "column 'id' is string, not lists of floats" in told
    (told,) = mistakes(FLOW.replace("npy", "parquet"), ["factors.data.size=[9]"])
    assert told.startswith("line 6: base.data.path: ")
    assert "no column 'embedding'; it has: id, at" in told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (lambda c: ConfigError("no such gain", keys=["gain"]) if c["gain"] > 1 else None,
         "line 6: factors.gain.high.gain: no such gain (in 2 of 4 cells: gain=high)"),
        (lambda c: FileNotFoundError(2, "No such file or directory", c["file"]),
         "line 4: base.file: rows.csv: No such file or directory"),
        (lambda c: FileNotFoundError(2, "gone", c["where"]) if "where" in c else None,
         "line 7: factors.gain.high.where: high.csv: No such file or directory (in 2 of 4 cells: "
         "gain=high)"),
        (lambda c: ValueError("who knows"), "the data: who knows"),
    ],
)  # fmt: skip
def test_trainables_of_ones_own_name_the_key_or_the_file(error, told, monkeypatch):
    def preflight(config):
        if raised := error(config):
            raise raised
        return {}

    hooks = {"ablate": TrainableHooks(preflight=preflight), "__module__": "toy"}
    monkeypatch.setattr(toy, "Checked", type("Checked", (toy.Counter,), hooks), raising=False)
    assert mistakes(TOY) == [told]
