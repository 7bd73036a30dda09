"""Points and checkpoints that no longer fit each other, after a power cut say."""

import json

import pytest
from studies import flow_study, stop_at_result, toy_study

from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.launch.manifest import read_manifest
from ablate.ledger.history import History
from ablate.ledger.ledger import Ledger
from ablate.study_dir import StudyPaths


def run(study, console, **options):
    return execute(study, Options(local=True, **options), console)


def interrupted(study, console, monkeypatch, at):
    with monkeypatch.context() as patch:
        stop_at_result(patch, at)
        assert run(study, console).exit_code == 130


def cut(path, num):
    """Leaves the first points of a curve."""
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:num]))


def test_points_that_are_lost_beside_a_whole_checkpoint(tmp_path, console, monkeypatch):
    """A power cut: the checkpoint was made sure of, the end of the curve was not."""
    study = toy_study(tmp_path, factors={"gain": [1]}, seeds=[1], checkpoint_every_s=0,
                      base={"length": 6})  # fmt: skip
    interrupted(study, console, monkeypatch, at=5)
    paths = StudyPaths(study.directory)
    [run_id] = Ledger(paths).rows
    live = paths.history / f"{run_id}.jsonl"
    cut(live, 2)
    outcome = run(study, console)
    assert "restarted, since points of their curves are lost (1: gain=1-s1)" in (
        console.export_text()
    )
    assert [point["step"] for point in History(paths).read(run_id)] == [1, 2, 3, 4, 5, 6]
    row = outcome.ledger.rows[run_id]
    assert (row["status"], row["score_final"], row["restarted_in"]) == ("ok", 27.0, 2)


def test_points_of_one_run_of_a_pack(tmp_path, console, monkeypatch):
    """Counted run by run, also after a restore: the other one goes on."""
    monkeypatch.setattr("trainables.flow_matching.STEP_S", 0.0)
    base = {"hidden_dim": 64, "num_layers": 2, "epochs": 8}
    study = flow_study(tmp_path / "a", base=base, seeds=[1], pack=2, checkpoint_every_s=0)
    interrupted(study, console, monkeypatch, at=3)
    interrupted(study, console, monkeypatch, at=3)
    paths = StudyPaths(study.directory)
    newest = max(paths.launches.glob("*/*/checkpoint_*"))
    points = read_manifest(newest)["points"]
    history = History(paths)
    assert {i: [num, last] for i, (num, last) in points.items()} == {
        i: [history.num_points(i, last), last] for i, (_, last) in points.items()
    }
    assert min(num for num, _ in points.values()) >= 4
    first, _ = Ledger(paths).rows
    cut(paths.history / f"{first}.jsonl", 1)
    outcome = run(study, console)
    assert "points of their curves are lost (1: icfm-s1)" in console.export_text()
    assert list(outcome.ledger.restarts()) == [first]
    whole = run(flow_study(tmp_path / "b", base=base, seeds=[1]), console).ledger
    for run_id, row in whole.rows.items():
        assert outcome.ledger.history(run_id) == whole.history(run_id)
        assert outcome.ledger.rows[run_id]["sliced_w2_best"] == row["sliced_w2_best"]


def test_a_checkpoint_of_an_earlier_version_counts_no_points(tmp_path, console, monkeypatch):
    study = toy_study(tmp_path, factors={"gain": [1]}, seeds=[1], checkpoint_every_s=0,
                      base={"length": 6})  # fmt: skip
    interrupted(study, console, monkeypatch, at=4)
    [path] = StudyPaths(study.directory).launches.glob("1/*/checkpoint_*/manifest.json")
    manifest = json.loads(path.read_text())
    del manifest["points"]
    path.write_text(json.dumps(manifest))
    outcome = run(study, console)
    assert not outcome.ledger.restarts()
    assert outcome.exit_code == 0


@pytest.mark.parametrize("behind", [b'{"score": 1', b"\xff\xfe\n", bytes(40)])
def test_a_torn_end_never_meets_the_next_point(tmp_path, console, monkeypatch, behind):
    """The curve is behind, or ahead of, the checkpoint that the run goes on from."""
    study = toy_study(tmp_path, factors={"gain": [1]}, seeds=[1], checkpoint_every_s=0,
                      base={"length": 6})  # fmt: skip
    interrupted(study, console, monkeypatch, at=4)
    paths = StudyPaths(study.directory)
    [run_id] = Ledger(paths).rows
    with (paths.history / f"{run_id}.jsonl").open("ab") as file:
        file.write(behind)
    outcome = run(study, console)
    assert [p["step"] for p in outcome.ledger.history(run_id)] == [1, 2, 3, 4, 5, 6]
    assert outcome.ledger.rows[run_id]["score_best"] == 27.0
