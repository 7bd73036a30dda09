"""The Ray that a study starts for itself: what runs in it, and how it ends."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
from drivers import SLOW, in_a_process_of_its_own
from processes import start
from studies import wait_for

from ablate.launch.ray.connection import BESIDE_ANOTHER
from ablate.ledger.ledger import Ledger
from ablate.process.machine import num_cpus
from ablate.study_dir import StudyPaths

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster"), pytest.mark.timeout(300)]


TWICE = """
import os, sys
from pathlib import Path

from ray.tune.execution import class_cache
from studies import flow_study

from ablate import run_study

for way in ("fast", "plain"):
    os.environ["ABLATE_PLAIN_RAY"] = "1" if way == "plain" else ""
    before = dict(os.environ), dict(class_cache.DEFAULT_ENV_VARS)
    base = {"hidden_dim": 64, "num_layers": 1, "epochs": 2}
    run_study(flow_study(Path(sys.argv[1], way), base=base), address="local")
    assert (dict(os.environ), class_cache.DEFAULT_ENV_VARS) == before, way
"""


def test_a_study_gives_the_same_bits_on_a_ray_that_starts_fast_or_plain(tmp_path):
    """And leaves the process that asked for it as it was."""
    with tempfile.TemporaryDirectory() as folder:  # short: sockets lie in it; nobody else's
        done = subprocess.run(
            [sys.executable, "-c", TWICE, tmp_path], capture_output=True, text=True, timeout=250,
            env={**os.environ, "RAY_TMPDIR": folder},
        )  # fmt: skip
        sessions = sorted(Path(folder, "ray").glob("session_2*"))
        fast, plain = ({path.name for path in s.glob("logs/*")} for s in sessions)
    assert (done.returncode, done.stderr) == (0, "")
    assert "raylet.out" in fast & plain
    assert "monitor.log" in plain - fast, "one of them started in the other's way"
    cores = num_cpus()
    if cores <= 4:  # else there are more cores than trials, and nothing is imported ahead
        workers = [name for name in fast if name.startswith("worker-") and name.endswith(".out")]
        assert len(workers) < 2 * cores, "trials got workers of their own"
    of_fast, of_plain = (results(tmp_path / way / "flows") for way in ("fast", "plain"))
    assert len(of_fast) == 4
    assert of_fast == of_plain


def results(folder):
    """All numbers of a study's runs, and none of their times."""
    ledger = Ledger(StudyPaths(folder))
    return {
        row["run_name"]: (row["status"], row.metrics(("flow",)), ledger.history(run_id))
        for run_id, row in ledger.rows.items()
    }


def test_a_signal_to_the_whole_group_stops_in_good_order(tmp_path):
    """As `timeout` and batch systems send it: Ray's own processes do not get it."""
    grid = tmp_path / "grid.yaml"
    grid.write_text(SLOW.replace("EPOCHS", "5000"))
    command = [sys.executable, "-m", "ablate.run", str(grid), "--address", "local"]
    process = start(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    root = tmp_path / "studies" / "slow"
    wait_for(lambda: list(root.glob("launches/1/*/checkpoint_*/manifest.json")), 200)
    below = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=40)
    assert (process.returncode, err) == (130, "")
    assert "python -m ablate.run --resume studies/slow" in out
    statuses = {row["status"] for row in Ledger(StudyPaths(root)).rows.values()}
    assert "interrupted" in statuses
    assert not psutil.wait_procs(below, timeout=20)[1]


def test_a_study_beside_another_one_has_a_ray_of_its_own(tmp_path, monkeypatch):
    """The other one's ends with its study."""
    code = (
        "from ablate.launch.ray.own_ray import OwnRay\n"
        "OwnRay().start((), log_to_driver=False, logging_level='ERROR')\n"
        "import ray\n"
        "print(ray.get_runtime_context().gcs_address, flush=True)\n"
        "input()\n"
    )
    other = start(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        # Ray finds the tests' own cluster, too: this is the one that it finds.
        monkeypatch.setenv("RAY_ADDRESS", other.stdout.readline().strip())
        done = in_a_process_of_its_own(tmp_path)
    finally:
        other.communicate("\n", timeout=60)
    assert done.returncode == 0, done.stderr
    assert BESIDE_ANOTHER in " ".join(done.stdout.split())
