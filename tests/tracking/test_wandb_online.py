"""W&B with a server: the real wandb-core against one of the tests' own, on loopback."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from studies import flow_study, toy_study, wait_for
from wandb_records import tracked_runs

from ablate.cli import main as cli
from ablate.cli.run import main
from ablate.spec.load import save_study
from ablate.study_dir import StudyPaths


def slow(folder):
    """A run that goes on until it is told that it may hurry to its end."""
    return {"length": 40, "step_s": 0.15, "until": str(folder / "enough")}


def hurry(folder):
    (folder / "enough").touch()


def saved(storage, **changes):
    """A study directory, to be gone on with."""
    study = toy_study(storage, **changes)
    save_study(study, StudyPaths(study.directory))
    return study


def command(study, *more):
    return ["--resume", str(study.directory), "--local", *more]


def started(study, **env):
    """A command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "ablate.run", *command(study)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **env},
    )  # fmt: skip


def kill_all(process):
    """The command, its sink and its wandb-core, as a batch system or the OOM killer does."""
    family = [process, *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        os.kill(member.pid, signal.SIGKILL)
    process.communicate()


def rows_in_ledger(study):
    return sum(
        len(path.read_text().splitlines())
        for path in StudyPaths(study.directory).history.glob("*.jsonl")
    )


def sync(study, *more):
    return cli.main(["sync", str(study.directory), *more])


def assert_whole(run, num_rows=40):
    assert run.steps == list(range(1, num_rows + 1))
    assert len(run.lines) == num_rows
    assert (run.state, run.exit_code) == ("finished", 0)
    assert "failed" not in run.tags


def test_a_study_is_whole_on_the_server_and_its_failures_are_tagged(
    wandb_server, tmp_path, capfd, monkeypatch
):
    for name in ("WANDB_RUN_ID", "WANDB_SWEEP_ID", "WANDB_RESUME", "WANDB_RUN_GROUP", "WANDB_NAME"):
        monkeypatch.setenv(name, "of-the-shell")
    wandb_server.latency_s = 0.25
    study = saved(
        tmp_path, question="Does it count?", seeds=[1], retries=0,
        factors={"fail": ["none", "step", "setup", "nan"]},
    )  # fmt: skip
    assert main(command(study)) == 1
    served = wandb_server.named("toys")
    assert sorted(served) == ["nan-s1", "none-s1", "setup-s1", "step-s1", "toys-ablation-table"]
    none, step = served["none-s1"], served["step-s1"]
    assert_whole(none, 4)
    assert (none.fields["groupName"], none.fields["jobType"]) == ("toys", "train")
    assert none.fields["notes"] == "Does it count?"
    assert "ablate.tracking.wandb.sink.sink" not in none.fields["program"]
    assert all(time.time() - 100 < row["_timestamp"] < time.time() for row in none.rows)
    assert none.config["versions"]["value"].startswith("python 3")
    assert "error" not in none.summary
    ends = {name: (run.state, run.exit_code, run.tags[-1]) for name, run in served.items()}
    for name in ("step-s1", "setup-s1", "nan-s1"):
        assert ends[name] == ("failed", 1, "failed")
    assert step.summary["error"].startswith("the third step is broken (toy.py:")
    assert b"the third step is broken" in step.files["logs/step-s1.log"]
    assert len(served["toys-ablation-table"].rows) == 1
    url = f"W&B: {wandb_server.url}/me/toys/groups/toys/workspace"
    told = capfd.readouterr().out
    assert url in told
    assert "ablate sync" not in told
    assert url.split(" ")[1] in (study.directory / "report" / "index.html").read_text()
    before = len(wandb_server.requests)
    assert main(command(study)) == 1  # and a second command has nothing to say to it
    assert len(wandb_server.requests) == before


def test_what_a_kill_of_everything_cut_off_arrives_with_the_next_command(wandb_server, tmp_path):
    wandb_server.latency_s = 0.25
    study = saved(tmp_path, base=slow(tmp_path), factors={"gain": [1]}, seeds=[1])
    process = started(study)
    wait_for(lambda: rows_in_ledger(study) > 10 and wandb_server.runs)
    kill_all(process)
    hurry(tmp_path)
    assert main(command(study)) == 0
    assert_whole(wandb_server.named()["gain=1-s1"])


def test_ctrl_c_while_the_server_hangs_loses_nothing(wandb_server, tmp_path):
    wandb_server.latency_s = 0.25
    study = saved(tmp_path, base=slow(tmp_path), factors={"gain": [1]}, seeds=[1])
    wandb_server.fail("file_stream", hang=True, after=1)
    process = started(study)
    wait_for(lambda: rows_in_ledger(study) > 10 and wandb_server.runs)
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"ablate sync {study.directory}" in told
    wandb_server.heal()
    hurry(tmp_path)
    assert main(command(study)) == 0
    assert_whole(wandb_server.named()["gain=1-s1"])


def test_a_server_that_goes_away_and_comes_back_gets_every_row(wandb_server, tmp_path, capfd):
    wandb_server.latency_s = 0.25
    study = saved(tmp_path, base={"length": 30}, seeds=[1], tracking={"patience_s": 1})
    wandb_server.down()
    assert main(command(study)) == 0
    told = capfd.readouterr().out
    assert "W&B made no progress for 1 s" in told
    assert f"ablate sync {study.directory}" in told
    assert "dial tcp" not in told
    wandb_server.up()
    assert main(command(study, "--set", "tracking.patience_s=30")) == 0
    assert "ablate sync" not in capfd.readouterr().out
    for name in ("gain=1-s1", "gain=2-s1"):
        assert_whole(wandb_server.named()[name], 30)


def test_a_stream_that_died_is_noticed_and_mended(wandb_server, tmp_path, capfd):
    """wandb-core gives a stream up for good at such an answer, and says that all went well."""
    wandb_server.latency_s = 0.25
    study = saved(tmp_path, base={"length": 30}, factors={"gain": [1]}, seeds=[1])
    wandb_server.fail("file_stream", status=404, times=1)
    assert main(command(study)) == 0
    assert_whole(wandb_server.named()["gain=1-s1"], 30)
    assert "ablate sync" not in capfd.readouterr().out


@pytest.mark.parametrize("where", ["RunResumeStatus", "UpsertBucket", "^Runs$"])
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "W&B refused the API key (401)"),
        (403, "W&B: no permission for "),
    ],
)
def test_a_refusal_is_said_once_and_waited_for_by_nobody(
    wandb_server, tmp_path, capfd, status, words, where
):
    study = saved(tmp_path, base={"length": 3}, seeds=[1])
    wandb_server.fail(where, status=status)
    assert main(command(study)) == 0
    told = capfd.readouterr().out
    assert told.count(words) == 1
    assert "3 runs (gain=1-s1, gain=2-s1, toys-ablation-table)" in told
    assert "errors" not in told
    wandb_server.heal()
    assert sync(study) == 0
    for name in ("gain=1-s1", "gain=2-s1"):
        assert_whole(wandb_server.named()[name], 3)


def test_a_wrong_key_a_kill_and_the_printed_upload_leave_one_curve(wandb_server, tmp_path):
    """A start that failed leaves the id in use in wandb-core, and folders that end in `-1`."""
    wandb_server.latency_s = 0.25
    study = saved(tmp_path, base=slow(tmp_path), factors={"gain": [1]}, seeds=[1])
    fault = wandb_server.fail("RunResumeStatus", status=401)
    process = started(study)
    wait_for(lambda: rows_in_ledger(study) > 10 and fault.asked)
    kill_all(process)
    wandb_server.heal()
    hurry(tmp_path)
    assert main(command(study)) == 0
    upload(study)
    assert_whole(wandb_server.named()["gain=1-s1"])


def test_offline_first_and_online_later_is_one_curve(wandb_server, tmp_path, monkeypatch):
    wandb_server.latency_s = 0.25
    study = saved(tmp_path, base=slow(tmp_path), factors={"gain": [1]}, seeds=[1])
    process = started(study, WANDB_MODE="offline")
    wait_for(lambda: rows_in_ledger(study) > 10)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert len(list(StudyPaths(study.directory).wandb_runs.glob("offline-run-*"))) == 1
    hurry(tmp_path)
    assert main(command(study)) == 0
    upload(study)  # what an earlier command's output may have told the user to do
    assert_whole(wandb_server.named()["gain=1-s1"])


def test_offline_killed_resumed_and_uploaded_by_wandbs_own_command(
    wandb_server, tmp_path, monkeypatch, capfd
):
    monkeypatch.setenv("WANDB_MODE", "offline")
    study = saved(tmp_path, base=slow(tmp_path), factors={"gain": [1]}, seeds=[1])
    process = started(study)
    wait_for(lambda: rows_in_ledger(study) > 10)
    kill_all(process)
    hurry(tmp_path)
    assert main(command(study)) == 0
    [line] = [line for line in capfd.readouterr().out.splitlines() if line.startswith("upload:")]
    assert line.split() == ["upload:", "wandb", "sync", f"{study.directory}/wandb"]
    upload(study)
    assert_whole(wandb_server.named()["gain=1-s1"])
    # Once uploaded, another upload would be appended: later commands leave it to `ablate sync`.
    longer = saved(tmp_path, base=slow(tmp_path), factors={"gain": [1, 2]}, seeds=[1])
    assert main(command(longer)) == 0
    told = capfd.readouterr().out
    assert "upload:" in told
    upload(longer)
    served = wandb_server.named()
    assert_whole(served["gain=1-s1"])
    assert_whole(served["gain=2-s1"])
    assert len(served["toys-ablation-table"].rows) == 1
    assert sync(longer) == 0
    assert len(wandb_server.named()["toys-ablation-table"].rows) == 2


def upload(study):
    """What the printed line says."""
    subprocess.run(
        [sys.executable, "-m", "wandb", "sync", str(StudyPaths(study.directory).wandb_runs)],
        check=True, capture_output=True, env={**os.environ, "WANDB_MODE": "online"},
    )  # fmt: skip


def test_a_retry_that_succeeds_has_no_error_left(wandb_server, tmp_path):
    wandb_server.latency_s = 0.25
    marker = tmp_path / "marker"
    study = saved(tmp_path, factors={"gain": [1]}, seeds=[1], retries=0, trainable="toy:Fragile",
                  base={"length": 3, "marker": str(marker)})  # fmt: skip
    assert main(command(study)) == 1
    run = wandb_server.named()["gain=1-s1"]
    assert run.state == "failed"
    assert run.summary["error"].startswith("not yet (toy.py:")
    assert main(command(study, "--retry-failed")) == 0
    assert_whole(run, 3)
    assert "error" not in run.summary
    assert "error_type" not in run.summary


def test_many_short_runs_wait_for_the_server_together(wandb_server, tmp_path, capfd):
    wandb_server.latency_s = 0.25
    study = saved(tmp_path, base={"length": 2}, factors={"gain": list(range(1, 13))}, seeds=[1])
    assert main(command(study)) == 0
    assert "ablate sync" not in capfd.readouterr().out
    served = wandb_server.named()
    assert len(served) == 13
    assert all(run.state == "finished" for run in served.values())


def test_runs_tracked_nowhere_are_sent_and_a_second_sync_sends_nothing(
    wandb_server, tmp_path, monkeypatch, capfd
):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    study = saved(tmp_path, base={"length": 5}, factors={"fail": ["none", "step"]}, seeds=[1],
                  retries=0)  # fmt: skip
    assert main(command(study)) == 1
    assert "ablate sync" not in capfd.readouterr().out
    assert sync(study, "--dry-run") == 0
    assert "none-s1: 0 of 5 rows there; would send 5 rows" in capfd.readouterr().out
    assert not wandb_server.runs
    assert sync(study) == 0
    assert "none-s1: 0 of 5 rows there; sent 5 rows" in capfd.readouterr().out
    served = wandb_server.named()
    assert_whole(served["none-s1"], 5)
    assert (served["step-s1"].state, served["step-s1"].tags[-1]) == ("failed", "failed")
    lines = {name: dict(run.lines) for name, run in served.items()}
    assert sync(study) == 0
    assert capfd.readouterr().out.count(": complete") == 3
    assert {name: run.lines for name, run in wandb_server.named().items()} == lines


def test_an_interrupted_study_is_sent_as_far_as_it_is_and_goes_on(wandb_server, tmp_path):
    study = saved(tmp_path, base=slow(tmp_path), factors={"gain": [1]}, seeds=[1])
    process = started(study, WANDB_MODE="disabled")
    wait_for(lambda: rows_in_ledger(study) > 10)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert sync(study) == 0
    run = wandb_server.named()["gain=1-s1"]
    assert run.steps == list(range(1, len(run.lines) + 1))
    assert run.state == "failed"
    assert sync(study) == 0
    hurry(tmp_path)
    assert main(command(study)) == 0
    assert_whole(run)


def test_a_server_that_does_not_count_rows_leaves_runs_unconfirmed(wandb_server, tmp_path, capfd):
    wandb_server.knows_line_counts = False
    study = saved(tmp_path, base={"length": 5}, factors={"gain": [1]}, seeds=[1])
    assert main(command(study)) == 0
    told = capfd.readouterr().out
    assert "runs are not confirmed" in told
    assert f"ablate sync {study.directory}" in told
    assert_whole(wandb_server.named()["gain=1-s1"], 5)


def test_runs_stay_where_they_were_first_until_they_are_moved_on_purpose(
    wandb_server, tmp_path, monkeypatch, capfd
):
    study = saved(tmp_path, base={"length": 3}, factors={"gain": [1]}, seeds=[1])
    assert main(command(study)) == 0
    monkeypatch.setenv("WANDB_PROJECT", "elsewhere")
    capfd.readouterr()
    longer = saved(tmp_path, base={"length": 3}, factors={"gain": [1, 2]}, seeds=[1])
    assert main(command(longer)) == 0
    told = capfd.readouterr().out.replace("\n", " ")
    assert "this command would use me/elsewhere, so its runs are not tracked" in " ".join(
        told.split()
    )
    assert sorted(wandb_server.named()) == ["gain=1-s1", "toys-ablation-table"]
    assert sync(longer, "--to", "me/elsewhere") == 0
    moved = wandb_server.named("elsewhere")
    assert sorted(moved) == ["gain=1-s1", "gain=2-s1", "toys-ablation-table"]
    assert_whole(moved["gain=2-s1"], 3)


def test_segments_of_an_earlier_version_are_replaced(wandb_server, tmp_path, monkeypatch):
    """Its runs had a segment for each command; an upload of all of them is one of each step."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    study = saved(tmp_path, base={"length": 5}, factors={"gain": [1]}, seeds=[1])
    assert main(command(study)) == 0
    paths = StudyPaths(study.directory)
    paths.wandb_notes.unlink()
    for folder in list(paths.wandb_runs.glob("offline-run-*")):
        os.rename(folder, folder.with_name(folder.name.replace("offline-run-20", "offline-run-19")))
    assert main(command(study)) == 0
    assert tracked_runs(study.directory)["gain=1-s1"].steps == [1, 2, 3, 4, 5]
    assert tracked_runs(study.directory)["gain=1-s1"].segments == 1


def test_a_metric_that_is_added_later_is_named_and_sent(wandb_server, tmp_path, capfd):
    study = flow_study(tmp_path, seeds=[1], factors={"flow": ["icfm"]})
    save_study(study, StudyPaths(study.directory))
    assert main(command(study)) == 0
    assert cli.main(["evaluate", str(study.directory), "--metric", "nll"]) == 0
    told = capfd.readouterr().out
    assert f"1 run (icfm-s1); send it: ablate sync {study.directory}" in " ".join(told.split())
    assert sync(study) == 0
    run = wandb_server.named()["icfm-s1"]
    assert run.summary["nll_best"] > 0 or run.summary["nll_best"] < 0
    assert run.steps == [10, 20, 30, 40, 50, 60]
