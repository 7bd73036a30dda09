"""Study directories that somebody else owns, and ledgers that somebody else has written."""

import os
import pickle

import pytest
import toy
from studies import by_name, flow_study, stop_at_result, toy_study

from ablate.cli.guard import guarded
from ablate.cli.main import main as ablate
from ablate.cli.run import build_parser, run_command
from ablate.driver.session import execute
from ablate.errors import InputError
from ablate.launch.base import Options
from ablate.launch.host import hosted
from ablate.launch.manifest import read_manifest, write_manifest
from ablate.launch.trials import trial_config
from ablate.ledger.ledger import Ledger
from ablate.ledger.rows import read_record, write_rows
from ablate.plan.packing import packs_of
from ablate.plan.plan import plan_study
from ablate.study_dir import StudyPaths

SOMEBODY = 12345
LOCAL = Options(local=True)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


class Evil:
    """Says that it was unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (os.makedirs, (str(self.marker), 0o777, True))


def give_away(folder, but=()):
    for path in [folder, *folder.rglob("*")]:
        if path not in but:
            os.chown(path, SOMEBODY, SOMEBODY)


def interrupted(study, console, at=7):
    with pytest.MonkeyPatch.context() as patch:
        stop_at_result(patch, at)
        assert execute(study, LOCAL, console).exit_code == 130


def plant(study, marker, name="state.pkl"):
    """Evil pickles in every checkpoint, sealed as if Ablate had written them."""
    folders = list(study.directory.glob("launches/*/*/checkpoint_*"))
    for folder in folders:
        manifest = read_manifest(folder)
        (folder / name).write_bytes(pickle.dumps(Evil(marker)))
        write_manifest(folder, {k: v for k, v in manifest.items() if k != "files"})
    assert folders


@needs_root
@pytest.mark.parametrize("given", ["all", "the pickles"])
def test_what_somebody_else_has_pickled_is_refused_before_anything_starts(tmp_path, console, given):
    study = toy_study(tmp_path, checkpoint_every_s=0)
    interrupted(study, console)
    plant(study, tmp_path / "owned")
    if given == "all":
        give_away(study.directory)
    else:
        for path in study.directory.rglob("*.pkl"):
            os.chown(path, SOMEBODY, SOMEBODY)
    before = {path: path.stat().st_mtime for path in study.directory.rglob("*.parquet")}
    with pytest.raises(InputError, match="--trust-owner"):
        execute(study, LOCAL, console)
    assert not (tmp_path / "owned").exists()
    assert {path: path.stat().st_mtime for path in before} == before


@needs_root
def test_the_command_says_so_with_exit_code_2(tmp_path, console, capsys):
    study = toy_study(tmp_path, checkpoint_every_s=0)
    interrupted(study, console)
    give_away(study.directory)
    assert ablate(["run", "--resume", str(study.directory), "--local"]) == 2
    shown = capsys.readouterr().err
    assert "another user owns" in shown
    assert "--trust-owner" in shown
    assert ablate(["run", "--resume", str(study.directory), "--local", "--trust-owner"]) == 0
    assert [row["gain"] for row in Ledger(StudyPaths(study.directory)).rows.values()] == [
        1,
        2,
        1,
        2,
    ]


@needs_root
def test_trusting_the_owner_goes_on_with_the_same_numbers(tmp_path, console):
    whole = toy_study(tmp_path / "a", checkpoint_every_s=0)
    expected = execute(whole, LOCAL, console).ledger
    study = toy_study(tmp_path / "b", checkpoint_every_s=0)
    interrupted(study, console)
    give_away(study.directory)
    found = execute(study, Options(local=True, trust_owner=True), console).ledger
    assert {n: r["score_final"] for n, r in by_name(found).items()} == {
        n: r["score_final"] for n, r in by_name(expected).items()
    }
    log = StudyPaths(study.directory).log("gain=2-s1").read_text("utf-8")
    assert log.count("step 1 ") == 1  # it went on, and did not begin again


@needs_root
def test_checkpoints_without_pickles_go_on_whoever_owns_them(tmp_path, console, monkeypatch):
    monkeypatch.setattr("trainables.flow_matching.STEP_S", 0.0)
    settings = {"base": {"hidden_dim": 64, "num_layers": 2, "epochs": 5}, "checkpoint_every_s": 0}
    expected = execute(flow_study(tmp_path / "a", **settings), LOCAL, console).ledger
    study = flow_study(tmp_path / "b", **settings)
    interrupted(study, console, at=8)
    assert list(study.directory.glob("launches/*/*/checkpoint_*"))
    give_away(study.directory)
    found = execute(study, LOCAL, console)
    assert found.exit_code == 0
    assert {
        n: (r["val_loss_final"], r["sliced_w2_best"]) for n, r in by_name(found.ledger).items()
    } == {n: (r["val_loss_final"], r["sliced_w2_best"]) for n, r in by_name(expected).items()}


@needs_root
def test_a_pickle_beside_weights_is_refused_too(tmp_path, console, monkeypatch):
    """Ray itself would unpickle a file of this name."""
    monkeypatch.setattr("trainables.flow_matching.STEP_S", 0.0)
    study = flow_study(tmp_path, checkpoint_every_s=0)
    interrupted(study, console, at=9)
    plant(study, tmp_path / "owned", "dict_checkpoint.pkl")
    give_away(study.directory)
    with pytest.raises(InputError, match="--trust-owner"):
        execute(study, LOCAL, console)
    assert not (tmp_path / "owned").exists()


@needs_root
@pytest.mark.parametrize("how", ["restore", "start_from"])
def test_a_worker_refuses_by_itself(tmp_path, console, how):
    study = toy_study(tmp_path, checkpoint_every_s=0)
    interrupted(study, console)
    plant(study, tmp_path / "owned")
    give_away(study.directory)
    paths, plan = StudyPaths(study.directory), plan_study(study)
    [folder] = study.directory.glob("launches/*/*/checkpoint_*")
    run = next(r for r in plan.runs if r.run_name == folder.parent.name)
    [pack] = packs_of(plan, [run], {}, 1)
    starts = {run.run_id: folder} if how == "start_from" else {}
    for trust, error in ((False, PermissionError), (True, TypeError)):
        config = trial_config(plan, pack, paths, 2, starts, trust)
        trial = hosted(toy.Counter)(config)
        with pytest.raises(error):
            trial.restore(str(folder)) if how == "restore" else trial.train()
        assert (tmp_path / "owned").exists() == trust


@needs_root
def test_own_pickles_in_somebody_elses_folder_go_on(tmp_path, console):
    """As in a folder of the group's that somebody else has made."""
    study = toy_study(tmp_path, checkpoint_every_s=0)
    interrupted(study, console)
    for folder in [study.directory, *study.directory.rglob("*")]:
        if folder.is_dir():
            os.chown(folder, SOMEBODY, SOMEBODY)
    rows = by_name(execute(study, LOCAL, console).ledger)
    assert {row["status"] for row in rows.values()} == {"ok"}
    log = StudyPaths(study.directory).log("gain=2-s1").read_text("utf-8")
    assert log.count("step 1 ") == 1


@needs_root
def test_a_run_that_crashes_in_somebody_elses_directory_reads_what_it_wrote(tmp_path, console):
    tmp_path.joinpath("toys").mkdir()
    give_away(tmp_path / "toys")
    study = toy_study(tmp_path, base={"length": 4}, checkpoint_every_s=0, trainable="toy:Stumbler")
    rows = by_name(execute(study, LOCAL, console).ledger)
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert {row["retries"] for row in rows.values()} == {1}
    log = StudyPaths(study.directory).log("gain=1-s1").read_text("utf-8")
    assert log.count("step 1 ") == 1


@needs_root
@pytest.mark.ray
def test_tunes_own_pickle_of_somebody_else_is_left_alone(
    tmp_path, console, monkeypatch, ray_cluster
):
    """Runs go on from their own checkpoints, in a launch of their own."""
    study = toy_study(tmp_path, seeds=[1], checkpoint_every_s=0)
    with monkeypatch.context() as patch:
        stop_at_result(patch, 3)
        assert execute(study, Options(), console).exit_code == 130
    tuner = study.directory / "launches" / "1" / "tuner.pkl"
    if not tuner.exists():
        pytest.skip("Tune had not saved its state yet")
    tuner.write_bytes(pickle.dumps(Evil(tmp_path / "owned")))
    give_away(study.directory)
    assert execute(study, Options(), console).exit_code == 0
    assert not (tmp_path / "owned").exists()


NAMES = ["../../x", "/tmp/x", "a/b", "..", "", "a\0b", "x" * 300, ".hidden", "-\n"]


@pytest.mark.parametrize("name", NAMES)
def test_names_from_a_ledger_stay_in_the_study_directory(tmp_path, console, name):
    study = toy_study(tmp_path / "deep" / "er", seeds=[1])
    execute(study, LOCAL, console)
    paths = StudyPaths(study.directory)
    rows, number, _ = read_record(paths)
    for row in rows.values():
        row["run_name"] = name
    write_rows(paths, rows.values(), number)
    paths.journal.unlink(missing_ok=True)
    there = set(tmp_path.rglob("*"))
    arguments = build_parser().parse_args(["--resume", str(study.directory), "--local",
                                           "--retry-failed"])  # fmt: skip
    assert guarded(lambda console: run_command(arguments, console)) == 2
    with pytest.raises(InputError, match="run_name"):
        execute(study, LOCAL, console)
    assert set(tmp_path.rglob("*")) - there <= {paths.lock}


@pytest.mark.parametrize("name", [*NAMES, "caf\udce9"])
def test_no_name_makes_a_path_that_leads_out(tmp_path, name):
    paths = StudyPaths(tmp_path)
    for make in (paths.log, paths.best, lambda name: paths.trial(1, name)):
        with pytest.raises(InputError):
            make(name)
    assert paths.trial(1, "icfm-lr=0.001-s42+3").parent == paths.launch(1)
