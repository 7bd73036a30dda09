"""How often a trial fails by itself, as its worker counts it: on Ray, Tune retries without end."""

import errno
import os
import shutil

import pytest
from studies import toy_study
from toy import Counter

from ablate.events import Failure
from ablate.launch.host import hosted
from ablate.launch.ray.attempts import Attempt, Attempts
from ablate.launch.ray.retry_limit import retry_limited
from ablate.launch.trials import trial_config
from ablate.plan.packing import packs_of
from ablate.plan.plan import plan_study
from ablate.study_dir import StudyPaths
from ablate.trainable.contract import REPORT_KEY


def refusing(number, path):
    def refuse(*args, **options):
        raise OSError(number, os.strerror(number), str(path))

    return refuse


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """A trial in a worker of Ray's, as far as it counts how often it fails."""
    monkeypatch.setattr("ablate.launch.ray.retry_limit.own_node", lambda: "here")
    study = toy_study(tmp_path, seeds=[1], factors={"fail": ["step"]})
    paths, plan = StudyPaths(study.directory), plan_study(study)
    paths.launch(1).mkdir(parents=True)
    paths.uid.write_text("x")
    [pack] = packs_of(plan, plan.runs, {}, 1)
    config = trial_config(plan, pack, paths, 1, {}, False)
    attempts = Attempts.of(config)
    attempts.folder.mkdir()
    return lambda: retry_limited(hosted(Counter))(config), attempts, paths


def test_a_fault_of_the_storage_uses_up_no_retry(counted, monkeypatch):
    begin, attempts, paths = counted
    trial = begin()
    refuse = refusing(errno.ENOSPC, paths.root / "launches" / "x")
    with monkeypatch.context() as patch:
        patch.setattr(Counter, "save_checkpoint", refuse)
        trial.save(str(attempts.folder))
    assert trial.train()[REPORT_KEY][0]["status"] == "halted"
    assert attempts.failed == []


@pytest.mark.parametrize("where", ["setup", "step"])
def test_what_fails_by_itself_is_counted_once(counted, monkeypatch, where):
    begin, attempts, _ = counted

    def fail(self, *args):
        raise ValueError(where)

    monkeypatch.setattr(Counter, where, fail)
    with pytest.raises(ValueError, match=where):
        begin().train()
    assert [(one.failure.kind, one.failure.message) for one in attempts.failed] == [
        ("ValueError", where)
    ]


@pytest.mark.parametrize(
    ("error", "was_signalled", "is_final"),
    [
        (UnboundLocalError("x"), False, True),
        (AttributeError("x"), False, True),
        (NotImplementedError("x"), False, True),
        (AttributeError("x"), True, False),  # who ends a process makes all kinds of errors
        (RuntimeError("x"), False, False),
        (ModuleNotFoundError("x"), False, False),  # on this machine
        (KeyError("x"), False, False),
    ],
)
def test_a_mistake_of_code_is_not_made_again(counted, monkeypatch, error, was_signalled, is_final):
    begin, attempts, _ = counted

    def fail(self, *args):
        raise error

    monkeypatch.setattr(Counter, "step", fail)
    monkeypatch.setattr("ablate.launch.ray.retry_limit.was_signalled", lambda: was_signalled)
    with pytest.raises(type(error)):
        begin().train()
    assert [one.is_final for one in attempts.failed] == [is_final]
    assert (attempts.fatal(lambda node: True) is not None) is is_final


def test_a_study_that_was_removed_does_not_come_back(counted):
    begin, _, paths = counted
    trial = begin()
    shutil.rmtree(paths.root)
    assert trial.train()[REPORT_KEY][0]["status"] == "halted"
    with pytest.raises(FileNotFoundError):
        Attempts(paths.launch(1) / "trial", 1).begin("here")
    assert not paths.root.exists()


def test_attempts_outlive_a_torn_line(tmp_path):
    attempts = Attempts(tmp_path / "trial", retries=1)
    for number in range(2):
        attempts.add(Attempt(Failure("Error", f"caf\u00e9 {number}")))
        with (attempts.folder / "failures.jsonl").open("ab") as file:
            file.write(b'{"failure": {"kind": "\xff')
    assert [one.failure.message for one in attempts.failed] == ["caf\u00e9 0", "caf\u00e9 1"]
