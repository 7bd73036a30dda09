"""What is asked of results: mistakes all at once, several rows a run, one run twice."""

import numpy as np
import pytest
from judging import FID, judged, rows_of, verdicts, write_csv
from scipy import stats

from ablate.errors import InputError
from ablate.report.tables import metric_table

ASKED = ("--factors", "flow", "--metric", "fid")


def mistakes(table, *options):
    with pytest.raises(InputError) as error:
        judged(table, *options)
    return {problem.key: problem for problem in error.value.problems}


@pytest.fixture
def series(tmp_path):
    """Three steps a run, of which the middle one is the best, and two evaluations of each."""
    rows = [
        {**row, "step": step, "eval_seed": inner, "fid": row["fid"] + extra + 0.01 * inner}
        for row in rows_of(FID)
        for step, extra in ((200, 0.0), (100, -5.0), (0, 9.0))
        for inner in (7, 8)
    ]
    return write_csv(tmp_path / "series.csv", rows)


def test_all_mistakes_come_at_once(tmp_path):
    rows = rows_of(FID)
    rows[2]["fid"] = "high"
    rows[5]["flow"] = ""
    table = write_csv(tmp_path / "runs.csv", rows)
    found = mistakes(
        table, "--factors", "flow,arc", "--metric", "fid", "--report-metrics", "is",
        "--seed", "sed", "--margin", "0", "--within", "x", "--step", "first",
        "--baseline", "flow=vq",
    )  # fmt: skip
    assert {key: str(problem.message) for key, problem in found.items()} == {
        "--factors": "is no column",
        "--factors flow": "has no value in row 6",
        "--seed": "is no column",
        "--metric fid": "is no number in row 3",
        "--report-metrics": "is no column",
        "--margin": "is no number above 0",
        "--within": "is no column",
        "--step": "is neither a step nor `last`",
        "--baseline flow": "is not in the results",
    }
    assert found["--baseline flow"].choices == ("icfm", "vp", "si")
    assert found["--metric fid"].value == "high"


def test_a_misspelt_factor_makes_no_second_mistake_of_its_baseline(tmp_path):
    table = write_csv(tmp_path / "runs.csv", rows_of(FID))
    found = mistakes(table, "--factors", "flo", "--metric", "fid", "--baseline", "flow=vp")
    assert list(found) == ["--factors"]
    assert found["--factors"].nearest == "flow"


def test_what_is_not_given_is_proposed(tmp_path):
    rows = [{**row, "gpu": "a"} for row in rows_of(FID)]
    found = mistakes(write_csv(tmp_path / "runs.csv", rows))
    assert found["--factors"].choices == ("flow",)
    assert found["--metric"].choices == ("fid",)


@pytest.mark.parametrize(
    ("options", "key", "told"),
    [
        (("--factors", "flow,gpu"), "--factors gpu", "has one value in all rows"),
        (("--factors", "flow,fid"), "--metric fid", "is also in --factors"),
        (("--compare", "flow=vx"), "--compare flow", "is not in the results"),
        (("--factors", "flow,arch"), "--baseline", "no run has this cell"),
        (("--seed", "gpu"), "--seed gpu", "no cell has two seeds"),
        (("--step", "last"), "--step", "needs a column of steps"),
    ],
)
def test_each_mistake_is_told(tmp_path, options, key, told):
    rows = [{**row, "gpu": "a", "arch": "mlp" if row["flow"] == "vp" else "dit"}
            for row in rows_of(FID)]  # fmt: skip
    table = write_csv(tmp_path / "runs.csv", rows)
    asked = (*ASKED, "--baseline", "flow=vp", *options)
    if key == "--baseline":
        asked = (*asked, "--baseline", "flow=icfm,arch=mlp")
    assert told in mistakes(table, *asked)[key].message


def test_several_rows_a_run_are_named_with_what_may_be_meant(series):
    problem = mistakes(series, *ASKED)["SOURCE"]
    assert "row 1, row 2, row 3, row 4, row 5, ... are all flow=icfm, seed 1" in problem.message
    assert "and 7 more" in problem.message
    assert problem.fix.startswith("--step last (or --step N) takes one step of each run; --within")
    problem = mistakes(series, *ASKED, "--step", "last")["SOURCE"]
    assert "row 1, row 2 are all flow=icfm, seed 1" in problem.message
    assert problem.fix.startswith("--within eval_seed averages over it, or it is a factor")
    problem = mistakes(series, *ASKED, "--within", "eval_seed")["SOURCE"]
    assert problem.fix.startswith("--step last (or --step N) takes one step of each run")


@pytest.mark.parametrize(("step", "extra"), [("last", 0.0), ("200", 0.0), ("100", -5.0)])
def test_a_step_is_taken_and_its_evaluations_are_averaged(series, step, extra):
    record = judged(series, *ASKED, "--step", step, "--within", "eval_seed")
    expected = np.array(list(FID.values())) + extra + 0.075
    assert record.metric.values == pytest.approx(expected)
    assert "each result is the mean of 2 rows that differ in eval_seed" in record.notes


def _moved(line, by):
    flow, seed, fid, *rest = line.split(",")
    return ",".join([flow, seed, str(float(fid) + by), *rest])


def test_spread_over_training_and_evaluation_stand_below_the_table(series):
    """Each run's two evaluations are 0.01 apart: a variance of 0.01^2 / 2 within runs."""
    record = judged(series, *ASKED, "--step", "last", "--within", "eval_seed")
    [told] = [
        note.text for note in metric_table(record, record.metric).notes if "eval_seed" in note.text
    ]
    cells = np.array(list(FID.values()))
    between = np.mean(cells.var(axis=1, ddof=1)) - 0.01**2 / 4
    assert told == (
        f"sd over training seeds {between**0.5:.2f}, over eval_seed within a run 0.0071: more "
        "training seeds, not more evaluations, would narrow the intervals"
    )
    noisy = [line if line.endswith(",7") or i == 0 else _moved(line, 3 * (-1) ** i)
             for i, line in enumerate(series.read_text().splitlines())]  # fmt: skip
    series.write_text("\n".join(noisy))
    told = judged(series, *ASKED, "--step", "last", "--within", "eval_seed").metric.spread_within
    assert "more evaluations a run would narrow the intervals" in told


def test_a_run_that_never_came_to_the_step_has_no_result(tmp_path):
    rows = [{**row, "epoch": 3} for row in rows_of(FID)]
    rows[0]["epoch"] = 2
    table = write_csv(tmp_path / "runs.csv", rows)
    record = judged(table, *ASKED, "--step", "3")
    assert [run.run_name for run in record.missing] == ["row 1"]
    record = judged(table, *ASKED, "--step", "last")
    assert not record.missing
    assert any("last epoch, 2 to 3: runs of unlike length" in note for note in record.notes)


def test_a_mean_of_which_a_part_is_missing_is_no_result(series):
    head, first, *others = series.read_text().splitlines()
    assert head == "flow,seed,fid,step,eval_seed"
    flow, seed, _, *rest = first.split(",")
    series.write_text("\n".join([head, ",".join([flow, seed, "", *rest]), *others]))
    record = judged(series, *ASKED, "--step", "last", "--within", "eval_seed")
    assert record.metric.cells[0].value.num == 3
    assert any("1 of its 2 rows have no fid" in note for note in record.notes)


def test_one_run_under_two_names_counts_once_and_is_told(tmp_path):
    rows = rows_of(FID)
    record = judged(write_csv(tmp_path / "runs.csv", [*rows, rows[4]]), *ASKED)
    assert any("row 5, row 13 are one run under several names" in note for note in record.notes)
    assert record.metric.cells[1].value.num == 4
    near = {**rows[4], "fid": rows[4]["fid"] + 1e-9}
    found = mistakes(write_csv(tmp_path / "near.csv", [*rows, near]), *ASKED)
    assert "row 5, row 13 are all flow=vp, seed 1" in found["SOURCE"].message


def test_two_cells_that_never_differ_are_told(tmp_path):
    table = write_csv(tmp_path / "runs.csv", rows_of({**FID, "copy": FID["vp"]}))
    record = judged(table, *ASKED)
    assert any(note.startswith("flow=vp and flow=copy have the same values on every seed")
               for note in record.notes)  # fmt: skip


def test_planned_comparisons_margin_mode_and_scale_are_a_study_s_own(tmp_path):
    table = write_csv(tmp_path / "runs.csv", rows_of(FID))
    record = judged(table, *ASKED, "--compare", "flow=si", "--margin", "0.5")
    assert verdicts(record) == {
        "flow=icfm": "baseline", "flow=vp": "not compared", "flow=si": "equivalent",
    }  # fmt: skip
    assert verdicts(judged(table, *ASKED, "--mode", "max"))["flow=vp"] == "worse"
    assert judged(table, *ASKED, "--log-scale").metric.log_scale


def test_disjoint_seeds_are_no_mistake(tmp_path):
    rows = [{**row, "seed": f"{row['flow']}{row['seed']}"} for row in rows_of(FID)]
    record = judged(write_csv(tmp_path / "runs.csv", rows), *ASKED)
    assert [cell.value.num for cell in record.metric.cells] == [4, 4, 4]
    [told] = record.notes
    assert told.startswith("not every cell has every seed: runs are compared unpaired")
    expected = stats.dunnett(FID["vp"], FID["si"], control=FID["icfm"]).pvalue
    found = [cell.comparison.p for cell in record.metric.cells[1:]]
    assert found == pytest.approx(expected, abs=2e-3)
    record = judged(tmp_path / "runs.csv", *ASKED, "--pairing", "seed")
    assert any("no two cells share a seed: nothing can be paired" in n for n in record.notes)
    assert verdicts(record)["flow=vp"] == "not enough seeds"
    assert record.metric.cells[1].comparison.difference == pytest.approx(
        np.mean(FID["vp"]) - np.mean(FID["icfm"])
    )


def test_runs_are_unpaired_where_somebody_says_so(tmp_path):
    table = write_csv(tmp_path / "runs.csv", rows_of({n: FID[n] for n in ("icfm", "vp")}))
    other = judged(table, *ASKED, "--pairing", "none").metric.cells[1].comparison
    assert other.p == pytest.approx(stats.ttest_ind(FID["vp"], FID["icfm"]).pvalue)


@pytest.mark.parametrize("end", ["best", "final"])
def test_a_metric_is_never_read_as_another_ones_best_or_final_value(tmp_path, end):
    rows = rows_of(FID)
    for row in rows:
        row[f"fid_{end}"] = 100 - row["fid"]
    table = write_csv(tmp_path / "runs.csv", rows)
    for one, other in (("fid", f"fid_{end}"), (f"fid_{end}", "fid")):
        found = judged(table, "--factors", "flow", "--metric", one, "--report-metrics", other)
        means = {metric.name: metric.cells[0].value.mean for metric in found.metrics}
        expected = {"fid": np.mean(FID["icfm"]), f"fid_{end}": 100 - np.mean(FID["icfm"])}
        assert means == pytest.approx(expected)
