"""Which code a command's runs are made with: a snapshot, and hashes in their rows."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from commanded_studies import TRAIN, command_study, project

from ablate.commands.code import code_files
from ablate.commands.snapshot import LIMIT_MB, take_snapshot, tree_of
from ablate.commands.spec import Command
from ablate.commands.template import plain_words
from ablate.driver.session import examine, execute, ledger_of, plan_notes
from ablate.launch.base import Options
from ablate.launch.command_trials import command_trials
from ablate.launch.trials import trial_config
from ablate.ledger.ledger import Ledger
from ablate.plan.plan import plan_study
from ablate.study_dir import StudyPaths

LOCAL = Options(local=True)


def snapshot(folder, place):
    return take_snapshot(tree_of(folder, folder / "studies"), place)


def text(snapshot, name):
    return (snapshot.copy / name).read_text()


def test_a_snapshot_has_tracked_files_as_they_are_and_new_ones(tmp_path):
    folder = project(tmp_path / "p", {"pkg/a.py": "a", "gone.py": "g"})
    (folder / "train.py").write_text("edited")
    (folder / "new.py").write_text("new")
    (folder / "gone.py").unlink()
    os.symlink("train.py", folder / "link.py")
    taken = snapshot(folder, tmp_path / "snapshots")
    (folder / "train.py").write_text("later")
    (folder / "pkg" / "a.py").write_text("later")
    assert [text(taken, name) for name in ("train.py", "new.py", "pkg/a.py", "link.py")] == [
        "edited", "new", "a", "edited",
    ]  # fmt: skip
    assert not (taken.copy / "gone.py").exists()
    facts = json.loads(taken.copy.with_suffix(".json").read_text())
    assert len(facts["commit"]) == 40
    assert "+edited" in taken.copy.with_suffix(".patch").read_text()


def test_what_is_new_in_a_submodule_or_a_clone_is_copied_too(tmp_path):
    project(tmp_path / "lib", {"core.py": "core"})
    folder = project(tmp_path / "p")
    for words in (["submodule", "add", "-q", str(tmp_path / "lib"), "lib"],
                  ["clone", "-q", str(tmp_path / "lib"), str(folder / "cloned")]):  # fmt: skip
        allowed = ["-c", "protocol.file.allow=always"]
        subprocess.run(["git", "-C", str(folder), *allowed, *words], check=True)
    for place in ("lib", "cloned"):
        (folder / place / "new.py").write_text("new")
    taken = snapshot(folder, tmp_path / "snapshots")
    for place in ("lib", "cloned"):
        for name, content in (("core.py", "core"), ("new.py", "new")):
            (folder / place / name).write_text("later")
            assert text(taken, f"{place}/{name}") == content
        assert not (taken.copy / place / ".git").exists()


def test_ignored_and_large_files_are_used_in_place(tmp_path):
    folder = project(tmp_path / "p")
    (folder / "data").mkdir()
    (folder / "data" / "rows.txt").write_text("rows")
    with (folder / "weights.bin").open("wb") as file:
        file.truncate((LIMIT_MB + 1) * 2**20)
    (folder / "studies" / "s").mkdir(parents=True)
    taken = snapshot(folder, folder / "studies" / "s" / "snapshots")
    assert text(taken, "data/rows.txt") == "rows"
    assert (taken.copy / "weights.bin").resolve() == folder / "weights.bin"
    assert not (taken.copy / "studies").exists()  # it would hold itself
    assert not (taken.copy / ".git").exists()


def test_a_snapshot_is_taken_once_for_each_content(tmp_path):
    folder, place = project(tmp_path / "p"), tmp_path / "snapshots"
    first = snapshot(folder, place)
    assert snapshot(folder, place) == first
    (folder / "train.py").write_text("edited")
    assert snapshot(folder, place) != first
    assert not list(place.glob(".*"))


def test_a_folder_without_git_is_copied_too_but_for_environments(tmp_path):
    folder = project(tmp_path / "p", {"venv/pyvenv.cfg": "", "venv/x.py": "x"}, git=False)
    taken = snapshot(folder, tmp_path / "snapshots")
    assert text(taken, "train.py") == TRAIN
    assert (taken.copy / "venv").is_symlink()


@pytest.mark.parametrize("git", [True, False])
def test_secrets_stay_where_they_are_and_pipes_are_not_read(tmp_path, git):
    folder = project(tmp_path / "p", git=git)
    (folder / ".env").write_text("TOKEN=1")
    os.mkfifo(folder / "pipe")
    taken = snapshot(folder, tmp_path / "snapshots")
    assert (taken.copy / ".env").is_symlink()
    assert text(taken, ".env") == "TOKEN=1"
    assert (taken.copy / "pipe").is_symlink()


def test_a_file_that_cannot_be_read_is_linked(tmp_path, monkeypatch):
    folder = project(tmp_path / "p", {"other.txt": "whose?"})
    read = Path.read_bytes

    def refusing(path):
        if path.name == "other.txt":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refusing)
    assert (snapshot(folder, tmp_path / "snapshots").copy / "other.txt").is_symlink()


def test_a_script_below_the_top_level_runs_where_it_is_in_the_snapshot(tmp_path):
    top = project(tmp_path / "p", {"scripts/train.py": TRAIN, "lib/a.py": ""})
    study = command_study(top / "scripts")
    paths = StudyPaths(study.directory)
    paths.root.mkdir(parents=True)
    plan = plan_study(study)
    given = command_trials(plan, paths).given(plan, plan.runs[0], 1)
    assert given["folder"].startswith(str(paths.snapshots))
    assert given["folder"].endswith("/scripts")
    assert os.path.isfile(os.path.join(given["folder"], "train.py"))
    assert given["varied"] == ["lr"]


@pytest.mark.parametrize(("line", "found"), [
    ("python train.py --seed {seed}", {"train.py", "pkg/run.py"}),
    ("python pkg/run.py {seed}", {"pkg/run.py"}),
    ("python -m pkg.run {seed}", {"pkg/run.py"}),
    ("bash go.sh {seed}", {"go.sh", "train.py", "pkg/run.py"}),
    (["bash", "-c", "python pkg/run.py {seed}"], {"pkg/run.py"}),
])  # fmt: skip
def test_the_code_of_a_command_is_its_script_and_what_is_below(tmp_path, line, found):
    folder = project(tmp_path, {"pkg/run.py": "", "go.sh": "", ".hidden/a.py": ""}, git=False)
    files = code_files(Command(command=line), folder)
    assert {str(path.relative_to(folder)) for path in files} == found


@pytest.mark.parametrize("watch", [("conf/**", ".hidden/*"), ("**/*", ".hidden/*")], ids=str)
def test_watched_files_are_code_but_not_what_python_and_studies_leave_there(tmp_path, watch):
    left = ("conf/__pycache__/b.pyc", "studies/s/study.yaml", "studies/s/logs/a.log")
    code = ("conf/a.yaml", "conf/b/c.yaml", ".hidden/d.yaml")
    folder = project(tmp_path, dict.fromkeys((*left, *code), ""), git=False)
    files = code_files(Command(command="python train.py", watch=watch), folder)
    assert [path.name for path in files] == ["d.yaml", "a.yaml", "c.yaml", "train.py"]


def test_a_plan_says_which_code_nobody_watches(tmp_path):
    files = dict.fromkeys(("scripts/run.py", "src/net.py", "tests/test_net.py", "setup.py"), "")
    folder = project(tmp_path / "p", files)
    told = [
        " ".join(plan_notes(plan_study(command_study(folder, line, trainable=more)), {}))
        for line, more in (
            ("{python} scripts/run.py {overrides}", {}),
            ("{python} scripts/run.py {overrides}", {"watch": ["src/**"]}),
            ("{python} train.py {overrides}", {}),
        )
    ]
    assert 'in src are not noticed; with watch: ["src/**"] they are' in told[0]
    assert not any("not noticed" in each for each in told[1:])


def test_rows_say_which_code_and_an_edit_is_noticed(tmp_path, console):
    folder = project(tmp_path / "p", {"conf/a.yaml": "x: 1"})
    study = command_study(folder, trainable={"watch": ["conf/**"]})
    assert execute(study, LOCAL, console).exit_code == 0
    rows = Ledger(StudyPaths(study.directory)).rows.values()
    files = json.loads(next(iter({row.code_files for row in rows})))
    assert set(files["."]) == {"train.py", "conf/a.yaml"}
    assert all(row.git_commit and row.git_dirty is False for row in rows)

    def notes():
        return " ".join(examine(study, ledger_of(study, LOCAL), LOCAL)[1].notes)

    assert notes() == ""
    (folder / "conf" / "a.yaml").write_text("x: 2")
    assert "4 runs were made with different training code: kept" in notes()
    assert "conf/a.yaml" in notes()
    shutil.rmtree(folder / "conf")
    assert "conf/a.yaml" in notes()


def test_an_edit_while_a_study_runs_reaches_no_run_of_that_launch(tmp_path, console):
    folder = project(tmp_path / "p")
    study = command_study(folder)

    class Editor:
        def on_event(self, event):
            (folder / "train.py").write_text("raise SystemExit('edited')")

        def tick(self):
            pass

    assert execute(study, LOCAL, console, listeners=[Editor()]).exit_code == 0


def test_a_script_that_is_named_in_full_is_the_snapshots_too(tmp_path):
    folder = project(tmp_path / "p")
    study = command_study(folder, f"{{python}} {folder}/train.py --lr {{lr}} --seed {{seed}}",
                          storage=str(tmp_path / "my studies"))  # fmt: skip
    paths = StudyPaths(study.directory)
    paths.root.mkdir(parents=True)
    plan = plan_study(study)
    command = Command.model_validate(trial_config(plan, [plan.runs[0]], paths, 1, {})["command"])
    script = plain_words(command.command)[1]
    assert script.startswith(f"{paths.snapshots}/")
    assert Path(script).is_file(), "one word, with the blank"


def test_a_plan_says_what_is_used_in_place(tmp_path):
    folder = project(tmp_path / "p")
    with (folder / "rows.bin").open("wb") as file:
        file.truncate((LIMIT_MB + 1) * 2**20)
    script = project(tmp_path / "q") / "train.py"
    plan = plan_study(command_study(folder, f"{{python}} {script} {{overrides}}"))
    (folder / "conf").symlink_to(tmp_path)
    told = " ".join(plan_notes(plan, {}))
    assert "used in place: rows.bin" in told
    assert "links out of it: conf: an edit reaches" in told
    assert f"not in the snapshot of the code: {script}" in told
