"""Whole studies in this process: what a researcher sees, without a cluster."""

import re
import subprocess
import sys
import time

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
import toy
from outcomes import best_weights, histories, numbers
from studies import by_name, flow_study, stop_at_result, toy_study

from ablate.driver.run_study import run_study
from ablate.driver.session import execute
from ablate.errors import InputError, StudyInUseError
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.ledger.lock import driver_lock
from ablate.study_dir import StudyPaths

LOCAL = Options(local=True)


def run(study, console, **options):
    return execute(study, Options(local=True, **options), console)


def test_a_study_ends_in_table_ledger_and_best_weights(tmp_path, console):
    study = flow_study(tmp_path, question="Is vp better?")
    outcome = run(study, console)
    assert outcome.exit_code == 0
    rows = by_name(outcome.ledger)
    assert list(rows) == ["icfm-s1", "vp-s1", "icfm-s2", "vp-s2"]
    row = rows["vp-s2"]
    assert (row["status"], row["stop_reason"], row["epoch"], row["step"]) == ("ok", "epochs", 6, 60)
    assert (row["flow"], row["seed"], row["device"], row["launch"]) == ("vp", 2, "cpu", 1)
    assert row["num_parameters"] == 5 * 65 * 64
    assert row["val_loss_best"] <= row["val_loss_final"]
    assert row["code_hash"]
    assert "torch 2." in row["versions"]
    steps = [point["step"] for point in outcome.ledger.history(row["run_id"])]
    assert steps == [10, 20, 30, 40, 50, 60]
    last = outcome.ledger.history(row["run_id"])[-1]
    assert last["sliced_w2_best"] == row["sliced_w2_best"]
    assert {"train_loss", "lr", "grad_norm", "val_loss", "epoch"} <= last.keys()
    best = torch.load(row["checkpoint"], weights_only=True)
    assert (best["run_id"], best["epoch"]) == (row["run_id"], row["best_epoch"])
    assert not list(study.directory.glob("launches/*/*/checkpoint_*"))
    assert StudyPaths(study.directory).journal.exists()


def test_the_ledger_is_one_line_away_in_pandas_polars_and_duckdb(tmp_path, console):
    study = flow_study(tmp_path, factors={"flow": ["icfm"], "lr": [0.001, 0.01]}, seeds=[1])
    run(study, console)
    path = str(StudyPaths(study.directory).runs_parquet)
    assert pd.read_parquet(path)["lr"].tolist() == [0.001, 0.01]
    assert pl.read_parquet(path)["status"].to_list() == ["ok", "ok"]
    history = str(StudyPaths(study.directory).history / "*.parquet")
    query = f"select count(*) from read_parquet('{history}', union_by_name=true)"
    assert duckdb.sql(query).fetchall() == [(12,)]


def test_running_again_does_nothing_and_an_edited_study_runs_only_what_is_new(tmp_path, console):
    study = flow_study(tmp_path, factors={"flow": ["icfm"]})
    before = run(study, console).ledger
    ended = {i: row["ended_at"] for i, row in before.rows.items()}
    again = run(study, console)
    assert {i: row["ended_at"] for i, row in again.ledger.rows.items()} == ended
    edited = run(flow_study(tmp_path), console)
    assert [r["run_name"] for r in edited.ledger.rows.values() if r["launch"] == 2] == [
        "vp-s1", "vp-s2",
    ]  # fmt: skip
    assert {i: edited.ledger.rows[i]["ended_at"] for i in ended} == ended
    smaller = run(flow_study(tmp_path, factors={"flow": ["vp"]}), console)
    assert len(smaller.ledger.rows) == 4
    assert "2 runs in the ledger are no longer planned" in console.export_text()


@pytest.mark.parametrize("stop_at", [1, 3])
def test_interrupted_and_restored_equals_uninterrupted(tmp_path, console, monkeypatch, stop_at):
    """Stopped by Ctrl-C after some results, then run again: the same bits everywhere."""
    monkeypatch.setattr("trainables.flow_matching.STEP_S", 0.0)  # one epoch a result
    settings = {"base": {"hidden_dim": 64, "num_layers": 2, "epochs": 5, "sigma": 0.05}}
    whole = flow_study(tmp_path / "a", checkpoint_every_s=0, **settings)
    run(whole, console)
    broken = flow_study(tmp_path / "b", checkpoint_every_s=0, **settings)
    with monkeypatch.context() as patch:
        stop_at_result(patch, 5 + stop_at)  # in the second run
        outcome = run(broken, console)
    assert outcome.exit_code == 130
    statuses = [row["status"] for row in outcome.ledger.rows.values()]
    assert statuses == ["ok", "interrupted", "pending", "pending"]
    checkpoints = list(broken.directory.glob("launches/1/vp-s1/checkpoint_*"))
    assert len(checkpoints) == (stop_at > 1)  # the first result was heard of before it was saved
    restored = run(broken, console)
    assert restored.exit_code == 0
    expected = Ledger(StudyPaths(whole.directory))
    assert numbers(restored.ledger) == numbers(expected)
    assert histories(restored.ledger) == histories(expected)
    for name in ("icfm-s1", "vp-s1"):
        a, b = best_weights(whole, name), best_weights(broken, name)
        assert all(torch.equal(a[key], b[key]) for key in a)


def test_a_part_of_the_plan_leaves_the_checkpoints_of_the_others(tmp_path, console, monkeypatch):
    monkeypatch.setattr("trainables.flow_matching.STEP_S", 0.0)
    study = flow_study(tmp_path, seeds=[1], checkpoint_every_s=0)
    with monkeypatch.context() as patch:
        stop_at_result(patch, 4)
        run(study, console)
    saved = list(study.directory.glob("launches/1/icfm-s1/checkpoint_*"))
    assert saved
    run(study, console, only="flow=vp")
    assert list(study.directory.glob("launches/*/*/checkpoint_*")) == saved


@pytest.mark.parametrize(("asked_s", "num"), [(0.02, 1), (0, 19)])
def test_checkpoints_that_cost_much_are_made_less_often(
    tmp_path, console, monkeypatch, asked_s, num
):
    """A save of 0.1 s is 3 % of 3.3 s, longer than the 20 steps take together."""
    saved = []

    def save(self, folder):
        time.sleep(0.1)
        saved.append(self.iteration)
        return {}

    monkeypatch.setattr(toy.Counter, "save_checkpoint", save)
    study = toy_study(
        tmp_path, base={"length": 20, "step_s": 0.03}, factors={"gain": [1]}, seeds=[1],
        checkpoint_every_s=asked_s,
    )  # fmt: skip
    assert run(study, console).exit_code == 0
    assert len(saved) == num


def test_failures_beside_healthy_runs(tmp_path, console):
    study = toy_study(
        tmp_path, factors={"fail": ["none", "step", "setup", "nan", "exit"]}, baseline={}, seeds=[3]
    )
    outcome = run(study, console)
    assert outcome.exit_code == 1
    rows = by_name(outcome.ledger)
    told = {n: (r["status"], r.get("error_type"), r.get("retries")) for n, r in rows.items()}
    assert told == {
        "none-s3": ("ok", None, None),
        "step-s3": ("failed", "RuntimeError", 1),
        "exit-s3": ("failed", "RuntimeError", 1),
        "setup-s3": ("failed", "ValueError", 1),
        "nan-s3": ("diverged", "Diverged", None),
    }
    assert rows["nan-s3"]["error"] == "score is nan at iteration 3"
    assert rows["exit-s3"].cause.startswith(
        "RuntimeError: sys.exit('no licence') was called (toy.py:"
    )
    assert "in step\n    raise RuntimeError" in rows["step-s3"]["traceback"]
    log = StudyPaths(study.directory).log("step-s3").read_text()
    assert "step 2 total 9.0" in log
    assert log.count("RuntimeError: the third step is broken") == 2
    assert (rows["none-s3"]["score_final"], rows["none-s3"]["score_best"]) == (22.0, 22.0)


def test_the_table_says_what_failed_and_why(tmp_path, console):
    from ablate.analysis.build import study_record
    from ablate.report.terminal import print_report

    study = toy_study(tmp_path, factors={"gain": [1, 2], "fail": ["none", "step"]},
                      exclude=[{"gain": 1, "fail": "step"}], retries=0)  # fmt: skip
    outcome = run(study, console)
    print_report(study_record(outcome.plan, outcome.ledger.rows), console)
    text = console.export_text()
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "gain fail each seed ok/planned mean ± sd difference [95 %] adj. p verdict" in lines
    for row in ("1 none X 2/2 16.0 ± 2.8 baseline", "2 step X 0/2 - - - failed",
                "2 none X 2/2 26.0 ± 2.8 +10 - not enough seeds"):  # fmt: skip
        assert row in [re.sub("[·●│]+", "X", line) for line in lines]
    missing = "missing: gain=2-step-s1 failed RuntimeError: the third step is broken (toy.py:"
    assert [line for line in lines if line.startswith(missing)], "with the line of their code"


def test_failed_runs_are_kept_until_asked_to_retry(tmp_path, console):
    study = toy_study(tmp_path, factors={"fail": ["once"]}, retries=0, seeds=[1],
                      base={"marker": str(tmp_path / "marker")})  # fmt: skip

    # A SIGKILL would take this process along: in it, the toy raises instead.
    def kill(*args):
        raise RuntimeError("killed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("toy.os.kill", kill)
        assert run(study, console).exit_code == 1
    assert run(study, console).exit_code == 1
    assert "1 run failed earlier and is kept" in console.export_text(clear=False)
    outcome = run(study, console, retry_failed=True)
    assert outcome.exit_code == 0
    row = next(iter(outcome.ledger.rows.values()))
    assert (row["status"], row.get("error"), row["score_final"]) == ("ok", None, 14.0)


def test_a_worker_that_crashes_goes_on_from_its_checkpoint(tmp_path, console, monkeypatch):
    def kill(*args):
        raise RuntimeError("killed")

    monkeypatch.setattr("toy.os.kill", kill)
    study = toy_study(tmp_path, factors={"fail": ["once"]}, seeds=[1], checkpoint_every_s=0,
                      base={"marker": str(tmp_path / "marker"), "length": 6})  # fmt: skip
    outcome = run(study, console)
    row = next(iter(outcome.ledger.rows.values()))
    assert (row["status"], row["retries"], row["score_final"]) == ("ok", 1, 27.0)
    assert [p["step"] for p in outcome.ledger.history(row["run_id"])] == [1, 2, 3, 4, 5, 6]
    log = StudyPaths(study.directory).log("once-s1").read_text()
    assert log.count("step 3 total") == 1


def test_torn_checkpoints_fall_back_to_whole_ones(tmp_path):
    from ablate.launch.manifest import is_whole, newest_whole, write_manifest

    for name in ("checkpoint_000001", "checkpoint_000002", "checkpoint_000003"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "x.pt").write_bytes(name.encode())
        write_manifest(folder, {"runs": ["x"], "iteration": 1, "time_total_s": 1.0})
    newest = tmp_path / "checkpoint_000003"
    assert newest_whole(newest) == newest
    (newest / "x.pt").write_bytes(b"checkpoint_000004")  # same size, other bytes
    (tmp_path / "checkpoint_000002" / "manifest.json").unlink()
    assert not is_whole(newest)
    assert newest_whole(newest) == tmp_path / "checkpoint_000001"
    (tmp_path / "checkpoint_000001" / "x.pt").unlink()
    assert newest_whole(newest) is None


def test_only_a_part_fresh_and_the_plan(tmp_path, console, capsys):
    from ablate.cli.run import main

    study = flow_study(tmp_path)
    outcome = run(study, console, only="flow=vp,seed=2")
    assert {n: r["status"] for n, r in by_name(outcome.ledger).items()} == {
        "icfm-s1": "pending", "vp-s1": "pending", "icfm-s2": "pending", "vp-s2": "ok",
    }  # fmt: skip
    assert main(["--resume", str(study.directory), "--plan"]) == 0
    text = capsys.readouterr().out
    assert "2 cells x 2 seeds (1, 2) = 4 runs; 3 to do, 1 done" in text
    assert main(["--resume", str(study.directory), "--plan", "--fresh"]) == 0
    assert "= 4 runs; 4 to do" in capsys.readouterr().out
    uid = StudyPaths(study.directory).uid.read_text()
    fresh = run(study, console, only="flow=vp,seed=1", fresh=True)
    assert [r["status"] for r in fresh.ledger.rows.values()].count("ok") == 1
    assert StudyPaths(study.directory).uid.read_text() != uid
    assert len(list(tmp_path.glob("flows.*"))) == 1


def test_changed_code_is_told_and_rerun_where_asked(tmp_path, console, monkeypatch):
    study = toy_study(tmp_path, seeds=[1])
    run(study, console)
    monkeypatch.setattr("ablate.ledger.code_today.hash_of", lambda path: "other")
    run(study, console)
    assert "2 runs were made with different training code: kept" in console.export_text()
    rerun = run(toy_study(tmp_path, seeds=[1], on_code_change="rerun"), console)
    assert {row["launch"] for row in rerun.ledger.rows.values()} == {2}


def test_changed_data_is_refused_until_accepted(tmp_path, console):
    path = tmp_path / "rows.npy"
    np.save(path, np.random.default_rng(0).normal(size=(100, 2)))
    base = {"scale": "tiny", "epochs": 1, "data": {"source": "npy", "path": str(path)}}
    study = flow_study(tmp_path, base=base, factors={"flow": ["icfm"]}, seeds=[1])
    run(study, console)
    np.save(path, np.random.default_rng(1).normal(size=(100, 2)))
    with pytest.raises(InputError, match=r"since earlier runs started \(1: icfm-s1\)"):
        run(study, console)
    assert run(study, console, accept_changed_data=True).exit_code == 0


def test_bad_data_is_told_before_anything_starts(tmp_path, console):
    base = {"data": {"source": "parquet", "path": str(tmp_path / "none.parquet")}}
    with pytest.raises(InputError, match=r"none.parquet: no such file or folder"):
        run(flow_study(tmp_path / "studies", base=base), console)
    assert not Ledger(StudyPaths(tmp_path / "studies" / "flows")).rows


def test_a_second_driver_is_refused_and_a_dead_ones_lock_is_not_in_the_way(tmp_path, console):
    study = flow_study(tmp_path)
    paths = StudyPaths(study.directory)
    code = (
        "import sys, time; from pathlib import Path; from ablate.ledger.lock import driver_lock\n"
        "with driver_lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(paths.lock)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(StudyInUseError, match=f"is in use by process {holder.pid} on"):
        run(study, console)
    holder.kill()
    holder.communicate()
    with driver_lock(paths.lock):
        pass


def test_who_calls_from_python_hears_of_an_interruption(tmp_path, console, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at_result(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            run_study(toy_study(tmp_path), console, local=True)
    statuses = {row["status"] for row in Ledger(StudyPaths(tmp_path / "toys")).rows.values()}
    assert statuses == {"interrupted", "pending"}


def test_from_python(tmp_path, console):
    import ablate

    ledger = run_study(toy_study(tmp_path), console, local=True)
    assert isinstance(ledger, ablate.Ledger)
    assert {row["status"] for row in ledger.rows.values()} == {"ok"}
    assert "gain=2" in (tmp_path / "toys" / "report" / "table.md").read_text(), "as the command"
    assert "report:" in console.export_text()
    record = ablate.study_record(tmp_path / "toys")
    assert [cell.name for cell in record.metric.cells] == ["gain=1", "gain=2"]
    plan = ablate.plan_study(toy_study(tmp_path))
    assert [run.run_name for run in plan.runs][:2] == ["gain=1-s1", "gain=2-s1"]
