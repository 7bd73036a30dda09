"""Signals that ask a study to stop, to its driver and to all its processes."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from slow_study import SlowStudy
from studies import wait_for

from ablate.cli.main import main
from ablate.ledger.lock import driver_lock


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGHUP"])
def test_every_signal_that_asks_ends_a_local_study(tmp_path, name):
    study = SlowStudy(tmp_path, "--local")
    study.wait_for_checkpoint()
    study.process.send_signal(getattr(signal, name))
    code, out, err = study.end()
    assert (code, err) == (130, "")
    assert "python -m ablate.run --resume studies/slow --local" in out
    assert "interrupted" in study.statuses()


def test_a_signal_before_anything_has_begun_is_answered_quietly(tmp_path):
    study = SlowStudy(tmp_path, "--local")
    wait_for(lambda: _handles(study.process.pid, signal.SIGTERM))
    study.process.terminate()
    code, _, err = study.end()
    assert code == 130
    assert "Traceback" not in err


def test_a_signal_amid_an_import_that_swallows_it_still_ends_the_study(tmp_path):
    """Cython's modules print what is raised in them, and go on."""
    (tmp_path / "swallowing.py").write_text(
        "import pathlib, time\n"
        "pathlib.Path('importing').touch()\n"
        "try:\n    time.sleep(1)\n"
        "except BaseException as error:\n    pathlib.Path('swallowed').touch()\n"
        "from toy import Counter\n"
    )
    (tmp_path / "mine.py").write_text("import swallowing\nCounter = swallowing.Counter\n")
    study = SlowStudy(tmp_path, "--local", "--set", "trainable=mine:Counter")
    wait_for((tmp_path / "importing").exists)
    study.process.terminate()
    code, _, err = study.end(20)
    assert (code, "Traceback" in err) == (130, False)
    assert not (tmp_path / "swallowed").exists()


def _handles(pid, number):
    with open(f"/proc/{pid}/status") as status:
        caught = next(line for line in status if line.startswith("SigCgt")).split()[1]
    return int(caught, 16) & 1 << (number - 1)


def test_a_second_signal_ends_at_once_and_one_of_the_same_event_does_not(tmp_path):
    study = SlowStudy(tmp_path, "--local", "--set", "base.fail=stubborn")
    log = study.root / "logs" / "gain=1-s1.log"
    wait_for(lambda: log.exists() and "deaf" in log.read_text())
    study.process.terminate()
    time.sleep(0.05)
    study.process.terminate()  # as `timeout` does
    time.sleep(1)
    assert study.process.poll() is None
    study.process.terminate()
    code, out, _ = study.end(30)
    assert code == 130
    assert "python -m ablate.run --resume studies/slow --local" in out


def test_a_requeued_job_waits_for_its_predecessor(tmp_path):
    first = SlowStudy(tmp_path, "--local")
    first.wait_for_checkpoint()
    second = SlowStudy(tmp_path, "--local", "--wait-for-lock", "60")
    time.sleep(3)
    first.process.terminate()
    assert first.end()[0] == 130
    wait_for(lambda: f'"pid": {second.process.pid},' in (first.root / ".lock").read_text())
    second.process.terminate()
    assert second.end()[0] == 130


def test_waiting_for_a_lock_has_an_end(tmp_path):
    from ablate.errors import StudyInUseError

    with driver_lock(tmp_path / "lock"):
        start = time.monotonic()
        with pytest.raises(StudyInUseError), driver_lock(tmp_path / "lock", 0.5):
            pass
        assert time.monotonic() - start >= 0.5


@pytest.mark.ray
@pytest.mark.timeout(400)
def test_a_signal_to_every_process_leaves_nothing_and_goes_on_with_the_same_bits(tmp_path):
    """As Slurm's `scancel` and preemption send it."""
    study = SlowStudy(tmp_path, "--address", "local")
    study.wait_for_checkpoint()
    below = study.below()
    for process in [psutil.Process(study.process.pid), *below]:
        process.send_signal(signal.SIGTERM)
    code, out, err = study.end(100)
    assert (code, err) == (130, "")
    assert "Resume with:\n  python -m ablate.run --resume studies/slow --address local" in out
    assert not psutil.wait_procs(below, timeout=20)[1]
    assert "interrupted" in study.statuses()
    before = study.told()
    study.enough.touch()
    command = [sys.executable, "-m", "ablate.run", "--resume", "studies/slow", "--address", "local"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stderr) == (0, "")
    study.assert_counted(before)


@pytest.mark.ray
@pytest.mark.timeout(300)
def test_a_killed_driver_leaves_no_process_and_no_word_of_one(tmp_path, capsys):
    study = SlowStudy(tmp_path, "--address", "local")
    study.wait_for_checkpoint()
    assert main(["status", str(study.root)]) == 0
    assert " running" in capsys.readouterr().out
    # Ray's agents end later: for a minute they try to tell the cluster, which is gone.
    below = [process for process in study.below() if not process.name().endswith("Agent")]
    study.process.kill()
    study.end()
    assert not psutil.wait_procs(below, timeout=30)[1]
    assert main(["status", str(study.root)]) == 0
    told = capsys.readouterr().out
    assert " interrupted" in told
    assert "nobody runs it now: ablate run --resume " in told


@pytest.mark.ray
@pytest.mark.timeout(300)
def test_a_signal_while_ray_starts(tmp_path):
    study = SlowStudy(tmp_path, "--address", "local")
    wait_for(lambda: any(p.name() == "raylet" for p in study.below()), 60)
    below = study.below()
    os.kill(study.process.pid, signal.SIGUSR2)
    code, out, err = study.end(60)
    assert (code, err) == (130, "")
    assert "start again with:\n  python -m ablate.run grid.yaml --address local" in out
    assert not psutil.wait_procs(below, timeout=20)[1]
