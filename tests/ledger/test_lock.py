"""One driver a study directory, also on a file system that knows no `flock`."""

import errno
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest
from studies import toy_study, wait_for

from ablate.driver.session import execute
from ablate.errors import StudyInUseError
from ablate.launch.base import Options
from ablate.ledger import lock_file
from ablate.ledger.lock import driver_lock
from ablate.ledger.lock_file import Holder
from ablate.study_dir import StudyPaths

HOLD = """
import errno, fcntl, sys, time
from pathlib import Path

def refuse(*args):
    raise OSError(getattr(errno, sys.argv[2]), "no locks here")

fcntl.flock = refuse
from ablate.ledger import lock_file
from ablate.ledger.lock import driver_lock

lock_file.BEAT_S = 0.1
with driver_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["ENOSYS", "ENOLCK", "EOPNOTSUPP"])
def no_flock(request, monkeypatch):
    """A file system that has no `flock`."""

    def refuse(*args):
        raise OSError(getattr(errno, request.param), "no locks here")

    monkeypatch.setattr("fcntl.flock", refuse)
    monkeypatch.setattr(lock_file, "BEAT_S", 0.1)
    return request.param


@pytest.fixture
def held(tmp_path, no_flock):
    """A lock that another process holds."""
    path = tmp_path / ".lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), no_flock], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout.readline() == "held\n"
    yield path, holder
    holder.kill()
    holder.wait()
    holder.stdout.close()
    holder.stderr.close()


def test_a_second_driver_is_refused_and_a_dead_one_followed_at_once(held):
    path, holder = held
    with (
        pytest.raises(StudyInUseError, match=f"is in use by process {holder.pid} on"),
        driver_lock(path),
    ):
        pass
    holder.kill()
    holder.wait()
    with driver_lock(path):
        assert json.loads(path.with_name(".lock.held").read_text())["pid"] == os.getpid()
    assert [file.name for file in path.parent.iterdir()] == [".lock"]


def test_a_holder_keeps_its_lock_young(held):
    path, _ = held
    file = path.with_name(".lock.held")
    os.utime(file, (0, 0))
    wait_for(lambda: file.stat().st_mtime > time.time() - 60)


@pytest.mark.parametrize("content", ["another machine's", "", "junk"])
def test_a_lock_that_nobody_keeps_young_is_taken_over(tmp_path, no_flock, content):
    path, file = tmp_path / ".lock", tmp_path / ".lock.held"
    other = replace(Holder.here(), pid=1, host="far", machine="far 1")
    file.write_text(json.dumps(asdict(other)) if content == "another machine's" else content)
    who = "process 1 on far" if content == "another machine's" else "process 0 on some machine"
    with pytest.raises(StudyInUseError, match=who), driver_lock(path):
        pass
    long_ago = time.time() - 2 * lock_file.STALE_S
    os.utime(file, (long_ago, long_ago))
    with driver_lock(path):
        assert json.loads(file.read_text())["host"] == Holder.here().host
    assert not file.exists()


def test_who_is_faster_has_the_lock(tmp_path, no_flock):
    """A stale lock that somebody else has taken over meanwhile is put back."""
    file = tmp_path / "x"
    stale, faster = (replace(Holder.here(), token=token) for token in ("old", "new"))
    file.write_text(json.dumps(asdict(faster)))
    assert not lock_file._taken_away(file, stale)
    assert lock_file.read_holder(file) == faster
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_without_links_it_is_made_in_one_go_all_the_same(tmp_path, no_flock, monkeypatch):
    def refuse(*args):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    with (
        driver_lock(tmp_path / ".lock"),
        pytest.raises(StudyInUseError, match=f"process {os.getpid()} on"),
        driver_lock(tmp_path / ".lock"),
    ):
        pass


def test_a_driver_that_was_thought_dead_writes_nothing_more(held):
    path, holder = held
    file = path.with_name(".lock.held")
    file.write_text(json.dumps(asdict(replace(Holder.here(), token="another"))))
    assert holder.wait(30) == 2
    assert f"was taken over by process {os.getpid()} on" in holder.stderr.read()
    assert lock_file.read_holder(file).token == "another"


def test_a_study_runs_there_and_starts_over(tmp_path, console, no_flock):
    study = toy_study(tmp_path, seeds=[1])
    for fresh in (False, True):
        assert execute(study, Options(local=True, fresh=fresh), console).exit_code == 0
    assert not StudyPaths(study.directory).lock.with_name(".lock.held").exists()
