"""Verdicts on results from elsewhere."""

import csv
import io

import numpy as np
import pytest

import ablate
from ablate.stats.verdicts import compare_to_baseline

TABLE = np.array([[1.0, 1.2, 0.9, 1.1], [2.0, 2.3, 1.8, 2.2], [1.0, 1.1, np.nan, 1.2]])
ROWS = [
    {"net": name, "lr": 0.1, "run": run, "acc": TABLE[at, run]}
    for at, name in enumerate("abc")
    for run in range(4)
]


def test_rows_are_judged_as_their_array_is():
    found = ablate.judge_table(ROWS, metric="acc", cell="net", seed="run", mode="max")
    expected = compare_to_baseline(TABLE, 0, "max").each
    assert list(found) == ["a", "b", "c"]
    told = [one.verdict.text for one in found.values()]
    assert told == ["baseline", "better", "within noise, of the runs that ended"]
    left_out = ablate.judge_table(ROWS[:-2] + ROWS[-1:], metric="acc", cell="net", seed="run")
    assert left_out["c"].verdict.text == "within noise"  # at random: no row, no loss
    assert [one.p for one in found.values()][1:] == [one.p for one in expected][1:]


def test_csv_several_columns_and_another_baseline():
    text = io.StringIO()
    writer = csv.DictWriter(text, ROWS[0])
    writer.writeheader()
    writer.writerows([{**row, "acc": "" if np.isnan(row["acc"]) else row["acc"]} for row in ROWS])
    text.seek(0)
    found = ablate.judge_table(
        csv.DictReader(text), metric="acc", cell=("net", "lr"), seed="run", baseline=("b", "0.1")
    )
    assert found["b", "0.1"].verdict.text == "baseline"
    assert found["a", "0.1"].verdict.text == "better"


@pytest.mark.parametrize(
    ("rows", "options", "told"),
    [
        (ROWS, {"cell": "arch"}, "row 0 has no arch; it has net, lr, run, acc"),
        ([*ROWS, ROWS[0]], {}, "row 12: cell a has seed 0 twice"),
        (ROWS, {"baseline": "z"}, "no cell 'z'; there are 'a', 'b', 'c'"),
        ([{**ROWS[0], "acc": "high"}], {}, "row 0: acc is 'high', which is no number"),
        ([], {}, "no cell"),
    ],
)
def test_mistakes_are_named(rows, options, told):
    with pytest.raises(ValueError, match=told):
        ablate.judge_table(rows, **{"metric": "acc", "cell": "net", "seed": "run", **options})
