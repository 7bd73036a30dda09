"""What points carry beside their metrics: when they were measured, and how busy the GPU was."""

import os
import time

import pyarrow.parquet as pq
from studies import by_name, flow_study, toy_study, wait_for

from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.launch.gpu_monitor import GpuMonitor
from ablate.ledger.history import History
from ablate.study_dir import StudyPaths


def run(study, console):
    return execute(study, Options(local=True), console).ledger


def test_points_bear_the_time_of_their_worker_which_is_no_metric(tmp_path, console):
    began = time.time()
    study = flow_study(tmp_path, seeds=[1], factors={"flow": ["icfm"]})
    [row] = run(study, console).rows.values()
    points = History(StudyPaths(study.directory)).timed(row["run_id"])
    times = [point["_timestamp"] for _, point in points]
    assert began < times[0] < times[-1] < time.time()
    assert times == sorted(times)
    assert len(set(times)) == len(times)  # not that of the result that brought them together
    assert not [name for name in row if name.startswith("_")]
    assert not [
        p for p in History(StudyPaths(study.directory)).read(row["run_id"]) if "_timestamp" in p
    ]
    columns = pq.read_schema(next(StudyPaths(study.directory).history.glob("*.parquet"))).names
    assert "_timestamp" in columns


def test_ones_own_trainable_has_neither_times_nor_gpus_among_its_metrics(
    tmp_path, console, monkeypatch
):
    fake = tmp_path / "bin" / "nvidia-smi"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho '40, 1000'\necho '60, 3000'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monitor = GpuMonitor()
    monitor.start()
    wait_for(monitor.latest)
    assert monitor.latest() == {"_gpu_percent": 50.0, "_gpu_memory_mb": 4000.0}
    monkeypatch.setattr("ablate.launch.host.Hosting._Hosting__gpus", monitor)
    study = toy_study(tmp_path, seeds=[1], factors={"gain": [1]})
    row = by_name(run(study, console))["gain=1-s1"]
    assert set(row) & {"_gpu_percent_final", "_timestamp_final", "_gpu_percent"} == set()
    assert row["score_best"] == 14
    points = History(StudyPaths(study.directory)).timed(row["run_id"])
    assert all(point["_gpu_percent"] == 50.0 for _, point in points)


def test_a_gpu_that_does_not_answer_has_no_old_values(tmp_path, monkeypatch):
    fake = tmp_path / "nvidia-smi"
    fake.write_text(f"#!/bin/sh\nif [ -e {tmp_path}/gone ]; then exit 1; fi\necho '40, 1000'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr("ablate.launch.gpu_monitor.EVERY_S", 0.05)
    monitor = GpuMonitor()
    monitor.start()
    wait_for(monitor.latest)
    (tmp_path / "gone").touch()
    wait_for(lambda: not monitor.latest())


def test_without_a_gpu_nothing_is_asked(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monitor = GpuMonitor()
    monitor.start()
    assert monitor.latest() == {}
