"""The Ray Tune face: what it reports of runs and their ends, and how it loads them."""

import math
from pathlib import Path

import pytest
import torch

from trainables.flow.engine.checkpoint import CheckpointError
from trainables.flow.evaluation import measure as evaluation
from trainables.flow_matching import REPORT_KEY, FlowMatchingTrainable

BASE = {"scale": "tiny", "epochs": 4, "batch_size": 64, "solver_steps": 3}
SMALL = {**BASE, "data": {"source": "moons", "rows": 300}}


class Bare(FlowMatchingTrainable):
    """Without a directory in the user's home."""

    def _setup_logdir(self):
        self._logdir = "/nonexistent"


@pytest.fixture(autouse=True)
def _one_epoch_a_step(monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setattr("trainables.flow_matching.STEP_S", 0.0)
    monkeypatch.setattr("trainables.flow_matching.BEST_EVERY_S", 0.0)


def trainable(study_dir=None, **runs):
    items = [
        {"run_id": name, "run_name": f"{name}-s1", "seed": 1, "config": {**SMALL, **config}}
        for name, config in runs.items()
    ]
    return Bare({"runs": items, "study_dir": study_dir and str(study_dir)})


def step(trial):
    result = trial.step()
    return result, {report["run_id"]: report for report in result[REPORT_KEY]}


def steps(trial):
    """All results until the trial is done, and the last report of each run."""
    results, last = [], {}
    while not results or not results[-1]["done"]:
        result, reports = step(trial)
        results.append(result)
        last |= reports
    return results, last


def saved(trial, folder):
    folder.mkdir()
    trial.save_checkpoint(str(folder))
    return str(folder)


def result_of(report):
    return {name: report.get(name) for name in ("status", "stop_reason", "metrics")}


def test_a_run_that_ended_before_its_checkpoint_reports_its_end_again(tmp_path):
    first = trainable(short={"epochs": 1}, long={})
    _, reports = step(first)
    _, again = step(first)
    assert reports["short"]["status"] == "ok"
    assert list(again) == ["long"]
    second = trainable(short={"epochs": 1}, long={})
    second.load_checkpoint(saved(first, tmp_path / "x"))
    _, restored = step(second)
    assert result_of(restored["short"]) == result_of(reports["short"])
    assert restored["short"]["metrics"]["sliced_w2_best"] > 0
    assert list(step(second)[1]) == ["long"]


def test_a_trial_of_ended_runs_is_done_at_once_with_their_results(tmp_path):
    first = trainable(good={}, wild={"lr": 1e38, "clip": None})
    _, reports = steps(first)
    second = trainable(good={}, wild={"lr": 1e38, "clip": None})
    second.load_checkpoint(saved(first, tmp_path / "x"))
    result, restored = step(second)
    assert result["done"]
    assert {k: result_of(v) for k, v in restored.items()} == {
        k: result_of(v) for k, v in reports.items()
    }
    assert restored["wild"]["error"] == reports["wild"]["error"]


def test_runs_of_a_pack_come_from_several_checkpoints(tmp_path):
    """One from a pack of two, one alone; the third one is at its start."""
    kinds = {"a": {}, "b": {"flow": "vp"}, "c": {"lr": 1e-2}}
    pair, alone = trainable(a=kinds["a"], c=kinds["c"]), trainable(b=kinds["b"])
    step(pair), step(pair), step(alone)
    folders = {"a": saved(pair, tmp_path / "pair"), "b": saved(alone, tmp_path / "alone")}
    pack = trainable(**kinds)
    step(pack)  # whatever it did before is forgotten
    pack.load_runs(folders)
    _, reports = step(pack)
    assert {name: report["facts"]["epoch"] for name, report in reports.items()} == {
        "a": 3, "b": 2, "c": 1,
    }  # fmt: skip
    _, ends = steps(pack)
    for name, config in kinds.items():
        _, whole = steps(trainable(**{name: config}))
        assert result_of(ends[name]) == result_of(whole[name])


def test_a_run_that_a_checkpoint_lacks(tmp_path):
    first = trainable(a={})
    step(first), step(first)
    folder = saved(first, tmp_path / "x")
    with pytest.raises(CheckpointError, match=f"b: no such checkpoint in {folder}"):
        trainable(a={}, b={}).load_checkpoint(folder)
    pack = trainable(a={}, b={})
    pack.load_runs({"a": folder, "b": folder})
    _, reports = step(pack)
    assert {name: report["facts"]["epoch"] for name, report in reports.items()} == {"a": 3, "b": 1}
    told = f"{Path(folder, 'b.pt')}: no such checkpoint; the run starts from the beginning"
    assert (reports["a"]["warnings"], reports["b"]["warnings"]) == ([], [told])
    assert step(pack)[1]["b"]["warnings"] == []


def test_torn_files_and_foreign_runs_are_refused(tmp_path):
    first = trainable(a={})
    step(first)
    folder = saved(first, tmp_path / "x")
    path = Path(folder, "a.pt")
    with pytest.raises(CheckpointError, match="z: not among the runs of this pack"):
        trainable(a={}).load_runs({"z": folder})
    path.write_bytes(path.read_bytes()[:500])
    for load in ("load_checkpoint", "load_runs"):
        given = folder if load == "load_checkpoint" else {"a": folder}
        with pytest.raises(CheckpointError, match=r"a: .*a\.pt: not a whole checkpoint"):
            getattr(trainable(a={}), load)(given)


def test_best_weights_are_named_only_where_they_are(tmp_path):
    runs = {"good": {}, "wild": {"lr": 1e38, "clip": None}, "pairs": {"flow": "reflow"}}
    for name, config in runs.items():
        trial, named = trainable(tmp_path, **{name: config}), []
        while True:
            result, reports = step(trial)
            named.append(reports[name]["facts"].get("checkpoint"))
            if result["done"]:
                break
        expected = str(tmp_path / "checkpoints" / f"{name}-s1" / "best.pt")
        wanted = {
            "good": [expected] * 4,
            "wild": [None] * len(named),
            "pairs": [None, None, expected, expected],  # a teacher's weights are not the run's
        }
        assert named == wanted[name]
        assert Path(expected).exists() is (name != "wild")


def test_a_likelihood_that_is_not_finite_changes_no_other_result(monkeypatch, tmp_path):
    _, plain = steps(trainable(x={}))
    monkeypatch.setitem(evaluation.MEASURES, "nll", evaluation.Measure(lambda e: math.inf))
    trial = trainable(x={"nll": True})
    _, reports = steps(trial)
    assert result_of(reports["x"]) == result_of(plain["x"])
    told = [f"nll_{which} is inf: left out of the metrics" for which in ("best", "final")]
    assert reports["x"]["warnings"] == told
    assert not any("nll" in name for _, point in reports["x"]["points"] for name in point)
    again = trainable(x={"nll": True})
    again.load_checkpoint(saved(trial, tmp_path / "x"))
    assert step(again)[1]["x"]["warnings"] == told


def test_tune_sees_a_loss_where_reflow_turns_to_its_student():
    results, _ = steps(trainable(x={"flow": "reflow"}))
    assert [result["epoch"] for result in results] == [1, 2, 3, 4]
    assert all(math.isfinite(result["val_loss"]) for result in results)
