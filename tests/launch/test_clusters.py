"""Clusters that are gone, refuse us, lose a node, or are shared."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from slow_study import SlowStudy
from studies import command_of, wait_for

from ablate.errors import AblateError
from ablate.events import Failure
from ablate.launch.ray.address import Answer, address_file, ask, check_address, recorded_address
from ablate.launch.ray.attempts import Attempt, Attempts

BIN = Path(sys.executable).parent


@contextlib.contextmanager
def listener(answer=b""):
    """Somebody behind an open port, who says the same to everybody."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(100)
                        connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def dead_address():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def test_an_open_port_is_no_cluster():
    with listener(b"HTTP/1.0 400 Bad request\r\n\r\n") as address:
        assert ask(address, 5) is Answer.SILENCE
    with listener(b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04\x00\x40\x00\x00") as address:
        assert ask(address, 5) is Answer.RAY
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        assert ask(f"127.0.0.1:{deaf.getsockname()[1]}", 0.3) is Answer.SILENCE
    assert ask(dead_address(), 5) is Answer.REFUSAL


@pytest.mark.parametrize("named_by", ["--address", "RAY_ADDRESS"])
def test_what_is_asked_for_and_does_not_answer_is_refused(monkeypatch, named_by):
    dead, asked = dead_address(), None
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if named_by == "RAY_ADDRESS":
        monkeypatch.setenv("RAY_ADDRESS", dead)
    else:
        asked = dead
    with pytest.raises(AblateError, match=f"no Ray cluster at {dead}, which {named_by} asks for"):
        check_address(asked)
    assert check_address("local") == "local"


@pytest.mark.parametrize("address", ["http://127.0.0.1:8265", "head", "ray://head:10001"])
def test_what_is_no_address_is_told(monkeypatch, address):
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(AblateError, match=address):
        check_address(None)


def test_where_ray_leaves_its_address(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert recorded_address() is None
    address_file().parent.mkdir()
    address_file().write_text("10.0.0.1:6379\n")
    assert recorded_address() == "10.0.0.1:6379"


def test_a_lost_node_is_no_failure_of_the_trial(tmp_path):
    attempts = Attempts(tmp_path / "trial", retries=1)
    own, with_node = (Failure("Error", name, "") for name in ("own", "with its node"))
    attempts.begin("a")
    attempts.add(Attempt(with_node, "a", 3.0))
    attempts.add(Attempt(own))
    assert attempts.node == "a"
    assert attempts.fatal(lambda node: False) is None
    assert attempts.fatal(lambda node: True).failure == own
    attempts.add(Attempt(own))
    assert attempts.fatal(lambda node: False).failure == own


@pytest.fixture
def short_folder():
    """Ray's sockets need short paths."""
    folder = Path(f"/tmp/ablate-{os.getpid()}")
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


SOON = {"RAY_health_check_period_ms": "500", "RAY_health_check_failure_threshold": "8"}
"""A node that does not answer is dead after 4 s, not after 15."""


@contextlib.contextmanager
def ray_start(folder, monkeypatch, cpus=2, **environment):
    """A cluster as `ray start` begins it, with a home and an address file of its own."""
    for name, value in {"HOME": str(folder), "RAY_TMPDIR": str(folder), **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    port = dead_address().rpartition(":")[2]
    subprocess.run(
        [BIN / "ray", "start", "--head", f"--port={port}", f"--num-cpus={cpus}",
         "--include-dashboard=false", "--object-store-memory=80000000"],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    try:
        yield f"127.0.0.1:{port}"
    finally:
        services = [p for p in psutil.process_iter() if str(folder) in _told(p)]
        for process in services:
            with contextlib.suppress(psutil.Error):
                process.kill()


def _told(process):
    """A process's command and where it came from."""
    with contextlib.suppress(psutil.Error):
        return f"{command_of(process)} {process.environ().get('RAY_TMPDIR', '')}"
    return ""


@pytest.mark.ray
@pytest.mark.timeout(400)
def test_a_cluster_that_wants_a_token_is_named(short_folder, tmp_path, monkeypatch):
    """Never replaced by a Ray of our own without a word."""
    monkeypatch.setenv("HOME", str(short_folder))
    command = [BIN / "ray", "get-auth-token", "--generate"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    with ray_start(short_folder, monkeypatch):
        for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
            monkeypatch.delenv(name, raising=False)  # another test's Ray may have set it
        monkeypatch.setenv("RAY_NUM_REDIS_GET_RETRIES", "4")  # asks as often, once a second
        code, _, err = SlowStudy(tmp_path).end(200)
        monkeypatch.delenv("RAY_NUM_REDIS_GET_RETRIES")
        assert code == 2
        assert "asks for a token" in err
        assert "RAY_AUTH_MODE=token" in err
        assert "Unauthenticated" not in err
        monkeypatch.setenv("RAY_AUTH_MODE", "token")
        code, out, err = SlowStudy(tmp_path, length=2).end(200)
        assert (code, err) == (0, ""), out


@pytest.mark.ray
@pytest.mark.timeout(400)
def test_two_studies_share_a_cluster_and_its_death_ends_both_with_a_word(
    short_folder, tmp_path, monkeypatch
):
    """And what it leaves behind is in nobody's way."""
    short, long = tmp_path / "short", tmp_path / "long"
    short.mkdir()
    long.mkdir()
    with ray_start(short_folder, monkeypatch, RAY_AUTH_MODE="disabled") as address:
        first = SlowStudy(short, "--address", address, "--set", "seeds=30", length=8)
        first.wait_for_checkpoint()
        study = SlowStudy(long, "--address", address)
        study.wait_for_checkpoint()
        assert first.process.poll() is None
        assert "pending" in first.statuses(), "it had nothing to wait for"
        for process in psutil.process_iter():
            if str(short_folder) in _told(process) and process.name() == "gcs_server":
                process.kill()
        port = address.rpartition(":")[2]
        for one in (first, study):
            code, out, err = one.end(100)
            assert (code, err) == (4, "")
            assert f":{port} is gone; the state is saved. Resume with:\n  python -m" in out
        assert "interrupted" in study.statuses()
    before = study.told()
    study.enough.touch()
    done = SlowStudy(long)
    code, out, err = done.end(200)
    assert (code, err) == (0, "")
    assert f"the Ray cluster at {recorded_address()} is gone" in " ".join(out.split())
    done.assert_counted(before)


@pytest.mark.ray
@pytest.mark.timeout(400)
def test_a_lost_node_uses_up_no_retries(short_folder, tmp_path, monkeypatch):
    with ray_start(short_folder, monkeypatch, cpus=1, RAY_AUTH_MODE="disabled", **SOON) as address:
        _add_node(address)
        study = SlowStudy(tmp_path, "--address", address, "--set", "retries=0")
        # A CPU each: once both runs train, each has one of the two nodes.
        wait_for(lambda: len({path.parents[1] for path in study.checkpoints()}) == 2, 100)
        before = study.told()
        _added_node(address).kill()
        time.sleep(20)  # until the cluster knows it: a run that ends before has not lost its node
        study.enough.touch()
        code, out, err = study.end(200)
    assert (code, err) == (0, ""), out
    study.assert_counted(before)
    assert "lost its node, goes on" in out


def _add_node(address):
    """One more node with a CPU."""
    subprocess.run(
        [BIN / "ray", "start", f"--address={address}", "--num-cpus=1",
         "--object-store-memory=80000000"],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip


def _added_node(address):
    """The service of the node that was added."""
    port = address.rpartition(":")[2]
    known = [p for p in psutil.process_iter() if p.name() == "raylet" and port in _told(p)]
    [added] = [p for p in known if "--head" not in _told(p)]
    return added


def test_waiting_processes_are_told_apart_from_those_that_ended():
    from ablate.launch.ray.processes import children_of, family_of, has_ended, is_asked_to_end, kill

    code = (
        "import signal, time; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
        "print(1, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    with process:
        process.stdout.readline()
        assert process.pid in children_of(os.getpid())
        assert family_of([process.pid]) == {process.pid}
        assert not is_asked_to_end(process.pid)
        process.terminate()
        wait_for(lambda: is_asked_to_end(process.pid))
        assert not has_ended(process.pid)
        kill([process.pid])
        wait_for(lambda: has_ended(process.pid))
