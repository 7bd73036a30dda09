"""The Ray that a study starts for itself: what runs in it, and how it ends."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
from studies import wait_for
from test_ray import SLOW, in_a_process_of_its_own

from ablate.launch.connection import BESIDE_ANOTHER
from ablate.ledger import Ledger
from ablate.machine import num_cpus
from ablate.paths import StudyPaths

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster"), pytest.mark.timeout(300)]


def test_a_study_starts_and_ends_a_ray_of_its_own(tmp_path):
    """With idle workers that import what its trials need."""
    grid = tmp_path / "grid.yaml"
    grid.write_text(SLOW.replace("EPOCHS", "2"))
    command = [sys.executable, "-m", "ablate.run", str(grid), "--address", "local"]
    with tempfile.TemporaryDirectory() as folder:  # short: sockets lie in it; nobody else's
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=200,
            env={**os.environ, "RAY_TMPDIR": folder},
        )  # fmt: skip
        logs = [path.name for path in Path(folder).glob("ray/session_latest/logs/*")]
    assert (done.returncode, done.stderr) == (0, "")
    rows = Ledger(StudyPaths(tmp_path / "studies" / "slow")).rows.values()
    assert [row["status"] for row in rows] == ["ok"] * 4
    assert "raylet.out" in logs
    agents = [name for name in logs if name.endswith("_agent.log")]
    assert not agents, "nobody asks for an agent: they sleep"
    cores = num_cpus()
    if cores <= 4:  # else there are more cores than trials, and nothing is imported ahead
        workers = [name for name in logs if name.startswith("worker-") and name.endswith(".out")]
        assert len(workers) < 2 * cores, "trials got workers of their own"


def test_a_signal_to_the_whole_group_stops_in_good_order(tmp_path):
    """As `timeout` and batch systems send it: Ray's own processes do not get it."""
    grid = tmp_path / "grid.yaml"
    grid.write_text(SLOW.replace("EPOCHS", "5000"))
    command = [sys.executable, "-m", "ablate.run", str(grid), "--address", "local"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    root = tmp_path / "studies" / "slow"
    wait_for(lambda: list(root.glob("launches/1/*/checkpoint_*/manifest.json")), 90)
    below = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=40)
    assert (process.returncode, err) == (130, "")
    assert "python -m ablate.run --resume studies/slow" in out
    statuses = {row["status"] for row in Ledger(StudyPaths(root)).rows.values()}
    assert "interrupted" in statuses
    assert not psutil.wait_procs(below, timeout=20)[1]


def test_a_sleeping_agent_wakes_when_it_is_asked_and_ends_with_its_node(tmp_path):
    """A trainable of somebody's own may start workers with an environment of their own."""
    code = (
        "import psutil, ray, time\n"
        "from ablate.launch.own_ray import OwnRay\n"
        "OwnRay().start((), log_to_driver=False, logging_level='ERROR')\n"
        "below = psutil.Process().children(recursive=True)\n"
        "asleep = lambda p: any(part.endswith('sleeping_agent.py') for part in p.cmdline())\n"
        "agents = [p for p in below if asleep(p)]\n"
        "assert len(agents) == 2, below\n"
        "@ray.remote(runtime_env={'env_vars': {'ASKED': 'yes'}})\n"
        "def asked():\n"
        "    import os\n"
        "    return os.environ['ASKED']\n"
        "assert ray.get(asked.remote()) == 'yes'\n"
        "next(p for p in below if p.name() == 'raylet').kill()\n"
        "gone, left = psutil.wait_procs(agents, timeout=20)\n"
        "assert not left, left\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr


def test_a_study_beside_another_one_has_a_ray_of_its_own(tmp_path, monkeypatch):
    """The other one's ends with its study."""
    code = (
        "from ablate.launch.own_ray import OwnRay\n"
        "OwnRay().start((), log_to_driver=False, logging_level='ERROR')\n"
        "import ray\n"
        "print(ray.get_runtime_context().gcs_address, flush=True)\n"
        "input()\n"
    )
    other = subprocess.Popen(
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
