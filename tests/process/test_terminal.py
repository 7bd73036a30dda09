"""The terminal going away ends the view, not the study."""

import contextlib
import os
import pty
import signal
import subprocess
import sys

import pytest
from studies import toy_study, wait_for

from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.process.streams import View
from ablate.study_dir import StudyPaths

GRID = (
    "study: s\ntrainable: toy:Counter\nmetric: score\nbase: {step_s: 0.1, fail: FAIL}\n"
    "factors: {gain: [1, 2]}\nseeds: [1]\nretries: 0\n"
)


def write_grid(folder, fail="none"):
    (folder / "grid.yaml").write_text(GRID.replace("FAIL", fail))


@pytest.mark.parametrize(
    ("redirection", "fail", "code"),
    [
        ("2>&1 | head -1", "none", 0),
        ("2>&1 | head -1", "step", 1),
        (">/dev/full 2>&1", "none", 0),
        (">&-", "none", 0),
        (">&- 2>&- <&-", "step", 1),
    ],
)
def test_a_study_goes_on_where_nobody_hears_it(tmp_path, redirection, fail, code):
    write_grid(tmp_path, fail)
    command = f"{sys.executable} -m ablate.run grid.yaml --local"
    line = f"{command} {redirection}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, timeout=100)
    assert done.returncode == code
    root = tmp_path / "studies" / "s"
    assert (root / "report" / "index.html").exists()
    rows = Ledger(StudyPaths(root)).rows.values()
    assert {row["status"] for row in rows} == {"failed" if fail == "step" else "ok"}


def test_a_closed_error_stream_hides_no_exit_code(tmp_path):
    (tmp_path / "grid.yaml").write_text("study: 1\n")
    line = f"{sys.executable} -m ablate.run grid.yaml 2>&-"
    assert subprocess.run(["bash", "-c", line], cwd=tmp_path, timeout=60).returncode == 2


def test_a_report_for_a_reader_that_has_left(tmp_path, console):
    study = toy_study(tmp_path / "studies", study="s")
    execute(study, Options(local=True), console)
    line = f"{sys.executable} -m ablate.report studies/s | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("ignored", [True, False])
def test_a_dead_connection_ends_a_study_in_good_order_unless_nohup_forbids(tmp_path, ignored):
    write_grid(tmp_path)
    ours, theirs = pty.openpty()

    def start():
        os.setsid()
        os.close(os.open(os.ttyname(theirs), os.O_RDWR))  # the session's terminal from now on
        # Also where somebody runs the tests below nohup.
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)

    command = [sys.executable, "-m", "ablate.run", "grid.yaml", "--local", "--set",
               "base.step_s=1.0"]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=start
    )
    os.close(theirs)
    root = tmp_path / "studies" / "s"
    log = StudyPaths(root).log("gain=1-s1")
    try:
        wait_for(lambda: log.exists() and "step 1" in log.read_text())
        os.close(ours)  # SIGHUP, and every write fails
        assert process.wait(60) == (0 if ignored else 130)
    finally:
        process.kill()
        process.wait()
        with contextlib.suppress(OSError):
            os.close(ours)
    statuses = [row["status"] for row in Ledger(StudyPaths(root)).rows.values()]
    assert statuses == (["ok", "ok"] if ignored else ["interrupted", "pending"])
    assert (root / "report" / "index.html").exists()


def test_what_a_terminal_cannot_show_is_escaped(tmp_path):
    with (tmp_path / "ascii").open("w", encoding="ascii") as file:
        view = View(file)
        assert view.write("± 1") == 3
        view.flush()
    assert (tmp_path / "ascii").read_text() == "\\xb1 1"
    view.write("nobody")
    view.flush()
