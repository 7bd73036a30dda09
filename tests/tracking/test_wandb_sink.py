"""The sink's process by itself: its wandb-core dies, stops or is out of reach."""

import signal

import psutil
import pytest
from studies import command_of, wait_for

from ablate.ledger.history import History
from ablate.study_dir import StudyPaths
from ablate.tracking.wandb.port import SinkPort
from ablate.tracking.wandb.protocol import End, Points, Start
from ablate.tracking.wandb.record import WandbRecord
from ablate.tracking.wandb.settings import Destination


@pytest.fixture
def sink(wandb_server, tmp_path):
    """A port, the curves beside it, and what it was told to say."""
    paths = StudyPaths(tmp_path / "study")
    paths.history.mkdir(parents=True)
    said = []
    to = Destination("online", wandb_server.url, None, "p", "g")
    port = SinkPort(paths, to, 60.0, said.append)
    port.paths, port.said = paths, said
    yield port
    port.close(0.1)


def start(port, name="one"):
    port.put(Start(
        wandb_id=name, run_id=name, group="g", job_type="train", name=name, notes=None,
        config={"lr": 0.1}, tags=["a"], program="test", commit=None,
    ))  # fmt: skip


def log(port, steps, name="one"):
    points = [(step, {"loss": float(step)}) for step in steps]
    History(port.paths).append(name, points)
    port.put(Points(wandb_id=name, points=points))


def end(port, name="one"):
    port.put(End(wandb_id=name, exit_code=0, summary={}, failed=False, content="all"))


def processes(port):
    """The sink, and its wandb-core once there is one."""
    [sink] = [
        child for child in psutil.Process().children(recursive=True)
        if str(port.paths.root) in command_of(child)
    ]  # fmt: skip
    return sink, [child for child in sink.children() if "wandb" in child.name()]


def test_a_killed_wandb_core_loses_nothing(sink, wandb_server):
    start(sink)
    start(sink, "two")
    log(sink, range(5))
    wait_for(lambda: len(wandb_server.runs) == 2)
    for core in processes(sink)[1]:
        core.kill()
    log(sink, range(5, 8))
    log(sink, [1, 2], "two")
    end(sink)
    end(sink, "two")
    sink.close()
    served = wandb_server.named("p")
    assert (served["one"].steps, served["two"].steps) == (list(range(8)), [1, 2])
    assert {run.state for run in served.values()} == {"finished"}


def test_a_stopped_wandb_core_neither_blocks_nor_stays_silent(sink, wandb_server, monkeypatch):
    monkeypatch.setattr("ablate.tracking.wandb.port.MAX_QUEUED", 10)
    monkeypatch.setattr("ablate.tracking.wandb.port.GRACE_S", 1.0)
    start(sink)
    log(sink, [1])
    wait_for(lambda: wandb_server.runs)
    cores = processes(sink)[1]
    for core in cores:
        core.send_signal(signal.SIGSTOP)
    for step in range(2, 4000):
        sink.put(Points(wandb_id="one", points=[(step, {"loss": 1.0})]))
    sink.close(patience_s=1.0)
    for core in cores:
        core.kill()  # stopped, it would not even notice that its sink is gone
    assert any("W&B" in notice for notice in sink.said if "http" not in notice)


def test_rows_that_the_port_dropped_come_from_the_ledger(sink, wandb_server, monkeypatch):
    start(sink)
    log(sink, range(3))
    wait_for(lambda: wandb_server.runs)
    with monkeypatch.context() as patch:
        patch.setattr("ablate.tracking.wandb.port.MAX_QUEUED", -1)
        log(sink, range(3, 6))
    log(sink, range(6, 9))
    end(sink)
    sink.close()
    assert wandb_server.named()["one"].steps == list(range(9))


def test_an_outage_between_runs_sends_nothing_offline(sink, wandb_server):
    start(sink)
    log(sink, range(3))
    end(sink)
    wait_for(lambda: [run for run in wandb_server.runs.values() if run.state == "finished"])
    wandb_server.fail("RunResumeStatus", status=503)
    start(sink, "two")
    log(sink, range(3), "two")
    wait_for(lambda: [notice for notice in sink.said if "not reachable" in notice])
    wandb_server.heal()
    end(sink, "two")
    start(sink, "three")
    log(sink, range(3), "three")
    end(sink, "three")
    sink.close()
    served = wandb_server.named()
    assert {name: run.steps for name, run in served.items()} == {
        name: [0, 1, 2] for name in ("one", "two", "three")
    }
    assert not list(sink.paths.wandb_runs.glob("offline-run-*"))


def test_the_driver_dies_and_the_sink_ends_its_runs(sink, wandb_server):
    start(sink)
    log(sink, range(3))
    wait_for(lambda: wandb_server.runs)
    process, _ = processes(sink)
    sink._process.stdin.close()  # what the kernel does when the driver dies
    process.wait(60)
    run = wandb_server.named()["one"]
    assert (run.steps, run.state, run.exit_code) == ([0, 1, 2], "failed", 1)


def test_a_slow_upload_is_waited_for_as_long_as_rows_move(sink, wandb_server, monkeypatch):
    """All of it takes longer than the command would wait without progress."""
    for name in ("one", "two", "three"):
        start(sink, name)
        log(sink, range(3), name)
    wait_for(lambda: len(wandb_server.runs) == 3)
    wandb_server.latency_s = 1.5
    for name in ("one", "two", "three"):
        end(sink, name)
    sink.close(patience_s=10.0)
    assert {run.state for run in wandb_server.runs.values()} == {"finished"}
    assert sink.said[-1].startswith("W&B: waiting for 3 runs to arrive")


def test_streams_that_die_of_any_answer_are_noticed_and_mended(sink, wandb_server):
    names = ["401", "403", "404", "409", "410", "413"]
    for name in names:
        wandb_server.fail(f"/{name}/file_stream", status=int(name), times=1)
        start(sink, name)
        log(sink, range(3), name)
        end(sink, name)
    sink.close()
    served = wandb_server.named()
    assert {name: run.steps for name, run in served.items()} == {name: [0, 1, 2] for name in names}
    assert {run.state for run in served.values()} == {"finished"}


def test_a_server_that_never_takes_rows_is_waited_for_no_longer_than_asked(sink, wandb_server):
    wandb_server.fail("file_stream", status=404)
    start(sink)
    log(sink, range(3))
    end(sink)
    sink.close(patience_s=8.0)
    assert "W&B made no progress for 8 s; gave up waiting" in sink.said


def test_a_count_that_lags_is_asked_again(sink, wandb_server):
    wandb_server.lag = 2
    start(sink)
    log(sink, range(5))
    end(sink)
    wait_for(lambda: wandb_server.requests.count("Runs") > 2)
    assert wandb_server.requests.count("RunResumeStatus") == 1
    wandb_server.lag = 0
    sink.close()
    assert WandbRecord(sink.paths).has("one", "all", "online")


def test_more_rows_than_there_are_are_named(sink, wandb_server):
    wandb_server.lag = -2
    start(sink)
    log(sink, range(5))
    end(sink)
    sink.close()
    assert any("more rows of one than the ledger (5)" in notice for notice in sink.said)
    assert not WandbRecord(sink.paths).has("one", "all", "online")


def test_a_line_that_a_dying_driver_tore_ends_the_runs(sink, wandb_server):
    start(sink)
    log(sink, range(3))
    wait_for(lambda: wandb_server.runs)
    process, _ = processes(sink)
    sink._process.stdin.write('{"kind": "poi')
    sink._process.stdin.close()
    process.wait(60)
    assert wandb_server.named()["one"].steps == [0, 1, 2]
