"""What the terminal says of runs while they train, and how it counts them."""

import contextlib
import io
import math
import pdb
import sys
import threading
import time

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from studies import stop_at_result, toy_study, wait_for

from ablate.driver.run_study import run_study
from ablate.events import Failure, RunEnded, RunReported, RunStarted
from ablate.plan.time_left import Durations, seconds_left
from ablate.run_row import RunRows, Status
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
def test_what_ended_before_is_counted(status):
    progress, lines = lines_of(14, before=terminal.Counter({status: 10}))
    assert lines[0].startswith("[11/24] run0: ok (epochs)")
    assert lines[-1].startswith("[24/24]")
    assert progress.glance.text == "24/24 done" + ", 10 failed" * status.has_failed


@pytest.mark.parametrize(
    ("messages", "told_after"),
    [
        (["at 0x7f", "at 0x80", "at 0x9", "at 0x1", "other"], 3),
        (["a", "a", "b", "a", "a", "a"], None),
        (["a", None, "a", "a", "a"], None),
        (["a", "a", "a"], None),  # nothing is left to be done
    ],
)
def test_runs_that_fail_alike_from_the_first_on_are_told_once(messages, told_after):
    console = Console(file=io.StringIO(), width=100)
    progress = Progress({str(n): "run" for n in range(len(messages))}, ("fid",), console)
    for number, message in enumerate(messages):
        failure = message and Failure("TypeError", message)
        status = Status.FAILED if failure else Status.OK
        progress.on_event(RunEnded(str(number), status, "", failure=failure))
    lines = console.file.getvalue().splitlines()
    told = [number for number, line in enumerate(lines) if "have all failed alike" in line]
    assert told == ([] if told_after is None else [told_after])


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


def test_a_line_comes_while_a_run_in_this_process_is_silent(monkeypatch):
    monkeypatch.setattr(terminal, "PLAIN_EVERY_S", 0)
    monkeypatch.setattr(terminal, "TIMER_S", 0.01)
    screen, log = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", screen)
    with Progress({"a": "run a"}, ("fid",), Console()) as progress:
        progress.on_event(RunStarted("a", "trial", 1))
        with contextlib.redirect_stdout(log):
            wait_for(lambda: "0/1 done, 1 running" in screen.getvalue())
    assert not log.getvalue(), "the run's log has what the run printed"
    printed = screen.getvalue()
    assert [thread for thread in threading.enumerate() if thread.name == "ablate-lines"] == []
    assert screen.getvalue() == printed


class Prompt(io.StringIO):
    """Somebody at a debugger's prompt, who notes what the screen shows meanwhile."""

    def __init__(self, screen, is_post_mortem):
        super().__init__()
        self.screen, self.is_post_mortem, self.seen = screen, is_post_mortem, []

    def readline(self):
        time.sleep(0.05)  # a line may have been under way
        self.seen.append(self.screen.getvalue())
        time.sleep(0.2)
        self.seen.append(self.screen.getvalue())
        return "q\n" if self.is_post_mortem else "c\n"

    def ask(self):
        debugger = pdb.Pdb(stdin=self, stdout=io.StringIO(), nosigint=True, readrc=False)
        if not self.is_post_mortem:
            debugger.set_trace()
            return
        try:
            raise KeyError
        except KeyError as error:
            debugger.reset()
            debugger.interaction(None, error.__traceback__)


@pytest.mark.parametrize("is_post_mortem", [False, True])
def test_no_line_is_in_the_way_of_a_debuggers_prompt(monkeypatch, is_post_mortem):
    monkeypatch.setattr(terminal, "PLAIN_EVERY_S", 0)
    monkeypatch.setattr(terminal, "TIMER_S", 0.01)
    screen = io.StringIO()
    prompt = Prompt(screen, is_post_mortem)
    with Progress({"a": "run a"}, ("fid",), Console(file=screen)) as progress:
        progress.on_event(RunStarted("a", "trial", 1))
        wait_for(screen.getvalue)
        thread = threading.Thread(target=prompt.ask)  # functions run in one, too
        thread.start()
        thread.join()
        before, after = prompt.seen[:2]
        assert before == after
        wait_for(lambda: len(screen.getvalue()) > len(after))


def test_at_the_end_no_time_is_left():
    assert math.isnan(seconds_left(Durations({}, {}, 1.0), RunRows(), [], [], slots=2))


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_live_view_fits_its_terminal_and_shows_text_alone(width):
    console = Console(file=io.StringIO(), width=width, force_terminal=True, legacy_windows=False)
    names = {"a": "run\x1b[2J\n[red]" + "name-" * 30 + "s12", "b": "mlp-s1", "c": "failed"}
    progress = Progress(names, ("fid",), console, left_s=lambda slots: 700.0)
    for run_id in "abc":
        progress.on_event(RunStarted(run_id, run_id, 1))
        progress.on_event(RunReported(run_id, [(1, {"fid": 12.5})], {"epoch": 3, "step": 12345}))
    progress.on_event(RunEnded("c", Status.FAILED))
    console.file.truncate(0)
    console.print(progress._render())
    lines = Text.from_ansi(console.file.getvalue()).plain.splitlines()
    assert all(cell_len(line) <= width for line in lines)
    text = " ".join(" ".join(lines).split())
    assert "1/3 done, 2 running, 1 failed, about 12 min left" in text
    assert len(lines) == 5 + (width == 40), "no run takes two lines"
    [line] = [line for line in lines if "run\\x1b[2J\\n[red]" in line]
    assert "-s12 " in line, "a name too long keeps its seed"
    assert ("12345" in text) == (width > 40)


@pytest.mark.parametrize(("term", "is_live"), [("xterm", True), ("dumb", False)])
def test_a_terminal_that_cannot_redraw_gets_lines(monkeypatch, term, is_live):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(terminal, "PLAIN_EVERY_S", 0)
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    with Progress({"a": "run a"}, ("fid",), console) as progress:
        progress.on_event(RunStarted("a", "trial", 1))
        progress.tick()
    told = "0/1 done, 1 running, 0 s elapsed  run a step 0\n"
    assert (told in console.file.getvalue()) != is_live


def test_tables_so_far_come_with_whole_replicates_and_not_with_the_last(tmp_path, console):
    study = toy_study(tmp_path, seeds=[1, 2, 3], base={"length": 2})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ablate.driver.table_so_far.LEAST_PAUSE_S", 0)
        patch.setattr("ablate.driver.table_so_far.COST_SHARE", 0)
        run_study(study, console, local=True, verbose=True)
    told = [line for line in console.export_text().splitlines() if line.startswith("so far")]
    assert told == ["so far, with 2 of 6 runs ended:", "so far, with 4 of 6 runs ended:"]


def test_what_a_run_of_the_study_ends_with_is_what_its_table_has(tmp_path, console):
    """A flow's metric is measured at its end alone, and a counter's best is not its last."""
    study = toy_study(tmp_path, seeds=[1], base={"length": 3})
    ledger = run_study(study, console, local=True)
    text = console.export_text()
    for row in ledger.rows.values():
        assert f"{row.run_name}: ok (done)  score {row.result('score', 'last'):.4g}  " in text
