"""Trackers of one's own: named in the YAML, fed while runs train, completed at the end."""

import json

import pytest
from studies import toy_study

from ablate.cli.run import main
from ablate.driver.run_study import run_study
from ablate.errors import InputError
from ablate.events import RunEnded, RunReported


class Lines:
    """Writes what it hears into the study directory, a JSON line each."""

    def __init__(self, tracked):
        self.tracked = tracked
        self.file = tracked.directory / "lines.jsonl"

    def write(self, *what):
        with self.file.open("a") as file:
            file.write(json.dumps(what) + "\n")

    def on_event(self, event):
        name = self.tracked.row(event.run_id).run_name
        if isinstance(event, RunReported):
            self.write("points", name, [step for step, _ in event.points])
        elif isinstance(event, RunEnded):
            self.write("end", name, event.status, self.tracked.row(event.run_id).status)

    def tick(self):
        pass

    def complete(self, run_ids):
        for run_id in run_ids:
            steps = [point["step"] for point in self.tracked.points(run_id)]
            self.write("complete", self.tracked.row(run_id).run_name, steps)

    def tables(self, tables, answer):
        self.write("tables", tables[0].title, tables[0].columns[-1], len(tables[0].rows), answer)

    def close(self):
        self.write("closed")


class Broken(Lines):
    """Fails at the first report."""

    def on_event(self, event):
        if isinstance(event, RunReported):
            raise ValueError("no room\nat all")


def said(study):
    written = (study.directory / "lines.jsonl").read_text()
    return [json.loads(line) for line in written.splitlines()]


def test_a_tracker_hears_of_runs_and_is_completed(tmp_path, console):
    study = toy_study(tmp_path, trackers=["test_trackers:Lines"], seeds=[1], base={"length": 2})
    run_study(study, console, local=True)
    heard = said(study)
    assert heard[:3] == [
        ["points", "gain=1-s1", [1]], ["points", "gain=1-s1", [2]], ["end", "gain=1-s1", "ok", "ok"]
    ]  # fmt: skip
    assert ["complete", "gain=2-s1", [1, 2]] in heard
    assert heard[-2][0:4:2] == ["tables", "verdict"]
    assert heard[-1] == ["closed"]
    (study.directory / "lines.jsonl").unlink()
    run_study(study, console, local=True)  # nothing is left to do
    assert [line[0] for line in said(study)] == ["complete", "complete", "tables", "closed"]


def test_one_that_fails_is_told_once_and_ends_nothing(tmp_path, console):
    study = toy_study(tmp_path, trackers=["test_trackers:Broken", "test_trackers:Lines"])
    ledger = run_study(study, console, local=True)
    assert {row.status for row in ledger.rows.values()} == {"ok"}
    shown = console.export_text()
    assert shown.count("tracker test_trackers:Broken failed") == 1
    assert "ValueError: no room" in shown
    assert said(study)[-1] == ["closed"]


def test_names_are_checked_at_plan_time(tmp_path, capsys, monkeypatch):
    wrong = ["tensorbored", "nowhere:Tracker", "test_trackers:nothing"]
    with pytest.raises(InputError) as error:
        run_study(toy_study(tmp_path, trackers=wrong), local=True)
    told = str(error.value)
    assert "trackers[0] = 'tensorbored': is not a tracker" in told
    assert "trackers[1] = 'nowhere:Tracker': cannot be imported: ModuleNotFoundError" in told
    assert "trackers[2] = 'test_trackers:nothing': cannot be imported: AttributeError" in told
    grid = tmp_path / "grid.yaml"
    grid.write_text("study: t\ntrainable: toy:Counter\nmetric: score\nseeds: [1]\n"
                    "trackers: [tensorbored]\n")  # fmt: skip
    assert main([str(grid), "--plan"]) == 2
    told = capsys.readouterr().err
    assert "is not a tracker" in told
    assert "choices: tensorboard" in told
    assert "(nearest: tensorboard)" in told
