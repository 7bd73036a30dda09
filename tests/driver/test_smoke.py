"""`--smoke` tries every cell for two steps, says how that went, and stops."""

import pytest
from studies import by_name, flow_study, toy_study

from ablate.cli.main import main
from ablate.driver.smoke import try_cells
from ablate.errors import StudyInUseError
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.ledger.lock import driver_lock
from ablate.study_dir import StudyPaths

LOCAL = Options(local=True)


def test_every_cell_is_tried_before_the_study(tmp_path, console):
    study = flow_study(tmp_path, factors={"flow": ["icfm", "reflow"]})
    outcome = try_cells(study, LOCAL, console)
    assert outcome.exit_code == 0
    assert {row["step"] for row in outcome.ledger.rows.values()} == {2}
    assert all(row["sliced_w2_best"] > 0 for row in outcome.ledger.rows.values())
    assert not any(run.config["keep_samples"] for run in outcome.plan.runs)
    assert "smoke: 2 of 2 cells tried: they start, end and are measured" in console.export_text()
    assert [path.name for path in study.directory.iterdir()] == [".lock"]


def test_nothing_is_tried_where_another_driver_works(tmp_path, console):
    study = toy_study(tmp_path)
    with driver_lock(StudyPaths(study.directory).lock):
        with pytest.raises(StudyInUseError):
            try_cells(study, LOCAL, console)
        assert [path.name for path in study.directory.iterdir()] == [".lock"]


def test_only_some_cells_are_tried_where_only_some_will_run(tmp_path, console):
    study = toy_study(tmp_path, factors={"fail": ["none", "setup"]}, base={"length": 99})
    tried = try_cells(study, Options(local=True, only="fail=none,seed=2"), console)
    assert tried.exit_code == 0
    assert "smoke: 1 of 2 cells tried: they start, end and are measured" in console.export_text()


def test_a_cell_that_fails_is_known_before_the_study(tmp_path, console):
    study = toy_study(tmp_path, factors={"fail": ["none", "setup"]}, base={"length": 99})
    outcome = try_cells(study, LOCAL, console)
    assert outcome.exit_code == 1
    rows = by_name(outcome.ledger)
    assert (rows["none-s1"]["status"], rows["none-s1"]["step"]) == ("ok", 2)
    text = console.export_text()
    assert "smoke: setup-s1 failed: ValueError: no such thing as a good setup" in text
    assert "smoke: 1 of 2 cells failed" in text
    assert "smoke: the study was not started" in text
    assert not StudyPaths(study.directory).runs_parquet.exists()


GRID = """
study: toys
trainable: toy:Counter
metric: score
mode: max
base: {{length: 4}}
factors: {{fail: [none, {fail}]}}
seeds: [1, 2]
retries: 0
"""


@pytest.fixture
def smoke(tmp_path, monkeypatch, capsys):
    """Runs the command on a study of two cells, one of which may fail; gives code and output."""
    monkeypatch.chdir(tmp_path)

    def smoke(*arguments, fail="none-either"):
        (tmp_path / "grid.yaml").write_text(GRID.format(fail=fail), encoding="utf-8")
        code = main(["run", "grid.yaml", "--local", *arguments])
        rows = Ledger(StudyPaths(tmp_path / "studies" / "toys")).rows.values()
        captured = capsys.readouterr()
        return code, len(rows), " ".join((captured.out + captured.err).split())

    return smoke


def test_trying_every_cell_stops_there_and_goes_on_where_asked(smoke):
    code, num_rows, told = smoke("--smoke")
    assert (code, num_rows) == (0, 0)
    assert "smoke: 2 of 2 cells tried: they start, end and are measured smoke: took " in told
    assert "smoke: 4 of 4 runs are to do; how long they take shows when the first" in told
    assert told.endswith("smoke: the study was not started: add --go, or leave --smoke out")
    code, num_rows, told = smoke("--smoke", "--go")
    assert (code, num_rows) == (0, 4)
    assert "[4/4]" in told
    assert "smoke: the study was not started" not in told
    _, _, told = smoke("--smoke", "--set", "seeds=[1, 2, 3]")
    assert "smoke: 2 of 6 runs are to do: about 0 s of training" in told


@pytest.mark.parametrize("go", [[], ["--go"]])
def test_nothing_goes_on_where_a_cell_failed(smoke, go):
    code, num_rows, told = smoke("--smoke", *go, fail="setup")
    assert (code, num_rows) == (1, 0)
    assert "smoke: setup-s1 failed: ValueError: no such thing as a good setup" in told
    assert "smoke: took " in told
    assert "of training" not in told


def test_going_on_is_asked_after_trying_alone(smoke):
    code, num_rows, told = smoke("--go")
    assert (code, num_rows) == (2, 0)
    assert "--go goes on after --smoke" in told
