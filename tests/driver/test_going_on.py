"""What must hold when a study goes on after something has changed: code, data, place, names."""

import importlib.metadata
import json
from pickle import UnpicklingError
from types import SimpleNamespace

import numpy as np
import pytest
from studies import flow_study, stop_at_result, toy_study
from toy import Counter

from ablate.cli.main import main
from ablate.cli.resume_command import resume_command
from ablate.cli.run import build_parser
from ablate.driver.session import execute
from ablate.errors import AblateError, InputError
from ablate.events import Failure, RunEnded
from ablate.launch.base import Options
from ablate.launch.checkpoints import newest_checkpoints
from ablate.launch.host import hosted
from ablate.launch.local import LocalTrial
from ablate.launch.manifest import write_manifest
from ablate.launch.ray.backend import restore
from ablate.launch.ray.launch_record import LaunchRecord, restorable_launch
from ablate.launch.trial_events import TrialEvents
from ablate.ledger.ledger import Ledger
from ablate.ledger.provenance import code_hash
from ablate.ledger.seals import seal_of
from ablate.plan.plan import plan_study
from ablate.run_row import RunRows
from ablate.spec.load import load_saved_study, save_study
from ablate.study_dir import StudyPaths
from ablate.trainable.contract import REPORT_KEY
from ablate.trainable.registry import TrainableEntry


def run(study, console, **options):
    return execute(study, Options(local=True, **options), console)


def interrupted(study, console, monkeypatch, at):
    with monkeypatch.context() as patch:
        stop_at_result(patch, at)
        assert run(study, console).exit_code == 130


def test_a_restored_trial_ends_without_the_runs_that_had_ended():
    """Tune tells of an errored trial once more when a launch is restored."""
    trial = LocalTrial("a+1", {REPORT_KEY: {"runs": [{"run_id": "a"}, {"run_id": "b"}],
                                             "launch": 1}})  # fmt: skip
    events = TrialEvents(settled=["a"])
    assert [event.run_id for event in events.started(trial)] == ["b"]
    [end] = events.ended(trial, failed=True, failure=Failure("RuntimeError", "x"))
    assert isinstance(end, RunEnded)
    assert end.run_id == "b"


@pytest.mark.parametrize("policy", ["keep", "rerun"])
def test_a_run_begun_with_other_code(tmp_path, console, monkeypatch, policy):
    """It goes on, and says so for good, or it begins again."""
    study = toy_study(tmp_path, factors={"gain": [1]}, seeds=[1], checkpoint_every_s=0,
                      on_code_change=policy)  # fmt: skip
    interrupted(study, console, monkeypatch, at=3)
    monkeypatch.setattr("ablate.ledger.code_today.hash_of", lambda path: "other")
    outcome = run(study, console)
    [row] = outcome.ledger.rows.values()
    fate = {
        "keep": "resuming with today's (on_code_change: keep)",
        "rerun": "starting over (on_code",
    }
    assert f"different training code: {fate[policy]}" in console.export_text()
    mixed = "resumed with different training code"
    assert (row.get("warnings") == mixed) == (policy == "keep")
    log = StudyPaths(study.directory).log(row["run_name"]).read_text()
    assert log.count("step 1 total") == (1 if policy == "keep" else 2)
    assert row["score_final"] == 14.0


def test_no_run_is_trained_on_two_versions_of_the_data(tmp_path, console, monkeypatch):
    monkeypatch.setattr("trainables.flow_matching.STEP_S", 0.0)
    path = tmp_path / "rows.npy"
    np.save(path, np.random.default_rng(0).normal(size=(100, 2)))
    base = {"scale": "tiny", "epochs": 4, "data": {"source": "npy", "path": str(path)}}
    study = flow_study(tmp_path, base=base, factors={"flow": ["icfm"]}, seeds=[1],
                       checkpoint_every_s=0)  # fmt: skip
    interrupted(study, console, monkeypatch, at=3)
    np.save(path, np.random.default_rng(1).normal(size=(100, 2)))
    with pytest.raises(InputError, match=r"since earlier runs started \(1: icfm-s1\)"):
        run(study, console)
    outcome = run(study, console, accept_changed_data=True)
    [(run_id, row)] = outcome.ledger.rows.items()
    assert (row["status"], row["restarted_in"], row.get("stats_mismatch")) == ("ok", 2, "")
    assert outcome.ledger.history(run_id)[0]["step"] < 10


def test_a_run_that_began_again_never_goes_back(tmp_path):
    """Its older checkpoints stay, for those that shared a pack with it, and are further on."""
    paths = StudyPaths(tmp_path)
    for launch, steps in ((1, {"a": 90, "b": 90}), (2, {"a": 10})):
        folder = paths.launch(launch) / "trial" / "checkpoint_000001"
        folder.mkdir(parents=True)
        write_manifest(folder, {"runs": list(steps), "steps": steps, "seconds": {}})
    found = newest_checkpoints(paths, {"a": 2})
    launches = {i: folder.parent.parent.name for i, folder in found.items()}
    assert launches == {"a": "2", "b": "1"}


def test_checkpoints_are_read_once_as_long_as_they_stay(tmp_path, monkeypatch):
    paths = StudyPaths(tmp_path)
    folder = paths.launch(1) / "trial" / "checkpoint_000001"
    folder.mkdir(parents=True)
    (folder / "weights.pt").write_bytes(b"x" * 99)
    write_manifest(folder, {"runs": ["a"], "steps": {"a": 1}, "seconds": {}})
    sealed = []
    monkeypatch.setattr("ablate.launch.manifest.seal_of",
                        lambda path: sealed.append(path) or seal_of(path))  # fmt: skip
    for _ in range(2):
        assert newest_checkpoints(paths) == {"a": folder}
    assert sealed == [folder / "weights.pt"]
    (folder / "weights.pt").write_bytes(b"y" * 98)
    assert newest_checkpoints(paths) == {}


def test_an_interrupted_retry_leaves_the_others_to_do(tmp_path, console, monkeypatch):
    study = toy_study(tmp_path, factors={"fail": ["setup", "step"]}, retries=0, seeds=[1])
    assert run(study, console).exit_code == 1

    def stop(*args, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ablate.launch.local.train_once", stop)
        assert run(study, console, retry_failed=True).exit_code == 130
    statuses = {row["status"] for row in Ledger(StudyPaths(study.directory)).rows.values()}
    assert statuses == {"interrupted"}


def test_fresh_keeps_the_directory_where_the_command_cannot_start(tmp_path, console):
    study = toy_study(tmp_path, seeds=[1])
    run(study, console)
    with pytest.raises(InputError):
        run(study, console, fresh=True, only="rat=1")
    assert [path.name for path in study.directory.parent.iterdir()] == ["toys"]


def known(study):
    ledger = Ledger(StudyPaths(study.directory))
    return repr([(row, ledger.history(run_id)) for run_id, row in ledger.rows.items()])


@pytest.mark.parametrize("options", [{}, {"fresh": True}, {"retry_failed": True}])
def test_a_command_that_cannot_start_changes_nothing(tmp_path, console, monkeypatch, options):
    fails = {"fail": ["none", "step", "nan"]}
    study = toy_study(tmp_path, factors=fails, seeds=[1], on_code_change="rerun", retries=0)
    run(study, console)
    before = known(study)
    monkeypatch.setattr("ablate.ledger.code_today.hash_of", lambda path: "other")
    with pytest.raises(AblateError, match="nothing answers there"):
        execute(study, Options(address="127.0.0.1:1", **options), console)
    assert known(study) == before
    assert [path.name for path in tmp_path.iterdir()] == ["toys"]


def test_a_launch_whose_configs_were_edited_is_not_restored(tmp_path):
    """Not all keys are in a run's id."""
    records = []
    for nll in (False, True):
        study = flow_study(tmp_path, base={"nll": nll, "epochs": 2})
        records.append(LaunchRecord.of(study, plan_study(study).runs))
    assert records[0].runs.keys() == records[1].runs.keys()
    paths = StudyPaths(study.directory)
    records[0].write(paths.launch_record(1))
    assert records[0].runs != records[1].runs
    assert restorable_launch(paths, study, plan_study(study).runs, RunRows()) == (None, "")
    records[1].write(paths.launch_record(1))
    torn = "the Tune state of launch 1 is torn or missing"
    assert restorable_launch(paths, study, plan_study(study).runs, RunRows()) == (None, torn)


@pytest.mark.parametrize(
    ("text", "is_torn"),
    [
        ('{"runs": ["a"], "settings": {}}', False), ('{"runs": {}, "settings": {}}', False),
        ("[]", True), ("1", True), ("null", True), ("{}", True), ('{"runs": ["a"]}', True),
        ('{"runs": 3, "settings": {}}', True), ('{"runs": {}, "settings": []}', True),
        ('{"runs": {}, "settings": {}, "versions": 3}', True), ('{"runs": {"a', True),
    ],
)  # fmt: skip
def test_a_record_of_the_first_kind_is_no_torn_one(tmp_path, text, is_torn):
    study = toy_study(tmp_path)
    paths = StudyPaths(study.directory)
    paths.launch(1).mkdir(parents=True)
    paths.launch_record(1).write_text(text)
    why_not = "the record of launch 1 is torn" if is_torn else ""
    assert restorable_launch(paths, study, [], RunRows()) == (None, why_not)


def test_a_mistake_of_ours_is_no_record_of_the_first_kind(tmp_path):
    study = toy_study(tmp_path)
    paths, runs = StudyPaths(study.directory), plan_study(study).runs
    LaunchRecord.of(study, runs).write(paths.launch_record(1))
    with pytest.raises(AttributeError):
        restorable_launch(paths, study, runs, None)


@pytest.mark.parametrize("name", ["python", "ray", "ablate", "none"])
def test_a_launch_of_another_version_is_not_restored(tmp_path, monkeypatch, name):
    """Its pickles may mean something else by now; the runs' own checkpoints do not."""
    study = toy_study(tmp_path)
    paths, runs = StudyPaths(study.directory), plan_study(study).runs
    LaunchRecord.of(study, runs).write(paths.launch_record(1))
    if name == "python":
        monkeypatch.setattr("platform.python_version", lambda: "3.99.0")
    elif name == "none":
        record = json.loads(paths.launch_record(1).read_text())
        del record["versions"]
        paths.launch_record(1).write_text(json.dumps(record))
    else:
        version = importlib.metadata.version
        monkeypatch.setattr("importlib.metadata.version",
                            lambda asked: "99.0" if asked == name else version(asked))  # fmt: skip
    number, why_not = restorable_launch(paths, study, runs, RunRows())
    assert number is None
    made_with = "an earlier version" if name == "none" else "python 3.1"
    assert why_not.startswith(f"launch 1 was made with {made_with}")
    assert ("99.0" in why_not.partition("this is")[2]) == (name != "none")


@pytest.mark.parametrize("error", [ImportError, AttributeError, TypeError, KeyError, EOFError,
                                   ModuleNotFoundError, UnpicklingError, ValueError])  # fmt: skip
def test_whatever_tune_raises_on_a_restore_a_new_launch_follows(error):
    def fail():
        raise error("no")

    said = []
    broadcast = SimpleNamespace(failure=None, has_told=False)
    launch = SimpleNamespace(restore=fail, number=1)
    restore(launch, SimpleNamespace(broadcast=broadcast, say=said.append))
    assert f"({error.__name__}); resuming from the runs' own checkpoints" in said[0]
    broadcast.has_told = True  # then it is no state of Tune's that fails
    with pytest.raises(error):
        restore(launch, SimpleNamespace(broadcast=broadcast, say=said.append))


def test_a_directory_that_has_moved_is_whole_and_starts_a_new_launch(tmp_path):
    study = toy_study(tmp_path, base={"length": float("inf"), "name": "1e-3"}, seeds=[1])
    paths = StudyPaths(study.directory)
    paths.launch(1).mkdir(parents=True)
    (study.directory / "study.yaml").touch()
    save_study(study, paths)
    record = {"runs": ["x"], "settings": {}}
    paths.launch_record(1).write_text(json.dumps(record))
    moved = tmp_path / "elsewhere" / "toys (copy)"
    moved.parent.mkdir()
    study.directory.rename(moved)
    found = load_saved_study(moved)
    assert found.directory == moved
    assert found.base == study.base
    save_study(found, StudyPaths(moved))
    assert load_saved_study(moved) == found
    assert restorable_launch(StudyPaths(moved), found, [], RunRows()) == (None, "")


class Odd(Counter):
    """Reports what the ledger has columns for, and numpy's numbers."""

    def setup(self, config):
        super().setup(config)
        self._steps, self._host, self._warnings = 0, "mine", None

    def _warn(self, text):
        raise AssertionError("not Ablate's to call")

    def step(self):
        self._steps += 1
        found = super().step()
        return {**found, "score": np.float32(found["score"]), "step": 100 * self._steps,
                "seed": 7, "error": 0.5, "epoch": 2.5, "flag": np.bool_(True)}  # fmt: skip


def test_trainables_of_ones_own_may_use_any_name(tmp_path, console):
    study = toy_study(tmp_path, trainable="test_going_on:Odd", factors={"gain": [1]}, seeds=[3],
                      base={"length": 2})  # fmt: skip
    outcome = run(study, console)
    [(run_id, row)] = outcome.ledger.rows.items()
    told = {name: row.get(name) for name in ("status", "seed", "error", "epoch", "score_final")}
    assert told == {"status": "ok", "seed": 3, "error": None, "epoch": None, "score_final": 9.0}
    assert [point["step"] for point in outcome.ledger.history(run_id)] == [1, 2]
    with pytest.raises(
        InputError, match=r"metric = 'error': the ledger already has a column of that name"
    ):
        toy_study(tmp_path, metric="error")
    assert hosted(Odd)._Hosting__can_save


def test_the_code_of_a_package_is_all_of_it(tmp_path, monkeypatch):
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "training.py").write_text("x = 1\n")
    (package / ".#training.py").symlink_to("nobody@nowhere")  # an editor's lock
    monkeypatch.syspath_prepend(tmp_path)
    entry = TrainableEntry("mine:T", "mine:T")
    before = code_hash(entry)
    (package / "training.py").write_text("x = 2\n")
    assert code_hash(entry) != before


def test_the_command_finds_modules_of_the_folder_it_is_run_in(tmp_path, monkeypatch, capsys):
    (tmp_path / "own_module.py").write_text("from toy import Counter as Mine\n")
    (tmp_path / "grid.yaml").write_text(
        "study: t\ntrainable: own_module:Mine\nmetric: score\nseeds: [1]\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "grid.yaml"]) == 0


@pytest.mark.parametrize(
    ("trace", "kind", "message"),
    [
        ("ray::train()\n  File \"a.py\", line 1, in step\n    raise X\nmine.Stop: solver blew up",
         "Stop", "solver blew up"),
        ("ray::train()\n  File \"a.py\", line 1\n    x\nKeyError: 'k'\n\nThe above exception was "
         "the direct cause of the following exception:\n\n  File \"a.py\", line 2\n    y\n"
         "mine.Failure: no k\nhint: look at k", "Failure", "no k"),
        ("ray::train()\n  File \"a.py\", line 1\n    next(x)\nStopIteration", "StopIteration", ""),
        ("ray.exceptions.OutOfMemoryError: Task was killed", "OutOfMemoryError", "Task was killed"),
        ("The actor died unexpectedly before finishing this task.\n class_name: T",
         "WorkerDied", "the worker process died without an exception"),
    ],
)  # fmt: skip
def test_what_was_raised_is_named(trace, kind, message):
    failure = Failure.of_trace(trace)
    assert (failure.kind, failure.message) == (kind, message)


def test_names_of_levels_survive_saving(tmp_path):
    study = toy_study(tmp_path, factors={"rate": {"1e-3": {"gain": 1}, "off": {"gain": 2}}})
    save_study(study, StudyPaths(tmp_path / "toys"))
    assert load_saved_study(tmp_path / "toys").factors == study.factors


@pytest.mark.parametrize("has_begun", [False, True])
def test_the_command_to_go_on_keeps_what_has_not_taken_effect(tmp_path, has_begun):
    """The directory may be an older one: only the ledger says that a command has begun."""
    study = toy_study(tmp_path)
    study.directory.mkdir()
    (study.directory / "study.yaml").touch()
    typed = ["g.yaml", "--fresh", "--retry-failed", "--set", "seeds=3", "--set",
             "tracking.project=p"]  # fmt: skip
    told = resume_command(build_parser().parse_args(typed), study, has_begun)
    for once in ("--fresh", "--retry-failed", "seeds=3", "g.yaml"):
        assert (once in told) != has_begun
    assert "tracking.project=p" in told
