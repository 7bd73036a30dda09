"""Where runs go in W&B: command line, environment, YAML, W&B's own settings, in this order."""

import pytest
from studies import toy_study

from ablate.cli.run import main
from ablate.errors import InputError
from ablate.spec.load import save_study
from ablate.study_dir import StudyPaths
from ablate.tracking.wandb.settings import at_home, clean_environment, destination, given_keys


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch, tmp_path):
    for name in ("MODE", "PROJECT", "ENTITY", "BASE_URL", "API_KEY"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)


def test_without_a_key_runs_are_kept_offline_and_with_one_they_are_not(tmp_path, monkeypatch):
    study = toy_study(tmp_path)
    assert destination(study).mode == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "x")
    assert destination(study).mode == "online"
    assert destination(study).server == "https://api.wandb.ai"
    assert destination(study).project == "toys"


@pytest.mark.parametrize("place", ["config", "wandb"])
def test_what_wandb_offline_wrote_is_obeyed_unless_the_study_says_otherwise(
    tmp_path, monkeypatch, place
):
    monkeypatch.setenv("WANDB_API_KEY", "x")
    (tmp_path / place).mkdir()
    (tmp_path / place / "settings").write_text(
        "[default]\nmode = offline\nproject = theirs\nbase_url = http://127.0.0.1:9/\n"
    )
    told = destination(toy_study(tmp_path))
    assert (told.mode, told.project, told.server) == ("offline", "theirs", "http://127.0.0.1:9")
    written = toy_study(tmp_path, tracking={"mode": "online", "project": "mine"})
    assert (destination(written).mode, destination(written).project) == ("online", "mine")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("WANDB_PROJECT", "ours")
    assert (destination(written).mode, destination(written).project) == ("disabled", "ours")
    given = given_keys(["tracking.project=mine", "base.length=3", "tracking.mode=online"])
    told = destination(written, given)
    assert (told.mode, told.project) == ("online", "mine")


@pytest.mark.parametrize("mode", ["Offline", "onlin", "off"])
def test_a_mode_that_does_not_exist_is_said_before_anything_starts(
    tmp_path, monkeypatch, capfd, mode
):
    study = toy_study(tmp_path)
    save_study(study, StudyPaths(study.directory))
    monkeypatch.setenv("WANDB_MODE", mode)
    assert main(["--resume", str(study.directory), "--local"]) == 2
    told = capfd.readouterr().err
    assert f"WANDB_MODE = '{mode}': is not a W&B mode" in told
    assert "choices: online, offline, disabled" in told
    assert not StudyPaths(study.directory).ledger.exists()


def test_names_that_wandb_refuses_are_mistakes_like_any_other(tmp_path, monkeypatch):
    wrong = {"project": "me/flows", "entity": "a team", "tags": [""], "mode": "Offline"}
    with pytest.raises(InputError) as caught:
        toy_study(tmp_path, tracking=wrong)
    assert {problem.key for problem in caught.value.problems} == {
        "tracking.project", "tracking.entity", "tracking.tags", "tracking.mode",
    }  # fmt: skip
    for project in ("x" * 129, "a#b", "100%", "tab\there", " "):
        with pytest.raises(InputError):
            toy_study(tmp_path, tracking={"project": project})
        monkeypatch.setenv("WANDB_PROJECT", project)
        with pytest.raises(InputError, match="WANDB_PROJECT"):
            destination(toy_study(tmp_path))


def test_only_what_says_how_to_reach_wandb_is_handed_on(monkeypatch):
    for name in ("RUN_ID", "SWEEP_ID", "SWEEP_PARAM_PATH", "RESUME", "RESUME_FROM", "FORK_FROM",
                 "SERVICE", "_SERVICE", "NAME", "RUN_GROUP", "TAGS", "JOB_TYPE", "NOTES", "DIR",
                 "DISABLED", "MODE", "PROJECT", "ENTITY", "START_METHOD"):  # fmt: skip
        monkeypatch.setenv(f"WANDB_{name}", "x")
    monkeypatch.setenv("WANDB_API_KEY", "key")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    kept = clean_environment("http://127.0.0.1:9")
    wandb = {name: value for name, value in kept.items() if name.startswith("WANDB")}
    del wandb["WANDB_CONFIG_DIR"]
    assert wandb == {"WANDB_API_KEY": "key", "WANDB_BASE_URL": "http://127.0.0.1:9"}
    assert kept["HTTPS_PROXY"] == "http://127.0.0.1:1"


def test_what_is_published_names_no_home_directory(monkeypatch):
    monkeypatch.setenv("HOME", "/users/ada")
    assert at_home("no such file: '/users/ada/rows.parquet'") == "no such file: '~/rows.parquet'"
    assert at_home("/users/ada") == "~"
    assert at_home("/users/adam/x") == "/users/adam/x"
    assert at_home("/mnt/users/ada/x") == "/mnt/users/ada/x"
