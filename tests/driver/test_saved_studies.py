"""Study directories that earlier versions made, kept in `saved/`, go on as they are."""

import shutil
from pathlib import Path

import pytest
from outcomes import histories
from studies import by_name, toy_study

from ablate.analysis.background import how_it_came
from ablate.cli.main import main
from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.spec.load import load_saved_study
from ablate.study_dir import StudyPaths

SAVED = Path(__file__).parents[1] / "saved"


def saved(name, folder):
    """A copy to go on with; the kept one stays as it is."""
    return load_saved_study(Path(shutil.copytree(SAVED / name, folder / name)))


def ends(ledger):
    return {name: row.get("ended_at") for name, row in by_name(ledger).items()}


def test_a_finished_study_trains_nothing_again(tmp_path, console):
    study = saved("finished", tmp_path)
    before = Ledger(StudyPaths(study.directory))
    after = execute(study, Options(local=True), console)
    assert after.exit_code == 0
    assert ends(after.ledger) == ends(before)
    assert histories(after.ledger) == histories(before)
    assert not list(study.directory.glob("launches/*"))


def test_an_interrupted_study_does_what_is_left(tmp_path, console):
    """Also with `on_code_change: rerun`: it is Ablate that has changed."""
    study = saved("interrupted", tmp_path)
    before = ends(Ledger(StudyPaths(study.directory)))
    after = execute(study, Options(local=True), console)
    assert after.exit_code == 0
    rows = by_name(after.ledger)
    assert {name for name in rows if rows[name]["launch"] == 2} == {"long-gain=1-s1",
                                                                    "long-gain=2-s1"}  # fmt: skip
    assert [rows[name]["ended_at"] for name in before if before[name]] == [
        end for end in before.values() if end
    ]
    for gain in (1, 2):
        name = f"long-gain={gain}-s1"
        log = StudyPaths(study.directory).log(name).read_text()
        assert log.count("step 1 total") == 1, "from its checkpoint"
        assert rows[name]["score_final"] == gain * 60 * 61 / 2 + 60
    assert "training code" not in console.export_text()


def test_rows_of_both_kinds_tell_of_one_code(tmp_path, console):
    """The older ones have a hash of the trainable's package, the others of each file, too."""
    study = saved("interrupted", tmp_path)
    plan = execute(study, Options(local=True), console).plan
    rows = Ledger(StudyPaths(study.directory)).rows
    assert sorted(bool(row.get("code_files")) for row in rows.values()) == [False] * 2 + [True] * 2
    told = [note for note in how_it_came(plan, rows) if "training code" in note]
    assert told == []
    next(iter(rows.values()))["code_hash"] = "other"
    assert "the runs were made with 2 versions of the training code" in how_it_came(plan, rows)


@pytest.mark.parametrize("command", ["run", "report", "status", "sync"])
def test_a_directory_of_a_newer_version_is_left_alone(tmp_path, console, capsys, command):
    study = toy_study(tmp_path)
    execute(study, Options(local=True), console)
    (study.directory / ".format").write_text("99\n")
    (study.directory / "study.yaml").write_text("a: format\nof: tomorrow\n")
    before = {path: path.stat().st_mtime_ns for path in study.directory.rglob("*")}
    place = ["--resume", str(study.directory)] if command == "run" else [str(study.directory)]
    assert main([command, *place]) == 2
    assert "has format 99, made by a newer Ablate" in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in study.directory.rglob("*")}
