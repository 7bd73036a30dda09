"""What the terminal says of runs while they train, and how it counts them."""

import io

import pytest
from rich.console import Console
from studies import stop_at_result, toy_study

from ablate.driver.run_study import run_study
from ablate.events import RunEnded, RunReported, RunStarted
from ablate.run_row import Status
from ablate.tracking import terminal
from ablate.tracking.terminal import Progress

ENDED = [Status.OK, Status.FAILED, Status.DIVERGED]


def lines_of(num, before=None, points=(), result=lambda run_id: float("nan"), events=()):
    """The lines of runs that end one after another."""
    console = Console(file=io.StringIO(), width=100)
    names = {str(n): f"run{n}" for n in range(num)}
    progress = Progress(names, ("fid", "val_loss"), console, before=before, result=result)
    for run_id in names:
        progress.on_event(RunStarted(run_id, "trial", 1))
        progress.on_event(RunReported(run_id, points, {"epoch": 3}))
        for event in events or [RunEnded(run_id, Status.OK, "epochs")]:
            progress.on_event(event)
    return progress, console.file.getvalue().splitlines()


def test_counts_go_on_where_a_command_before_stopped(tmp_path, console):
    study = toy_study(tmp_path, factors={"gain": [1, 2, 3]}, seeds=[1, 2], base={"length": 1})
    with pytest.MonkeyPatch.context() as patch:
        stop_at_result(patch, 5)
        with pytest.raises(KeyboardInterrupt):
            run_study(study, console, local=True)
    first = console.export_text()
    num = first.count("ok (")
    assert 1 <= num < 6
    run_study(study, console, local=True)
    then = [line for line in console.export_text().splitlines() if line.startswith("[")]
    assert [line.split("]")[0] for line in then] == [f"[{n}/6" for n in range(num + 1, 7)]


@pytest.mark.parametrize("status", ENDED)
def test_what_ended_before_is_counted_and_takes_no_time_now(monkeypatch, status):
    seconds = iter(range(0, 10_000, 100))
    monkeypatch.setattr(terminal.time, "monotonic", lambda: float(next(seconds)))
    progress, lines = lines_of(14, before=terminal.Counter({status: 10}))
    assert lines[0].startswith("[11/24] run0: ok (epochs)")
    assert lines[-1].startswith("[24/24]")
    assert progress._headline().startswith("24/24 done, 0 running") is True
    assert ("10 failed" in progress._headline()) == status.has_failed


def test_the_studys_metric_is_shown_and_not_what_was_measured_last():
    points = [(1, {"val_loss": 2.0}), (2, {"fid": 12.5, "val_loss": 1.0}), (3, {"val_loss": 0.5})]
    _, [line] = lines_of(1, points=points)
    assert line == "[1/1] run0: ok (epochs)  fid 12.5  0.0 s"
    assert lines_of(1, points=points, result=lambda run_id: 11.25)[1] == [
        "[1/1] run0: ok (epochs)  fid 11.25  0.0 s"
    ]
    assert "val_loss 0.5" in lines_of(1, points=[points[2]])[1][0]
    assert lines_of(1)[1] == ["[1/1] run0: ok (epochs)  0.0 s"]


def test_a_due_line_has_each_runs_metric_with_its_name(monkeypatch):
    monkeypatch.setattr(terminal, "PLAIN_EVERY_S", 0)
    console = Console(file=io.StringIO(), width=200)
    progress = Progress({"a": "run a", "b": "[b] 宽"}, ("fid", "val_loss"), console)
    for run_id, points in (("a", [(1, {"fid": 12.5})]), ("b", [])):
        progress.on_event(RunStarted(run_id, "trial", 1))
        progress.on_event(RunReported(run_id, points, {"epoch": 3}))
    progress.tick()
    told = console.file.getvalue()
    assert "run a epoch 3 (fid 12.5), [b] 宽 epoch 3\n" in told


def test_what_a_run_of_the_study_ends_with_is_what_its_table_has(tmp_path, console):
    """A flow's metric is measured at its end alone, and a counter's best is not its last."""
    study = toy_study(tmp_path, seeds=[1], base={"length": 3})
    ledger = run_study(study, console, local=True)
    text = console.export_text()
    for row in ledger.rows.values():
        assert f"{row.run_name}: ok (done)  score {row.result('score', 'last'):.4g}  " in text
