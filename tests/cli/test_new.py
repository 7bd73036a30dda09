"""`ablate new`: what it writes plans and runs as it stands."""

import runpy
import shlex
import sys

import pytest
from studies import by_name, stop_at_result

from ablate.cli.main import main
from ablate.cli.new import KINDS, new_files, study_name
from ablate.ledger.ledger import Ledger
from ablate.plan.plan import plan_study
from ablate.run_row import Status
from ablate.spec.load import load_study
from ablate.study_dir import StudyPaths


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """Begins a study of a kind, in whose folder commands are then given."""

    def begin(kind, name="first try"):
        monkeypatch.chdir(tmp_path)
        assert main(["new", name, "--kind", kind]) == 0
        monkeypatch.chdir(tmp_path / name)
        monkeypatch.syspath_prepend(tmp_path / name)
        monkeypatch.delitem(sys.modules, "train", raising=False)
        return tmp_path / name

    yield begin
    sys.modules.pop("train", None)


def rows_of(folder, name="first_try"):
    return by_name(Ledger(StudyPaths(folder / "studies" / name)))


def test_it_says_what_it_wrote_and_how_to_go_on(begun, capsys, monkeypatch, tmp_path):
    folder = begun("flow", "a 'b'")
    wrote, _, _, first, second = capsys.readouterr().out.splitlines()
    assert wrote == "wrote a 'b'/grid.yaml"
    enter, and_then, *plan = shlex.split(first)[1:]
    assert ((tmp_path / enter).resolve(), and_then, plan) == (
        folder, "&&", ["ablate", "plan", "grid.yaml"]
    )  # fmt: skip
    assert main([*shlex.split(second)[1:], "--plan"]) == 0
    assert main(["new", ".", "--kind", "script"]) == 2, "its grid.yaml is there"
    (folder / "grid.yaml").unlink()
    capsys.readouterr()
    assert main(["new", ".", "--kind", "flow"]) == 0
    assert "cd" not in capsys.readouterr().out.splitlines()[3]
    assert main(["new", "--kind", "flow", "--", "-x y"]) == 0
    assert "  cd './-x y' && ablate plan grid.yaml" in capsys.readouterr().out


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_overwritten_nor_written_in_part(tmp_path, monkeypatch, capsys, kind):
    monkeypatch.chdir(tmp_path)
    last = sorted(new_files(kind, "mine"))[-1]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / last).symlink_to("nowhere")
    assert main(["new", "mine", "--kind", kind]) == 2
    told = capsys.readouterr().err
    assert f"DIR = 'mine/{last}': has such a file already" in told
    assert [path.name for path in (tmp_path / "mine").rglob("*")] == [last]
    (tmp_path / "file").touch()
    assert main(["new", "file/below", "--kind", kind]) == 2
    assert "DIR = 'file': is a file, not a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name",
    ["plain", "a b", "2024", "1e3", "null", "x=1", "-lead", "日本", ".hidden", "n" * 200, "a:b#c"],
)
def test_any_folder_gives_a_study_that_may_be_called_so(tmp_path, name):
    for file, content in new_files("flow", study_name(tmp_path / name)).items():
        (tmp_path / file).write_text(content)
    study = load_study(tmp_path / "grid.yaml")
    assert study.study.isascii()
    assert name != "plain" or study.study == "plain"


def test_the_built_in_training_runs(begun):
    folder = begun("flow")
    assert len(plan_study(load_study("grid.yaml")).runs) == 6
    run = ["run", "grid.yaml", "--local", "--set", "base.epochs=2", "--set", "seeds=[1]"]
    assert main(run) == 0
    assert {row.status for row in rows_of(folder).values()} == {Status.OK}


def test_the_function_runs_and_goes_on_where_it_was_stopped(begun, monkeypatch):
    folder = begun("function")
    assert len(plan_study(load_study("grid.yaml")).runs) == 12
    run = ["run", "grid.yaml", "--local", "--set", "base.epochs=3", "--set", "factors.lr=[1e-2]"]
    run += ["--set", "seeds=[1]", "--set", "checkpoint_every_s=0"]
    assert main(run) == 0
    whole = rows_of(folder)
    assert {row.status for row in whole.values()} == {Status.OK}
    assert all(0.3 < row["accuracy_final"] <= 1 for row in whole.values())
    (folder / "studies").rename(folder / "before")
    with monkeypatch.context() as patch:
        stop_at_result(patch, 2)
        assert main(run) == 130
    assert main(run) == 0
    for name, row in rows_of(folder).items():
        assert row["accuracy_final"] == whole[name]["accuracy_final"]


def test_the_script_runs(begun):
    folder = begun("script")
    assert len(plan_study(load_study("grid.yaml")).runs) == 12
    run = ["run", "grid.yaml", "--local", "--set", "base.epochs=2", "--set", "seeds=[1]"]
    assert main([*run, "--only", "width=64,lr=0.01"]) == 0
    row = rows_of(folder)["width=64-lr=0.01-s1"]
    assert row.status is Status.OK
    assert 0.3 < row["accuracy_final"] <= 1


def test_the_script_by_hand_goes_on_as_if_it_had_not_been_stopped(begun, monkeypatch, capsys):
    folder = begun("script")
    capsys.readouterr()

    def by_hand(*words):
        monkeypatch.setattr(sys, "argv", ["train.py", "--lr", "0.01", *map(str, words)])
        runpy.run_path("train.py", run_name="__main__")
        return capsys.readouterr().out.splitlines()

    whole = by_hand("--epochs", 3, "--out", "whole")
    first = by_hand("--epochs", 1, "--out", "parts")
    rest = by_hand("--epochs", 3, "--out", "parts", "--resume", "parts/state.pkl")
    assert (len(whole), first + rest) == (3, whole)
    assert (folder / "parts/log.jsonl").read_bytes() == (folder / "whole/log.jsonl").read_bytes()


def test_hydra_and_torchrun_run(begun):
    pytest.importorskip("hydra", reason="hydra-core is not installed")
    folder = begun("script")
    run = ["run", "grid_hydra.yaml", "--local", "--set", "base.epochs=2", "--set", "seeds=[1]"]
    assert main([*run, "--only", "model.width=64,optim.lr=0.01"]) == 0
    [row] = [row for row in rows_of(folder, "first_try-hydra").values() if row.status.has_ended]
    assert row.status is Status.OK
    assert 0.3 < row["accuracy_final"] <= 1
