"""Whole studies on a real Ray cluster, and what survives when parts of it are killed."""

import contextlib
import functools
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from drivers import SLOW, Driver, in_a_process_of_its_own
from outcomes import best_weights, histories, kept_files, numbers
from rich.console import Console
from studies import by_name, command_of, flow_study, toy_study, wait_for
from wandb_records import tracked_runs

from ablate.driver.session import execute
from ablate.errors import AblateError, InputError
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.spec.load import read_study
from ablate.study_dir import StudyPaths

EPOCHS = 150
pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster"), pytest.mark.timeout(600)]


def run(study, console, **options):
    return execute(study, Options(**options), console)


def test_results_equal_those_of_local_mode_bit_for_bit_and_an_edited_study_runs_what_is_new(
    tmp_path, console
):
    base = {"hidden_dim": 128, "num_layers": 2, "epochs": 5, "sigma": 0.1}
    study = functools.partial(flow_study, base=base, resources={"cpu": 2})
    there, here = (study(tmp_path / name) for name in ("ray", "local"))
    run(study(tmp_path / "ray", factors={"flow": ["icfm"]}), console)
    on_ray = run(there, console)
    local = run(here, console, local=True)
    assert on_ray.exit_code == local.exit_code == 0
    assert numbers(on_ray.ledger) == numbers(local.ledger)
    assert histories(on_ray.ledger) == histories(local.ledger)
    a, b = (best_weights(study, "vp-s2") for study in (there, here))
    assert all((a[key] == b[key]).all() for key in a)
    assert kept_files(there) == kept_files(here)
    pids = {row["trial"] for row in on_ray.ledger.rows.values()}
    assert len(pids) == 4
    launches = {r["run_name"]: r["launch"] for r in on_ray.ledger.rows.values()}
    assert launches == {"icfm-s1": 1, "icfm-s2": 1, "vp-s1": 2, "vp-s2": 2}


SECRET = "5ec2e7" * 6 + "abcd"


@pytest.fixture(scope="module")
def misbehaving(tmp_path_factory, ray_cluster):
    """A study whose runs fail in all ways, tracked offline by somebody with an API key."""
    folder = tmp_path_factory.mktemp("misbehaving")
    study = toy_study(
        folder, factors={"fail": ["none", "step", "setup", "nan", "once"]}, seeds=[1],
        checkpoint_every_s=0, base={"marker": str(folder / "marker"), "length": 6},
        resources={"cpu": 2},
    )  # fmt: skip
    cell = io.StringIO()  # as in a notebook, where Python's streams are others than the process's
    with (
        pytest.MonkeyPatch.context() as patch,
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(cell),
        contextlib.redirect_stderr(cell),
    ):
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_API_KEY", SECRET)
        outcome = run(study, Console(file=nowhere))
    assert cell.getvalue() == "", "Ray's and Tune's own words are in a file"
    assert "(raylet)" in StudyPaths(study.directory).ray_log.read_text()
    return study, outcome


def test_no_secret_reaches_a_file(misbehaving):
    study, _ = misbehaving
    files = [p for p in study.directory.rglob("*") if p.is_file()]
    assert any(p.name == "tuner.pkl" for p in files)
    assert any(p.suffix == ".wandb" for p in files)
    for path in files:
        assert SECRET[:6].encode() not in path.read_bytes(), path


def test_the_plan_that_tune_keeps_holds_only_the_directory(misbehaving):
    study, _ = misbehaving
    record = json.loads(Path(StudyPaths(study.directory).launch_record(1)).read_text())
    assert len(record["runs"]) == 5
    assert record["settings"]["resources"] == {"cpu": 2, "gpu": 0}


def test_failures_beside_healthy_runs(misbehaving, console):
    study, outcome = misbehaving
    assert outcome.exit_code == 1
    rows = by_name(outcome.ledger)
    told = {n: (r["status"], r.get("error_type"), r.get("retries")) for n, r in rows.items()}
    assert told == {
        "none-s1": ("ok", None, None),
        "step-s1": ("failed", "RuntimeError", 1),
        "setup-s1": ("failed", "ValueError", 1),
        "nan-s1": ("diverged", "Diverged", None),
        "once-s1": ("ok", None, 1),
    }
    assert rows["step-s1"]["error"] == "the third step is broken"
    assert rows["setup-s1"]["error"] == "no such thing as a good setup"
    assert "toy.py" in rows["step-s1"]["traceback"]
    # SIGKILLed in its fourth step, it went on from its third.
    assert rows["once-s1"]["score_final"] == 27.0
    log = StudyPaths(study.directory).log("once-s1").read_text()
    assert log.count("step 3 total") == 1
    tracked = tracked_runs(study.directory)
    ends = {name: (t.tags[-1], t.exit_codes, t.steps) for name, t in tracked.items()}
    assert ends == {
        "none-s1": ("seed=1", [0], [1, 2, 3, 4, 5, 6]),
        "step-s1": ("failed", [1], [1, 2]),
        "setup-s1": ("failed", [1], []),
        "nan-s1": ("failed", [1], ends["nan-s1"][2]),
        "once-s1": ("seed=1", [0], [1, 2, 3, 4, 5, 6]),
    }
    run(study, console, retry_failed=True, only="fail=nan")
    assert "disagree" not in console.export_text()


@pytest.mark.parametrize(("gpu", "at_once", "cpu"), [(0.25, 4, 0.5), (1, 4, 0)])
def test_fractions_of_pretend_gpus(tmp_path, console, gpu, at_once, cpu):
    """4 CPUs and 4 GPUs: the trials on one GPU never sum up to more than it."""
    study = toy_study(
        tmp_path, trainable="toy:Recorder", base={"folder": str(tmp_path), "step_s": 0.4,
        "length": 1}, factors={"gain": [1, 2, 3, 4]}, seeds=[1, 2],
        resources={"cpu": cpu, "gpu": gpu},
    )  # fmt: skip
    assert run(study, console).exit_code == 0
    spans = [p.read_text().split() for p in tmp_path.glob("[1-4]-[12]")]
    assert len(spans) == 8
    most = 0
    for begin, _, gpus in spans:
        assert len(gpus.split(",")) == 1
        same = [s for s in spans if s[2] == gpus and float(s[0]) <= float(begin) < float(s[1])]
        most = max(most, len(same))
        assert len(same) * gpu <= 1
    assert most <= at_once


def test_a_trial_larger_than_any_node_is_refused(tmp_path, console):
    study = toy_study(tmp_path, resources={"cpu": 64, "gpu": 5})
    with pytest.raises(InputError) as error:
        run(study, console)
    assert str(error.value) == (
        "test: 2 mistakes\n\n"
        "  resources.cpu = 64.0: no node of the cluster has that much (nodes: 4 CPU 4 GPU)\n"
        "      fix: write at most 4\n\n"
        "  resources.gpu = 5.0: no node of the cluster has that much (nodes: 4 CPU 4 GPU)\n"
        "      fix: write at most 4"
    )
    with pytest.raises(AblateError, match=r"no Ray cluster at 127.0.0.1:1"):
        in_a_process_of_its_own(tmp_path, "--address", "127.0.0.1:1")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The slow study without any trouble."""
    raw = {**yaml.safe_load(SLOW.replace("EPOCHS", str(EPOCHS))),
           "storage": str(tmp_path_factory.mktemp("whole"))}  # fmt: skip
    with open(os.devnull, "w") as nowhere:
        return run(read_study(raw, "test"), Console(file=nowhere), local=True).ledger


def runs_of_study(root):
    """What W&B has of the runs, without the run that holds the ablation table."""
    tracked = tracked_runs(root)
    assert tracked.pop("slow-ablation-table").job == "ablation-table"
    return tracked


def assert_equal_to(ledger, expected):
    assert numbers(ledger) == numbers(expected)
    assert histories(ledger) == histories(expected)


def test_a_killed_driver_is_restored_by_the_same_command(tmp_path, ray_cluster, uninterrupted):
    driver = Driver(tmp_path, ray_cluster, EPOCHS)
    driver.wait_for_checkpoints_and_state()
    driver.kill()
    before = Ledger(StudyPaths(driver.root))
    assert {r["status"] for r in before.rows.values()} <= {"pending", "ok"}
    again = Driver(tmp_path, ray_cluster, EPOCHS)
    code, out, err = again.finish()
    assert (code, err) == (0, ""), out + err
    after = Ledger(StudyPaths(driver.root))
    assert_equal_to(after, uninterrupted)
    assert {row["launch"] for row in after.rows.values()} == {1}, "Tuner.restore went on"
    for name, tracked in runs_of_study(driver.root).items():
        steps = [p["step"] for p in histories(after)[name]]
        assert tracked.steps == steps, name
    assert not list(driver.root.glob("launches/*/*/checkpoint_*"))


def test_ctrl_c_saves_prints_the_way_on_and_restores(tmp_path, ray_cluster, uninterrupted):
    driver = Driver(tmp_path, ray_cluster, EPOCHS)
    driver.wait_for_checkpoints_and_state()
    wait_for(trial_workers, 60)  # between two trials there is none
    driver.process.send_signal(signal.SIGINT)
    began = time.monotonic()
    code, out, err = driver.finish(30)
    assert time.monotonic() - began < 20
    assert code == 130
    assert "python -m ablate.run --resume studies/slow" in out
    assert err == "", "nor is anything of Ray's there"
    statuses = {r["status"] for r in Ledger(StudyPaths(driver.root)).rows.values()}
    assert statuses & {"interrupted", "pending"}, "something is left to do"
    command = [sys.executable, "-m", "ablate.run", "--resume", "studies/slow", "--address",
               ray_cluster]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_equal_to(Ledger(StudyPaths(driver.root)), uninterrupted)


def trial_workers():
    """The processes of trials, of our cluster alone."""
    ours = psutil.Process().children(recursive=True)
    return [process for process in ours if "ResourceTrainable" in command_of(process)]


@pytest.mark.parametrize("pack", ["1", "2"])
def test_a_killed_worker_is_retried_from_its_latest_checkpoint(
    tmp_path, ray_cluster, uninterrupted, pack
):
    driver = Driver(tmp_path, ray_cluster, EPOCHS, "--pack", pack)
    driver.wait_for_checkpoints_and_state()
    wait_for(trial_workers, 60)  # between two trials there is none
    trial_workers()[0].kill()
    code, out, err = driver.finish()
    assert (code, err) == (0, ""), out
    assert "crashed (" in out
    assert "raylet" not in out
    after = Ledger(StudyPaths(driver.root))
    assert_equal_to(after, uninterrupted)
    assert sum(row.get("retries") or 0 for row in after.rows.values()) >= int(pack)
    assert len({row["trial"] for row in after.rows.values()}) == 4 / int(pack)
    for name, tracked in runs_of_study(driver.root).items():
        assert tracked.steps == [p["step"] for p in histories(after)[name]], name
