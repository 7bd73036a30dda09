"""Weights & Biases, read back from its own files."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from studies import by_name, flow_study, stop_at_result, toy_study
from wandb_records import tracked_runs

from ablate.history import History
from ablate.hosting import read_manifest, write_manifest
from ablate.job import execute
from ablate.ledger import Ledger
from ablate.loading import save_study
from ablate.paths import StudyPaths
from ablate.report.assembly import study_record
from ablate.report.words import answers
from ablate.run import main
from ablate.wandb_files import last_step, mend, read_records, segments
from ablate.wandb_port import SinkPort
from ablate.wandb_sink import resolved_mode
from ablate.wandb_table import publish_tables
from ablate.work import Options


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
    assert vp.summary["checkpoint"] == row["checkpoint"]
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
    told = {name: (t.tags[-1], t.exit_codes, t.summary.get("error")) for name, t in tracked.items()}
    assert told == {
        "none-s1": ("seed=1", [0], None),
        "step-s1": ("failed", [1], "the third step is broken"),
        "setup-s1": ("failed", [1], "no such thing as a good setup"),
        "nan-s1": ("failed", [1], "score is nan at iteration 3"),
        "once-s1": ("failed", [1], "killed"),
    }
    assert tracked["setup-s1"].steps == []
    run(study, console, retry_failed=True)
    once = tracked_runs(study.directory)["once-s1"]
    assert once.segments == 2
    assert once.tags == ["fail=once", "seed=1"]
    assert once.steps == [1, 2, 3, 4]
    assert (once.exit_codes, once.summary["error"]) == ([1, 0], None)


def test_an_interrupted_run_goes_on_without_gaps_or_repeats(tmp_path, console, monkeypatch):
    monkeypatch.setattr("trainables.flow_matching.STEP_S", 0.0)
    study = flow_study(tmp_path, seeds=[1], factors={"flow": ["icfm"]}, checkpoint_every_s=0.05)
    with monkeypatch.context() as patch:
        stop_at_result(patch, 4)
        assert run(study, console).exit_code == 130
    run(study, console)
    tracked = tracked_runs(study.directory)["icfm-s1"]
    assert tracked.segments == 2
    assert tracked.steps == [10, 20, 30, 40, 50, 60]
    assert tracked.exit_codes == [130, 0]


def test_a_run_that_begins_again_is_a_run_of_its_own(tmp_path, console, monkeypatch):
    """W&B takes no step twice: in the old one the old curve would stay."""
    study = toy_study(tmp_path, factors={"gain": [1]}, seeds=[1], on_code_change="rerun")
    run(study, console)
    monkeypatch.setattr("ablate.job.code_hash", lambda entry: "other")
    [row] = run(study, console).ledger.rows.values()
    assert row["restarted_in"] == 2
    logs = sorted(StudyPaths(study.directory).wandb_runs.glob("offline-run-*/*.wandb"))
    assert len({path.name for path in logs}) == 2
    assert [last_step(path) for path in logs] == [4, 4]
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
        if message["kind"] == "points" and not killed:
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


@pytest.fixture
def sink(tmp_path):
    """A port, and what it was told to say."""
    paths = StudyPaths(tmp_path / "study")
    paths.history.mkdir(parents=True)
    said = []
    port = SinkPort(paths, "offline", said.append)
    port.paths, port.said = paths, said
    yield port
    port._process.kill()


def start(port, name="one"):
    port.put({
        "kind": "start", "id": name, "run_id": name, "project": "p", "entity": None, "group": "g",
        "name": name, "config": {"lr": 0.1}, "tags": ["a"], "resumed": False,
    })  # fmt: skip


def log(port, steps, name="one"):
    points = [(step, {"loss": float(step)}) for step in steps]
    History(port.paths).append(name, points)
    port.put({"kind": "points", "id": name, "points": [list(p) for p in points]})


def end(port, name="one"):
    port.put({"kind": "end", "id": name, "exit_code": 0, "summary": {}, "failed": False})


def wait_for_step(port, step, name="one"):
    deadline = time.monotonic() + 30
    while max((last_step(p) for p in segments(port.paths.wandb_runs, name)), default=-1) < step:
        assert time.monotonic() < deadline, port.paths.sink_log.read_text()
        time.sleep(0.05)


def core_of(port):
    """The wandb-core process of a sink."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
                name = (folder / "comm").read_text()
            except (OSError, IndexError):
                continue
            if parent == port._process.pid and "wandb" in name:
                return int(folder.name)
    raise AssertionError("no wandb-core")


def test_a_killed_wandb_core_loses_nothing(sink):
    start(sink)
    start(sink, "two")
    log(sink, range(5))
    wait_for_step(sink, 4)
    os.kill(core_of(sink), signal.SIGKILL)
    log(sink, range(5, 8))
    log(sink, [1, 2], "two")
    end(sink)
    end(sink, "two")
    sink.close()
    tracked = tracked_runs(sink.paths.root)
    assert tracked["one"].steps == list(range(8))
    assert tracked["two"].steps == [1, 2]
    assert (tracked["one"].exit_codes, tracked["two"].exit_codes) == ([0], [0])


def test_a_killed_driver_leaves_whole_files_and_the_next_sink_completes_them(sink):
    start(sink)
    log(sink, range(3))
    wait_for_step(sink, 2)
    sink._process.stdin.close()  # what the kernel does when the driver dies
    sink._process.wait(30)
    assert tracked_runs(sink.paths.root)["one"].exit_codes == [1]
    History(sink.paths).append("one", [(3, {"loss": 3.0}), (4, {"loss": 4.0})])  # not sent in time
    path = segments(sink.paths.wandb_runs, "one")[0]
    with path.open("ab") as file:
        file.write(b"\x01\x02\x03torn")
    again = SinkPort(sink.paths, "offline", sink.said.append)
    again.paths = sink.paths
    start(again)
    log(again, range(2, 7))
    end(again)
    again.close()
    one = tracked_runs(sink.paths.root)["one"]
    assert one.steps == list(range(7))
    assert (one.segments, one.exit_codes) == (2, [1, 0])
    assert not mend(path)


def test_a_stopped_wandb_neither_blocks_nor_stays_silent(sink, monkeypatch):
    monkeypatch.setattr("ablate.wandb_port.MAX_QUEUED", 10)
    start(sink)
    log(sink, [1])
    wait_for_step(sink, 1)
    core = core_of(sink)
    os.kill(core, signal.SIGSTOP)
    began = time.monotonic()
    for step in range(2, 4000):
        sink.put({"kind": "points", "id": "one", "points": [[step, {"loss": 1.0}]]})
    assert time.monotonic() - began < 5
    sink.close(timeout_s=1.0)
    os.kill(core, signal.SIGKILL)  # stopped, it would not even notice that its sink is gone
    assert sink.said == ["W&B did not end in time: what it misses is in the ledger"]


def test_without_a_place_to_write_it_is_said_once(tmp_path):
    paths = StudyPaths(tmp_path / "study")
    paths.history.mkdir(parents=True)
    (paths.root / "wandb").write_text("a file where W&B wants its directory")
    said = []
    port = SinkPort(paths, "offline", said.append)
    port.paths = paths
    start(port)
    log(port, range(3))
    end(port)
    port.close()
    assert len(said) == 1
    assert said[0].startswith("W&B gave up (")


def test_unreachable_falls_back_to_offline(tmp_path):
    """An account, but no network: nothing listens on the port."""
    code = (
        "import sys; from pathlib import Path; import ablate.wandb_sink as s\n"
        "s.INIT_TIMEOUT_S = 2.0\n"
        "s.main()"
    )
    root = tmp_path / "study"
    (root / "ledger" / "history").mkdir(parents=True)
    port = SinkPort.__new__(SinkPort)
    env = {**os.environ, "WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9"}
    real = subprocess.Popen

    def popen(command, **kwargs):
        return real([sys.executable, "-c", code, str(root), "online"], env=env, **kwargs)

    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ablate.wandb_port.subprocess.Popen", popen)
        port.__init__(StudyPaths(root), "online", said.append)
    port.paths = StudyPaths(root)
    start(port)
    log(port, range(3))
    end(port)
    port.close()
    assert [notice[:23] for notice in said] == ["W&B cannot be reached ("]
    assert tracked_runs(root)["one"].steps == [0, 1, 2]
    files = [p for p in root.rglob("*") if p.is_file()]
    assert files
    assert not [p for p in files if b"0" * 40 in p.read_bytes()]


def test_mode_is_what_wandbs_users_expect(monkeypatch):
    monkeypatch.delenv("WANDB_MODE")
    assert resolved_mode("auto") == "offline"
    assert resolved_mode("disabled") == "disabled"
    monkeypatch.setenv("WANDB_API_KEY", "x")
    assert resolved_mode("auto") == "online"
    assert resolved_mode("offline") == "offline"
    monkeypatch.setenv("WANDB_MODE", "dryrun")
    assert resolved_mode("auto") == "offline"


def test_disabled_writes_nothing(tmp_path, console, monkeypatch):
    monkeypatch.delenv("WANDB_MODE")
    study = toy_study(tmp_path, seeds=[1], tracking={"mode": "disabled"})
    run(study, console)
    assert not StudyPaths(study.directory).wandb_runs.exists()


def test_a_torn_log_is_cut_after_its_last_whole_record(sink):
    start(sink)
    log(sink, range(3000))
    end(sink)
    sink.close()
    path = segments(sink.paths.wandb_runs, "one")[0]
    whole = path.read_bytes()
    assert len(whole) > 3 * 32_768  # records cross blocks
    records = len(list(read_records(path)))
    assert last_step(path) == 2999
    path.write_bytes(whole[: len(whole) // 2])
    mend(path)  # in the middle may be the end of a record
    path.write_bytes(whole[: path.stat().st_size + 10])
    assert mend(path)
    assert 0 < len(list(read_records(path))) < records
    assert not mend(path)


def test_the_ablation_table_is_a_run_of_its_own_that_later_reports_go_on_in(tmp_path, console):
    study = flow_study(tmp_path, seeds=[1, 2], tracking={"project": "p"})
    outcome = run(study, console)
    paths = StudyPaths(study.directory)
    record = study_record(outcome.plan, outcome.ledger.rows)
    for _ in range(2):
        port = SinkPort(paths, "offline", console.print)
        publish_tables(record, study, paths, port)
        port.close()
    tracked = tracked_runs(study.directory)["flows-ablation-table"]
    assert (tracked.job, tracked.group) == ("ablation-table", "flows")
    assert (tracked.segments, tracked.exit_codes, tracked.steps) == (2, [0, 0], [0, 1])
    assert tracked.points[0]["ablation._type"] == "table-file"
    [path, *_] = sorted(paths.wandb_runs.glob("*/files/media/table/ablation_*.table.json"))
    table = json.loads(path.read_text())
    columns = ["flow", "ok/planned", "mean ± sd", "difference [95 %]", "adj. p", "verdict"]
    assert table["columns"] == columns
    assert [row[0] for row in table["data"]] == ["icfm", "vp"]
    assert tracked.summary["answer"] == "\n".join(answers(record))
