"""A command's own process: what it leaves alone, and how it ends."""

import contextlib
import gc
import os
import pty
import signal
import subprocess
import sys
import threading
import time

import ray
from processes import start
from studies import toy_study, wait_for

from ablate.launch.ray import cluster
from ablate.ledger.ledger import Ledger
from ablate.plan.plan import plan_study
from ablate.process.gc_pause import gc_paused
from ablate.process.interrupts import Interrupts
from ablate.study_dir import StudyPaths


def test_no_thread_lets_the_collection_go_on_while_another_forbids_it():
    def somebody():
        with gc_paused():
            pass

    with gc_paused():
        thread = threading.Thread(target=somebody)
        thread.start()
        thread.join()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_nothing_is_collected_while_ray_ends(tmp_path, monkeypatch):
    """Its references, let go in another thread at that moment, end the whole process."""
    seen = []
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: seen.append(gc.isenabled()))
    monkeypatch.setattr(cluster, "connect", lambda *args: True)
    monkeypatch.setattr(cluster, "watched_cluster", lambda gone: contextlib.nullcontext())
    monkeypatch.setattr(cluster, "slots_of", lambda study: 1)
    plan = plan_study(toy_study(tmp_path))
    with cluster.cluster(plan, 4, None, Interrupts(), print):
        assert gc.isenabled()
    assert seen == [False]
    assert gc.isenabled()


def test_sigterm_stops_and_says_how_to_go_on(tmp_path):
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        "study: slow\ntrainable: toy:Counter\nmetric: score\nbase: {step_s: 0.2, length: 50}\n"
        "factors: {gain: [1, 2]}\nseeds: [1]\ncheckpoint_every_s: 0\n"
    )
    command = [sys.executable, "-m", "ablate.run", str(grid), "--local"]
    driver = start(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    root = tmp_path / "studies" / "slow"
    wait_for(lambda: list(root.glob("launches/1/gain=1-s1/checkpoint_*")))
    driver.send_signal(signal.SIGTERM)
    out, _ = driver.communicate(timeout=30)
    assert driver.returncode == 130
    assert "python -m ablate.run --resume studies/slow --local" in out
    statuses = {r["run_name"]: r["status"] for r in Ledger(StudyPaths(root)).rows.values()}
    assert statuses == {"gain=1-s1": "interrupted", "gain=2-s1": "pending"}


def test_the_debugger_stops_where_a_run_fails(tmp_path):
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        "study: broken\ntrainable: toy:Counter\nmetric: score\nbase: {fail: step}\nseeds: [1]\n"
    )
    command = [sys.executable, "-m", "ablate.run", str(grid), "--pdb"]
    done = subprocess.run(
        command, cwd=tmp_path, input="p self.iteration\nq\n", capture_output=True, text=True,
        env={**os.environ}, timeout=60,
    )  # fmt: skip
    assert '-> raise RuntimeError("the third step is broken")' in done.stdout
    assert "(Pdb) 2" in done.stdout
    assert done.returncode == 1


def test_the_debugger_has_the_terminal_for_itself(tmp_path):
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        "study: broken\ntrainable: toy:Counter\nmetric: score\nbase: {fail: step}\nseeds: [1]\n"
    )
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ablate.run", str(grid), "--pdb"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
    )
    os.close(theirs)
    shown = b""
    try:
        for prompts, typed in enumerate((b"p 6 * 7\n", b"q\n"), start=1):
            deadline = time.monotonic() + 60
            while shown.count(b"(Pdb) ") < prompts and time.monotonic() < deadline:
                shown += os.read(ours, 4096)
            os.write(ours, typed)
        assert b"\r\n42\r\n(Pdb) " in shown
        with contextlib.suppress(OSError):  # the other end is closed
            while os.read(ours, 4096):
                pass
        assert process.wait(60) == 1
    finally:
        process.kill()
        process.wait()
        os.close(ours)
