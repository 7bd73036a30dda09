"""`ablate evaluate --samples`: what finished runs would have kept themselves."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from outcomes import kept_files
from ray.tune import Trainable
from studies import by_name, flow_study, toy_study

from ablate import study_record
from ablate.cli.main import main
from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.samples.kept import read_samples
from ablate.spec.load import save_study
from ablate.study_dir import StudyPaths
from ablate.trainable.contract import KeptSamples, TrainableHooks

LOCAL = Options(local=True)
BASE = {"scale": "tiny", "epochs": 1, "solver_steps": 2, "data": {"source": "moons", "rows": 300}}
SAVED = Path(__file__).parents[1] / "saved" / "finished"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from rich.console import Console

    study = flow_study(tmp_path_factory.mktemp("study"), base=BASE, seeds=[1])
    with open("/dev/null", "w") as nowhere:
        execute(study, LOCAL, Console(file=nowhere))
    return study


@pytest.fixture
def study(trained, tmp_path):
    """A copy, to lose files of."""
    shutil.copytree(trained.directory, tmp_path / trained.study)
    return trained.model_copy(update={"storage": str(tmp_path)})


def evaluated(study, *more):
    return main(["evaluate", str(study.directory), *more])


def test_they_are_those_that_the_runs_kept(study, capsys):
    kept = kept_files(study)
    assert len(kept) == 3, "two runs and their data"
    shutil.rmtree(study.directory / "samples")
    assert evaluated(study, "--samples") == 0
    assert kept_files(study) == kept
    out = capsys.readouterr().out
    assert "samples: 2 runs sampled, 0 had them before" in out
    assert f"ablate report {study.directory} shows them" in out
    StudyPaths(study.directory).samples("vp-s1").write_bytes(kept["icfm-s1.parquet"][:-9])
    assert evaluated(study, "--samples", "--metric", "nll") == 0
    out = capsys.readouterr().out
    assert "samples: 1 run sampled, 1 had them before" in out
    assert "nll: 2 runs evaluated, 0 had it before" in out
    assert kept_files(study) == kept


def test_who_asks_for_more_gets_more(study, capsys):
    paths = StudyPaths(study.directory)
    for num, told in ((300, "2 runs sampled, 0 had"), (200, "0 runs sampled, 2 had")):
        save_study(study.model_copy(update={"base": {**BASE, "keep_samples": num}}), paths)
        assert evaluated(study, "--samples") == 0
        assert told in capsys.readouterr().out
        assert len(read_samples(paths.samples("vp-s1")).rows) == 300


def test_a_run_without_weights_is_told_and_the_others_go_on(study, capsys):
    paths = StudyPaths(study.directory)
    shutil.rmtree(study.directory / "samples")
    paths.best("icfm-s1").unlink()
    assert evaluated(study, "--samples") == 1
    out = capsys.readouterr().out
    assert "icfm-s1: has no best weights: " in out
    assert "samples: 1 run sampled, 0 had them before, 1 failed" in out
    assert paths.samples("vp-s1").exists()


def test_a_study_of_before_has_them_later(tmp_path, capsys):
    shutil.copytree(SAVED, tmp_path / "finished")
    assert main(["evaluate", str(tmp_path / "finished"), "--samples"]) == 0
    assert "samples: 2 runs sampled, 0 had them before" in capsys.readouterr().out
    kept = read_samples(StudyPaths(tmp_path / "finished").samples("vp-s1"))
    assert (kept.rows.shape, kept.shape) == ((256, 64), (1, 8, 8))


def test_a_run_that_begins_anew_has_no_samples_of_before(study, console):
    paths = StudyPaths(study.directory)
    paths.best("vp-s1").unlink()
    none = study.model_copy(update={"base": {**BASE, "keep_samples": 0}})
    assert study_record(study.directory).can_sample
    assert execute(none, Options(local=True, retry_failed=True), console).exit_code == 0
    assert paths.best("vp-s1").exists()
    assert not paths.samples("vp-s1").exists()
    assert paths.samples("icfm-s1").exists()
    assert not study_record(none.directory).can_sample, "who wants none is not told how"
    assert evaluated(none, "--samples") == 0, "who asks for them has as many as by default"
    assert len(read_samples(paths.samples("vp-s1")).rows) == 256


def test_what_cannot_be_is_one_clear_error(study, tmp_path, capsys):
    assert evaluated(study) == 2
    assert "--metric" in (told := capsys.readouterr().err)
    assert "--samples" in told
    toys = toy_study(tmp_path)
    save_study(toys, StudyPaths(toys.directory))
    assert evaluated(toys, "--samples") == 2
    assert "toy:Counter: nothing says how to make samples" in capsys.readouterr().err
    new = flow_study(tmp_path, study="new", base=BASE)
    save_study(new, StudyPaths(new.directory))
    assert evaluated(new, "--samples") == 2
    assert "no run has finished" in capsys.readouterr().err
    ledger = Ledger(StudyPaths(study.directory))
    with ledger.writing():
        ledger.patch(by_name(ledger)["vp-s1"].run_id, data_fingerprint="1x1-0")
    assert evaluated(study, "--samples") == 2
    assert "data have changed since 1 finished runs were made (vp-s1)" in capsys.readouterr().err


def numbered(best, config):
    """The number in the weights, over and over; of the second cell none can be made."""
    if config["gain"] == 2:
        raise ValueError("no such gain")
    rows = np.full((4, 1), float(best.read_text()), np.float32)
    return KeptSamples(rows=rows, shape=(1,), weights="final", step=3, solver="none"), None


class Numbered(Trainable):
    """A trainable of one's own."""

    ablate = TrainableHooks(keep_samples="test_evaluate_samples:numbered")

    def step(self):
        return {"score": 1.0, "done": True}


def test_a_trainable_of_ones_own_says_how(tmp_path, console, capsys):
    study = toy_study(tmp_path, trainable="test_evaluate_samples:Numbered", seeds=[1])
    execute(study, LOCAL, console)
    paths = StudyPaths(study.directory)
    for name in ("gain=1-s1", "gain=2-s1"):
        paths.best(name).parent.mkdir(parents=True)
        paths.best(name).write_text("5")
    assert evaluated(study, "--samples") == 1
    assert "gain=2-s1: ValueError: no such gain" in capsys.readouterr().out
    assert read_samples(paths.samples("gain=1-s1")).rows.tolist() == [[5.0]] * 4
