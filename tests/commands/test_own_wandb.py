"""Scripts that bring their runs to W&B themselves: `tracking: {runs: script}`."""

import os
import subprocess
import sys

import pytest
from commanded import SCRIPTS
from wandb_records import tracked_runs

from ablate.cli.run import main
from ablate.errors import InputError
from ablate.spec.load import read_study, save_study
from ablate.study_dir import StudyPaths

READ = {"acc": "acc=([-+.0-9eE]+)", "step": "step=([0-9]+)"}


def saved(tmp_path, more="", **changes):
    line = f"{sys.executable} {SCRIPTS / 'own_wandb.py'} --lr {{lr}} --seed {{seed}} {more}"
    raw = {
        "study": "own", "metric": "acc", "mode": "max", "retries": 0, "seeds": [1],
        "question": "Which rate?", "factors": {"lr": [0.1, 0.2]},
        "trainable": {"command": line, "read": READ},
        "tracking": {"runs": "script", "tags": ["paper"]},
        "storage": str(tmp_path / "studies"), "folder": str(tmp_path),
    }  # fmt: skip
    study = read_study({**raw, **changes}, "test")
    save_study(study, StudyPaths(study.directory))
    return study


def run(study, *more):
    return main(["--resume", str(study.directory), "--local", *more])


def test_offline_its_run_has_our_id_and_tags_and_a_failed_one_is_tagged_where_it_is_uploaded(
    wandb_server, tmp_path, monkeypatch
):
    monkeypatch.setenv("WANDB_MODE", "offline")
    study = saved(tmp_path)
    assert run(study) == 1
    runs = tracked_runs(study.directory)
    assert sorted(runs) == ["lr=0.1-s1", "lr=0.2-s1", "own-ablation-table"]
    good, bad = runs["lr=0.1-s1"], runs["lr=0.2-s1"]
    assert (good.group, good.job, good.segments) == ("own", "train", 1)
    assert good.tags == ["lr=0.1", "seed=1", "paper"]
    assert good.steps == [1, 2, 3]  # once, by the script
    assert good.config["lr"] == 0.1
    assert (bad.segments, bad.exit_codes) == (2, [1, 1])

    folder = StudyPaths(study.directory).wandb_runs
    subprocess.run(
        [sys.executable, "-m", "wandb", "sync", str(folder)],
        check=True, capture_output=True, env={**os.environ, "WANDB_MODE": "online"},
    )  # fmt: skip
    served = wandb_server.named("own")["lr=0.2-s1"]
    assert served.tags == ["lr=0.2", "seed=1", "paper", "failed"]
    assert (served.steps, served.state) == ([1, 2, 3], "failed")
    assert served.config["lr"]["value"] == 0.2


def test_offline_a_run_in_another_project_stays_as_its_script_made_it(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("WANDB_MODE", "offline")
    study = saved(tmp_path, "--project mine", factors={"lr": [0.2]})
    assert run(study) == 1
    assert tracked_runs(study.directory)["lr=0.2-s1"].segments == 1
    assert "lr=0.2-s1 failed, and is not tagged" in capfd.readouterr().out


def test_on_a_server_its_run_is_tagged_and_a_retry_takes_the_tag_away(
    wandb_server, tmp_path, monkeypatch
):
    monkeypatch.setenv("ABLATE_TEST_FAILS", "1")
    study = saved(tmp_path, factors={"lr": [0.1]})
    assert run(study) == 1
    served = wandb_server.named("own")
    assert sorted(served) == ["lr=0.1-s1", "own-ablation-table"]
    assert served["lr=0.1-s1"].tags == ["lr=0.1", "seed=1", "paper", "failed"]
    assert served["lr=0.1-s1"].state == "failed"
    assert served["lr=0.1-s1"].config["lr"]["value"] == 0.1
    monkeypatch.delenv("ABLATE_TEST_FAILS")
    assert run(study, "--retry-failed") == 0
    assert "failed" not in wandb_server.named("own")["lr=0.1-s1"].tags


def test_a_study_without_commands_has_no_scripts_to_track(tmp_path):
    with pytest.raises(InputError, match=r"tracking\.runs = 'script': is of commands"):
        saved(tmp_path, trainable="toy:Counter", factors={"gain": [1, 2]})
