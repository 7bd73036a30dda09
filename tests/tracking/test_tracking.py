"""Weights & Biases offline, read back from its own files."""

import json

import pytest
import torch
from studies import by_name, flow_study, stop_at_result, toy_study
from wandb_records import tracked_runs

from ablate.analysis.build import study_record
from ablate.cli.run import main
from ablate.driver.session import execute
from ablate.driver.wandb_table import table_message
from ablate.launch.base import Options
from ablate.launch.manifest import read_manifest, write_manifest
from ablate.ledger.ledger import Ledger
from ablate.report.output import write_report
from ablate.report.words import answers
from ablate.spec.load import save_study
from ablate.study_dir import StudyPaths
from ablate.tracking.wandb.port import SharedSink, SinkPort
from ablate.tracking.wandb.protocol import Points


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")


def run(study, console, **options):
    return execute(study, Options(local=True, **options), console)


def test_runs_are_grouped_named_and_whole(tmp_path, console):
    study = flow_study(tmp_path, seeds=[1], tracking={"project": "p", "tags": ["mine"]})
    outcome = run(study, console)
    tracked = tracked_runs(study.directory)
    assert sorted(tracked) == ["icfm-s1", "vp-s1"]
    vp = tracked["vp-s1"]
    assert (vp.group, vp.tags, vp.exit_codes) == ("flows", ["flow=vp", "seed=1", "mine"], [0])
    assert vp.steps == [10, 20, 30, 40, 50, 60]
    row = by_name(outcome.ledger)["vp-s1"]
    assert vp.points[-1]["sliced_w2_best"] == row["sliced_w2_best"]
    assert [p["val_loss"] for p in vp.points] == [
        p["val_loss"] for p in outcome.ledger.history(row["run_id"])
    ]
    config = {k: vp.config[k] for k in ("flow", "hidden_dim", "seed", "run_id", "study")}
    assert config == {
        "flow": "vp", "hidden_dim": 64, "seed": 1, "run_id": row["run_id"], "study": "flows",
    }  # fmt: skip
    assert vp.config["data"]["source"] == "digits"
    assert vp.summary["checkpoint"] == "checkpoints/vp-s1/best.pt"
    assert vp.summary["val_loss_best"] == row["val_loss_best"]


def test_errored_runs_are_tagged_failed_and_a_retry_is_clean_again(tmp_path, console, monkeypatch):
    def raise_instead(*args):
        raise RuntimeError("killed")

    monkeypatch.setattr("toy.os.kill", raise_instead)
    study = toy_study(
        tmp_path, factors={"fail": ["none", "step", "setup", "nan", "once"]}, seeds=[1],
        base={"marker": str(tmp_path / "marker")}, retries=0, checkpoint_every_s=0,
    )  # fmt: skip
    run(study, console)
    tracked = tracked_runs(study.directory)
    errors = {name: t.summary.get("error", "") for name, t in tracked.items()}
    assert " (toy.py:" in errors["step-s1"]
    told = {name: (t.tags[-1], t.exit_codes, errors[name].partition(" (")[0])
            for name, t in tracked.items()}  # fmt: skip
    assert told == {
        "none-s1": ("seed=1", [0], ""),
        "step-s1": ("failed", [1], "the third step is broken"),
        "setup-s1": ("failed", [1], "no such thing as a good setup"),
        "nan-s1": ("failed", [1], "score is nan at iteration 3"),
        "once-s1": ("failed", [1], "killed"),
    }
    assert tracked["setup-s1"].steps == []
    run(study, console, retry_failed=True)
    once = tracked_runs(study.directory)["once-s1"]
    assert once.segments == 1
    assert once.tags == ["fail=once", "seed=1"]
    assert once.steps == [1, 2, 3, 4]
    assert once.exit_codes == [0]
    assert "error" not in once.summary


def test_an_interrupted_run_goes_on_without_gaps_or_repeats(tmp_path, console, monkeypatch):
    monkeypatch.setattr("trainables.flow_matching.STEP_S", 0.0)
    study = flow_study(tmp_path, seeds=[1], factors={"flow": ["icfm"]}, checkpoint_every_s=0.05)
    with monkeypatch.context() as patch:
        stop_at_result(patch, 4)
        assert run(study, console).exit_code == 130
    halfway = tracked_runs(study.directory)["icfm-s1"]
    assert (halfway.steps, halfway.exit_codes) == ([10, 20, 30, 40], [130])
    run(study, console)
    tracked = tracked_runs(study.directory)["icfm-s1"]
    assert tracked.segments == 1
    assert tracked.steps == [10, 20, 30, 40, 50, 60]
    assert tracked.exit_codes == [0]


def test_a_run_that_begins_again_is_a_run_of_its_own(tmp_path, console, monkeypatch):
    """W&B takes no step twice: in the old one the old curve would stay."""
    study = toy_study(tmp_path, factors={"gain": [1]}, seeds=[1], on_code_change="rerun")
    run(study, console)
    monkeypatch.setattr("ablate.ledger.code_today.hash_of", lambda path: "other")
    [row] = run(study, console).ledger.rows.values()
    assert row["restarted_in"] == 2
    logs = sorted(StudyPaths(study.directory).wandb_runs.glob("offline-run-*/*.wandb"))
    assert len({path.name for path in logs}) == 2
    tracked = tracked_runs(study.directory)["gain=1-s1"]
    assert tracked.steps == [1, 2, 3, 4] * 2


@pytest.mark.parametrize("missed", ["killed", "disabled"])
def test_what_w_and_b_missed_it_gets_at_the_end(tmp_path, monkeypatch, missed):
    study = toy_study(tmp_path, factors={"gain": [1, 2]}, seeds=[1, 2])
    save_study(study, StudyPaths(study.directory))
    command = ["--resume", str(study.directory), "--local"]
    killed = []
    started = SinkPort.put

    def put(port, message):
        if isinstance(message, Points) and not killed:
            killed.append(port)
            port._process.kill()
            port._process.wait()
        started(port, message)

    if missed == "killed":
        monkeypatch.setattr(SinkPort, "put", put)
    else:
        monkeypatch.setenv("WANDB_MODE", "disabled")
        assert main(command) == 0
        assert not StudyPaths(study.directory).wandb_runs.exists()
        monkeypatch.setenv("WANDB_MODE", "offline")
    assert main(command) == 0
    ledger = Ledger(StudyPaths(study.directory))
    tracked = tracked_runs(study.directory)
    assert tracked.pop("toys-ablation-table").exit_codes == [0]
    assert sorted(tracked) == sorted(by_name(ledger))
    for name, row in by_name(ledger).items():
        assert tracked[name].steps == [1, 2, 3, 4]
        assert tracked[name].summary["score_best"] == row["score_best"]
        assert tracked[name].exit_codes[-1] == 0
    segments_before = {name: run.segments for name, run in tracked.items()}
    assert main(command) == 0  # and no more than that
    tracked = tracked_runs(study.directory)
    assert {name: tracked[name].segments for name in segments_before} == segments_before


def test_statistics_that_differ_are_told_in_log_ledger_and_wandb(tmp_path, console, monkeypatch):
    monkeypatch.setattr("trainables.flow_matching.STEP_S", 0.0)
    study = flow_study(tmp_path, seeds=[1], factors={"flow": ["icfm"]}, checkpoint_every_s=0)
    with monkeypatch.context() as patch:
        stop_at_result(patch, 3)
        run(study, console)
    path = next(study.directory.glob("launches/1/*/checkpoint_*/*.pt"))
    state = torch.load(path, weights_only=True)
    state["normalisation"]["mean"] += 0.25
    torch.save(state, path)
    write_manifest(path.parent, read_manifest(path.parent))
    outcome = run(study, console)
    told = "normalisation statistics differ from the checkpoint's, which are kept: mean by up to"
    row = next(iter(outcome.ledger.rows.values()))
    assert row["status"] == "ok"
    assert row["stats_mismatch"].startswith(told)
    assert row["warnings"].startswith(told)
    assert tracked_runs(study.directory)["icfm-s1"].summary["warnings"].startswith(told)
    assert told in console.export_text()


def test_the_ablation_table_is_a_run_of_its_own_with_the_page(tmp_path, console):
    study = flow_study(tmp_path, seeds=[1, 2], tracking={"project": "p"})
    outcome = run(study, console)
    paths = StudyPaths(study.directory)
    record = study_record(outcome.plan, outcome.ledger.rows)
    write_report(record, paths)
    for _ in range(2):
        sink = SharedSink(study)
        sink.put([table_message(record, study, paths)], console.print)
        sink.close()
    tracked = tracked_runs(study.directory)["flows-ablation-table"]
    assert (tracked.job, tracked.group) == ("ablation-table", "flows")
    assert (tracked.segments, tracked.exit_codes, tracked.steps) == (1, [0], [0])
    assert tracked.points[0]["ablation._type"] == "table-file"
    assert tracked.points[0]["report._type"] == "html-file"
    [path, *_] = sorted(paths.wandb_runs.glob("*/files/media/table/ablation_*.table.json"))
    table = json.loads(path.read_text())
    columns = ["flow", "ok/planned", "mean ± sd", "difference [95 %]", "adj. p", "verdict"]
    assert table["columns"] == columns
    assert [row[0] for row in table["data"]] == ["icfm", "vp"]
    assert tracked.summary["answer"] == "\n".join(answers(record))


def test_disabled_writes_nothing(tmp_path, console, monkeypatch):
    monkeypatch.delenv("WANDB_MODE")
    study = toy_study(tmp_path, seeds=[1], tracking={"mode": "disabled"})
    run(study, console)
    assert not StudyPaths(study.directory).wandb_runs.exists()


def test_without_a_place_to_write_it_is_said_and_the_runs_are_named(tmp_path, capfd):
    study = toy_study(tmp_path, seeds=[1])
    paths = StudyPaths(study.directory)
    save_study(study, paths)
    paths.wandb_runs.write_text("a file where W&B wants its directory")
    assert main(["--resume", str(study.directory), "--local"]) == 0
    told = capfd.readouterr().out.replace("\n", " ")
    assert told.count("W&B's offline files cannot be written") == 1
    names = "3 runs (gain=1-s1, gain=2-s1, toys-ablation-table)"
    assert f"{names}; send them: ablate sync {study.directory}" in told


def test_a_process_that_cannot_start_ends_nothing(tmp_path, console, monkeypatch):
    def refuse(*args, **kwargs):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    study = toy_study(tmp_path, seeds=[1])
    monkeypatch.setattr("ablate.tracking.wandb.port.subprocess.Popen", refuse)
    assert run(study, console).exit_code == 0
    told = console.export_text()
    assert told.count("W&B's process cannot be started (Resource temporarily unavailable)") == 1


def test_levels_that_begin_alike_have_tags_of_their_own(tmp_path, console):
    long = "x" * 70
    study = toy_study(tmp_path, seeds=[1], base={"length": 1},
                      factors={"note": [f"{long}-a", f"{long}-b", "tab\there"]})  # fmt: skip
    run(study, console)
    tags = [run.tags[0] for run in tracked_runs(study.directory).values()]
    assert len(set(tags)) == 3
    assert all(len(tag) <= 64 and tag.isprintable() for tag in tags)
