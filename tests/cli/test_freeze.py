"""`ablate freeze`: the analysis is fixed before there are results."""

import pytest
from studies import toy_study

import ablate
from ablate.cli.main import main
from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.spec.load import save_study
from ablate.study_dir import StudyPaths


@pytest.fixture
def study(tmp_path):
    """A study whose directory is there, without any run."""
    study = toy_study(tmp_path, trainable="toy:Noisy", margin=0.5, seeds=[1, 2, 3])
    save_study(study, StudyPaths(study.directory))
    return study


def freeze(place, capsys):
    code = main(["freeze", str(place)])
    shown = capsys.readouterr()
    return code, " ".join((shown.out + shown.err).split())


def test_what_is_fixed_is_said_and_holds(study, console, capsys):
    code, told = freeze(study.directory, capsys)
    assert code == 0
    assert told == (
        "toys: analysis fixed before the first result (by `ablate freeze`) metric: score, higher "
        "is better reported beside it: nothing margin: 0.5; log scale: off cells: 2, of which 1 "
        "is compared with gain=1 seeds: 1, 2, 3"
    )
    execute(study, Options(local=True), console)
    record = ablate.study_record(study.directory)
    assert record.metric.margin_fixing.text == "fixed before the first result"
    assert record.history.summary == "analysis fixed before the first result (by `ablate freeze`)"


def test_it_is_fixed_once(study, console, capsys):
    freeze(study.directory, capsys)
    before = StudyPaths(study.directory).analysis.read_bytes()
    code, told = freeze(study.directory, capsys)
    assert (code, told.startswith("nothing to do: analysis fixed before the first")) == (0, True)
    assert StudyPaths(study.directory).analysis.read_bytes() == before
    later = study.model_copy(update={"margin": 2.0})
    execute(later, Options(local=True), console)
    code, told = freeze(study.directory, capsys)
    assert code == 2
    assert "margin changed before the first result (0.5 -> 2) only a study" in told
    record = ablate.study_record(study.directory)
    assert [cell.remark for cell in record.metric.cells] == ["", ""], "nothing had been seen"
    assert record.history.log


def test_before_the_first_replicate_has_ended(study, console, capsys):
    """What one looks at until then counts."""
    execute(study, Options(local=True, only="gain=2,seed=1"), console)
    later = study.model_copy(update={"margin": 2.0})
    execute(later, Options(local=True, only="gain=2,seed=2"), console)
    code, told = freeze(study.directory, capsys)
    assert code == 0
    assert "analysis fixed when 1 result was there (by `ablate freeze`)" in told


def test_a_study_that_was_never_run(tmp_path, monkeypatch, console, capsys):
    monkeypatch.chdir(tmp_path)
    grid = tmp_path / "grid.yaml"
    grid.write_text("study: new\ntrainable: toy:Noisy\nmetric: score\nmode: max\n"
                    "factors: {gain: [1, 2]}\nseeds: 2\n")  # fmt: skip
    assert freeze(grid, capsys)[0] == 0
    assert main(["run", str(grid), "--local"]) == 0
    told = "analysis fixed before the first result (by `ablate freeze`)"
    assert told in " ".join(capsys.readouterr().out.split())
    code, told = freeze(grid, capsys)
    assert code == 2
    assert "the study has a directory already: ablate freeze " in told
    assert freeze(tmp_path / "nowhere", capsys)[0] == 2


def test_pairs_and_verdicts_on_all_metrics_are_said(tmp_path, capsys):
    study = toy_study(tmp_path, compare="pairs", verdicts="all", report_metrics=["other"])
    save_study(study, StudyPaths(study.directory))
    _, told = freeze(study.directory, capsys)
    assert "verdicts: about all of them together" in told
    assert "cells: 2, all of them compared in pairs" in told
    assert "gain=1" not in told
