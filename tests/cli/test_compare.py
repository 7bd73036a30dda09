"""Two studies side by side."""

import numpy as np
import pytest
from scipy.stats import ttest_rel
from studies import by_name, flow_study, toy_study

from ablate.analysis.side_by_side import side_by_side
from ablate.cli.main import main
from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.numbers import interval_text
from ablate.plan.plan import plan_study
from ablate.run_row import RunRow, RunRows
from ablate.spec.load import save_study
from ablate.study_dir import StudyPaths


def test_runs_that_agree_in_config_are_compared(tmp_path, console, capsys):
    one = toy_study(tmp_path / "a", factors={"gain": [1, 2]}, seeds=[1, 2])
    other = toy_study(tmp_path / "b", factors={"gain": [2, 3]}, seeds=[1, 2, 3])
    for study in (one, other):
        execute(study, Options(local=True), console)
    assert main(["compare", str(one.directory), str(other.directory)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "gain=2 2 26.0 ± 2.8 26.0 ± 2.8 +0 2/2" in lines
    assert not any(line.startswith("gain=1") for line in lines)
    assert lines[-1] == "finished runs only in A: 2, only in B: 4"


def test_studies_that_share_no_run_are_refused(tmp_path, console, capsys):
    one = toy_study(tmp_path / "a", factors={"gain": [1]})
    other = toy_study(tmp_path / "b", factors={"gain": [3]})
    for study in (one, other):
        execute(study, Options(local=True), console)
    assert main(["compare", str(one.directory), str(other.directory)]) == 2
    assert "no run with score is in both" in capsys.readouterr().err


def test_cells_of_the_same_levels_are_compared_and_the_settings_that_differ_are_named(
    tmp_path, console, capsys, monkeypatch
):
    """No run of the two has the same config; names of cells are wider than the terminal."""
    monkeypatch.setenv("COLUMNS", "80")
    factors = {"gain": [1, 2], "a_factor_with_a_long_name": ["one-level", "another-one"]}
    more = {"factors": factors, "seeds": [1, 2, 3]}
    one = toy_study(tmp_path / "a", base={"length": 4, "own": {"x": 1}}, **more)
    other = toy_study(tmp_path / "b", base={"length": 5, "own": {"x": 1}, "new": None}, **more)
    for study in (one, other):
        execute(study, Options(local=True), console)
    words = ["compare", str(one.directory), str(other.directory)]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "settings that differ, A | B:\n  length: 4 | 5\n  new: not given | null\n" in shown
    assert "\nscore (higher is better), last value, over the seeds in both" in shown
    table = shown.split("by itself\n")[1].splitlines()
    rows = [line for line in table if line.startswith("gain=")]
    assert len(rows) == 4, "a row a cell"
    assert " ".join(rows[0].split()) == "gain=1, 18.0 ± 4.0 25.0 ± 5.0 +7.0 [+4.5, +9.5]"
    assert max(map(len, table)) <= 80
    assert main([*words, "--runs"]) == 0
    runs = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert sum(" 2 18 25 +7" in line for line in runs) == 2, "those of a level of gain"
    assert main([*words, "--metric", "scor"]) == 2
    assert "nearest: score" in capsys.readouterr().err


def test_runs_in_both_are_in_neither_alone(tmp_path, console, capsys):
    """Those of A/A are no cell's; those without the metric are there all the same."""
    one, other = (toy_study(tmp_path / part, aa=True, factors={"gain": gains})
                  for part, gains in (("a", [1, 2]), ("b", [1, 2, 3])))  # fmt: skip
    for study in (one, other):
        execute(study, Options(local=True), console)
    ledger = Ledger(StudyPaths(one.directory))
    with ledger.writing():
        run_id = by_name(ledger)["gain=2-s1"].run_id
        ledger.patch(run_id, score_best=None, score_final=None)
    capsys.readouterr()
    assert main(["compare", str(one.directory), str(other.directory)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == "finished runs only in A: 0, only in B: 2"


def test_what_was_evaluated_is_of_best_weights(tmp_path, console, capsys):
    studies = [toy_study(tmp_path / part) for part in "ab"]
    for study in studies:
        execute(study, Options(local=True), console)
        ledger = Ledger(StudyPaths(study.directory))
        with ledger.writing():
            for run_id in ledger.rows:
                ledger.patch(run_id, fid_best=3.0)
    capsys.readouterr()
    words = ["compare", *(str(study.directory) for study in studies)]
    assert main([*words, "--metric", "fid"]) == 0
    assert "fid (higher is better), best weights, over the seeds" in capsys.readouterr().out
    assert main(words) == 0
    assert "score (higher is better), last value, over the seeds" in capsys.readouterr().out


@pytest.mark.parametrize("width", [80, 120])
def test_intervals_are_folded_and_never_cut(tmp_path, monkeypatch, capsys, width):
    monkeypatch.setenv("COLUMNS", str(width))
    changes = {
        "factors": {"flow": ["icfm", "otcfm"], "data.size": [1000, 1200]},
        "seeds": [1, 2, 3],
    }
    studies = [flow_study(tmp_path / part, **changes) for part in "ab"]
    for shift, study in enumerate(studies):
        paths, plan = StudyPaths(study.directory), plan_study(study)
        save_study(study, paths)
        ledger = Ledger(paths)
        with ledger.writing():
            for run_id, row in rows_of(plan, 0.01234 * shift, best=0).items():
                ledger.add(run_id, run_name=row.run_name, seed=plan.by_id[run_id].seed)
                ledger.patch(**{**row, "sliced_w2_best": row["sliced_w2_best"] / 3000})
    assert main(["compare", *(str(study.directory) for study in studies), "--runs"]) == 0
    told = capsys.readouterr().out.split("by itself\n")[1].splitlines()
    assert max(map(len, told)) <= width
    found = side_by_side(tuple(map(plan_study, studies)),
                         tuple(Ledger(StudyPaths(s.directory)).rows for s in studies),
                         "sliced_w2")  # fmt: skip
    table = " ".join(told)
    for pair in found.pairs:
        low, high = pair.difference - pair.half_width, pair.difference + pair.half_width
        difference, interval = interval_text(pair.difference, low, high).split(" [")
        assert f" {difference}" in table
        assert f"[{interval}" in table


def rows_of(plan, shift, **ends):
    rows = RunRows()
    for n, run in enumerate(plan.runs):
        values = {f"sliced_w2_{end}": run.seed * (1 + shift) + of + 0.1 * (n * 5 % 7)
                  for end, of in ends.items()}  # fmt: skip
        rows[run.run_id] = RunRow(run_id=run.run_id, run_name=run.run_name, status="ok", **values)
    return rows


@pytest.mark.parametrize(("value", "taken"), [("best", "best"), ("last", "best")])
def test_best_weights_are_never_compared_with_final_ones(tmp_path, value, taken):
    """The other study has the metric of its best weights alone, as `ablate evaluate` adds it."""
    changes = {"seeds": [1, 2, 3], "value": value}
    plans = (plan_study(flow_study(tmp_path / "a", **changes)),
             plan_study(flow_study(tmp_path / "b", base={"epochs": 9}, **changes)))  # fmt: skip
    rows = (rows_of(plans[0], 0, best=0, final=100), rows_of(plans[1], 0.2, best=0))
    found = side_by_side(plans, rows, "sliced_w2")
    assert (found.value, found.is_alike) == (taken, True)
    for pair in found.pairs:
        one, other = (np.array([run[n] for run in pair.runs]) for n in (1, 2))
        assert abs(pair.difference) < 1
        test = ttest_rel(other, one).confidence_interval(0.95)
        low, high = pair.difference - pair.half_width, pair.difference + pair.half_width
        assert (low, high) == pytest.approx((test.low, test.high))
    del rows[0][plans[0].runs[0].run_id]["sliced_w2_best"]
    assert not side_by_side(plans, rows, "sliced_w2").is_alike
