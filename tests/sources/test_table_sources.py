"""CSV and Parquet files of results."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from judging import FID, judged, rows_of, verdicts, write_csv
from scipy import stats
from studies import toy_study

from ablate.analysis.build import study_record
from ablate.analysis.seed_rule import plan_so_far
from ablate.driver.session import execute
from ablate.errors import InputError
from ablate.launch.base import Options
from ablate.study_dir import StudyPaths

ASKED = ("--factors", "flow", "--metric", "fid")


def numbers(record):
    """Difference, interval and p of each cell, in the order of their names."""
    cells = sorted(record.metric.cells, key=lambda cell: cell.name)
    found = [cell.comparison for cell in cells]
    return pytest.approx([n for c in found for n in (c.difference, c.low, c.high, c.p)],
                         nan_ok=True)  # fmt: skip


def assert_alike(one, other):
    """That two records say the same of the same cells."""
    assert numbers(one).expected == numbers(other)
    assert verdicts(one) == verdicts(other)


def test_two_cells_are_judged_as_by_a_paired_t_test(tmp_path):
    table = write_csv(tmp_path / "runs.csv", rows_of({n: FID[n] for n in ("icfm", "vp")}))
    record = judged(table, *ASKED)
    other = record.metric.cells[1].comparison
    expected = stats.ttest_rel(FID["vp"], FID["icfm"])
    assert other.p == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval()
    assert (other.low, other.high) == pytest.approx((low, high))
    assert verdicts(record) == {"flow=icfm": "baseline", "flow=vp": "better"}


def test_several_cells_agree_with_dunnett_once_seeds_are_taken_out(tmp_path):
    record = judged(write_csv(tmp_path / "runs.csv", rows_of(FID)), *ASKED)
    table = np.array(list(FID.values()))
    table -= table.mean(axis=0)
    expected = stats.dunnett(*table[1:], control=table[0])
    assert verdicts(record) == {
        "flow=icfm": "baseline",
        "flow=vp": "better" if expected.pvalue[0] < 0.05 else "within noise",
        "flow=si": "better" if expected.pvalue[1] < 0.05 else "within noise",
    }
    assert expected.pvalue[0] < 0.05 < expected.pvalue[1]


def test_parquet_says_what_csv_says_and_rows_may_stand_in_any_order(tmp_path):
    rows = rows_of(FID)
    one = judged(write_csv(tmp_path / "runs.csv", rows), *ASKED)
    pq.write_table(pa.Table.from_pylist(rows[::-1]), tmp_path / "runs.parquet")
    other = judged(tmp_path / "runs.parquet", *ASKED, "--baseline", "flow=icfm")
    assert_alike(one, other)


@pytest.mark.parametrize("second_baseline", [False, True])
def test_the_ledger_of_a_study_gives_its_own_report(tmp_path, console, second_baseline):
    study = toy_study(
        tmp_path, trainable="toy:Noisy", factors={"gain": [1, 1.05, 2], "length": [1, 2]},
        seeds=[3, 1, 2], baseline={"gain": 1.05}, aa=second_baseline,
        base={"fail": None},
    )  # fmt: skip
    outcome = execute(study, Options(local=True), console)
    own = study_record(plan_so_far(study, outcome.ledger), outcome.ledger.rows)
    record = judged(
        StudyPaths(study.directory).runs_parquet, "--factors", "gain,length", "--metric", "score",
        "--mode", "max", "--baseline", "gain=1.05",
    )  # fmt: skip
    assert_alike(record, own)
    [effects], [expected] = ([b.effects for b in r.metric.blocks] for r in (record, own))
    for found, wanted in zip(effects.mains, expected.mains, strict=True):
        assert [c.p for c in found.comparisons.each] == pytest.approx(
            [c.p for c in wanted.comparisons.each], nan_ok=True
        )
    left_out = any("second baseline" in note for note in record.notes)
    assert left_out == second_baseline


def test_levels_and_names_may_hold_commas_and_equal_signs(tmp_path):
    values = {"a=1,b": FID["icfm"], "a=1": FID["vp"], "b, c=": FID["si"]}
    table = write_csv(tmp_path / "runs.csv", rows_of(values, factor="net,=kind"))
    record = judged(
        table, "--factors", '"net,=kind"', "--metric", "fid", "--baseline", "net,=kind=b, c="
    )
    assert verdicts(record)["net,=kind=b, c="] == "baseline"
    assert len(record.metric.cells) == 3


def test_all_combinations_are_a_grid_and_others_are_chosen_cells(tmp_path):
    rows = [
        {"flow": flow, "arch": arch, "seed": seed, "fid": value + (arch == "dit")}
        for flow, values in FID.items()
        for arch in ("mlp", "dit")
        for seed, value in enumerate(values)
    ]
    asked = ("--factors", "flow,arch", "--metric", "fid")
    record = judged(write_csv(tmp_path / "grid.csv", rows), *asked)
    assert record.design.startswith("grid of flow (3) x arch (2)")
    assert record.metric.blocks[0].effects is not None
    chosen = [row for row in rows if (row["flow"], row["arch"]) != ("si", "dit")]
    record = judged(write_csv(tmp_path / "cells.csv", chosen), *asked)
    assert record.design.startswith("chosen cells of flow (3) x arch (2), 5 cells")
    assert record.metric.blocks[0].effects is None


def test_nan_nothing_and_inf_are_runs_without_a_result(tmp_path):
    rows = rows_of(FID)
    for row, value in zip(rows, ["", "nan", "inf"], strict=False):
        row["fid"] = value
    record = judged(write_csv(tmp_path / "runs.csv", rows), *ASKED, "--baseline", "flow=vp")
    assert [(run.run_name, run.cause) for run in record.missing] == [
        ("row 1", "fid is nan"),
        ("row 2", "fid is nan"),
        ("row 3", "fid is inf"),
    ]
    assert record.metric.cells[0].value.num == 1
    assert record.metric.num_lost[0] == 3, "what is left may flatter the cell"


@pytest.mark.parametrize("words", [("finished", "crashed"), ("OK", "running"), ("ok", "diverged")])
def test_a_column_that_says_how_runs_ended_is_heard(tmp_path, words):
    rows = [{**row, "State": words[0]} for row in rows_of(FID)]
    rows[-1]["State"] = words[1]
    record = judged(write_csv(tmp_path / "runs.csv", rows), *ASKED)
    assert [(run.run_name, run.cause) for run in record.missing] == [
        ("row 12", f"State is {words[1]}")
    ]
    assert math.isnan(record.metric.values[2, 3])


def test_a_state_of_something_else_is_a_column_as_any(tmp_path):
    rows = [{**row, "state": name} for row, name in zip(rows_of(FID), "ABCDEFGHIJKL", strict=True)]
    assert not judged(write_csv(tmp_path / "runs.csv", rows), *ASKED).missing


@pytest.mark.parametrize("seeds", [["a", "b", "c", "d"], [0.5, 1.5, 2.5, 3.5], [-1, 2**40, 3, 4]])
def test_seeds_of_any_kind(tmp_path, seeds):
    rows = [{**row, "seed": seeds[row["seed"] - 1]} for row in rows_of(FID)]
    record = judged(write_csv(tmp_path / "runs.csv", rows), *ASKED)
    plain = judged(write_csv(tmp_path / "plain.csv", rows_of(FID)), *ASKED)
    assert set(map(str, record.seeds)) == set(map(str, seeds))
    assert_alike(record, plain)


def test_cells_and_seeds_without_a_row_are_counted(tmp_path):
    record = judged(write_csv(tmp_path / "runs.csv", rows_of(FID)[:-1]), *ASKED)
    assert [(c.value.num, c.num_planned) for c in record.metric.cells] == [(4, 4), (4, 4), (3, 3)]
    assert any("1 of 12 combinations of cell and seed have no row" in n for n in record.notes)
    assert not any("runs left" in note for note in record.notes)


@pytest.mark.parametrize(("delimiter", "end", "mark"),
                         [(";", "\n", ""), ("\t", "\r\n", ""), (",", "\n", "\ufeff")])  # fmt: skip
def test_other_delimiters_ends_of_lines_and_marks(tmp_path, delimiter, end, mark):
    rows = ["flow,seed,fid", "a,1,2.5", "a,2,2", "b,1,3", "b,2,4", ""]
    text = mark + end.join(rows).replace(",", delimiter)
    (tmp_path / "runs.csv").write_bytes(text.encode())
    assert list(verdicts(judged(tmp_path / "runs.csv", *ASKED))) == ["flow=a", "flow=b"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("runs.csv", b"", "is no table that can be read"),
        ("runs.csv", b"a,a\n1,2\n", "has two columns of one name"),
        ("runs.csv", b"a,b\n1\n", "is no table that can be read"),
        ("runs.csv", b"flow,seed,fid\n", "holds no runs"),
        ("runs.parquet", b"PAR1 torn", "is no table that can be read"),
        ("runs.json", b"{}", "is no table by its name"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=told):
        judged(tmp_path / name, *ASKED)
