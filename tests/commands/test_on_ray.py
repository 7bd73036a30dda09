"""Commands on a real Ray cluster, and what survives when parts of it are killed."""

import signal
import subprocess
import sys

import psutil
import pytest
from commanded import PLAIN
from outcomes import histories
from processes import start
from studies import command_of, wait_for

from ablate.ledger.ledger import Ledger
from ablate.study_dir import StudyPaths

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster"), pytest.mark.timeout(300)]

GRID = f"""
study: scripts
trainable:
  command: {PLAIN} --lr {{lr}} --step-s 0.4
  read: {{file: log.jsonl}}
  checkpoint: "{{run_dir}}/*.pt"
  resume: --resume {{latest}}
  grace_s: 5
metric: acc
mode: max
base: {{lr: 1}}
seeds: [1]
checkpoint_every_s: 1
"""
WHOLE = [1 + step * (step + 1) / 2 for step in range(1, 11)]


class Study:
    def __init__(self, folder, address):
        self.root = folder / "studies" / "scripts"
        self.grid = folder / "grid.yaml"
        self.grid.write_text(GRID)
        self.address = address

    def start(self):
        command = [sys.executable, "-m", "ablate.run", self.grid, "--address", self.address]
        return start(command, cwd=self.grid.parent, stdout=subprocess.PIPE,
                     stderr=subprocess.STDOUT, text=True)  # fmt: skip

    @property
    def ledger(self):
        return Ledger(StudyPaths(self.root))

    def wait_for_step(self, least):
        def is_there():
            return any(len(points) >= least for points in histories(self.ledger).values())

        wait_for(lambda: (self.root / "ledger" / "journal.jsonl").exists() and is_there())

    def scripts(self):
        return [p for p in psutil.process_iter() if str(self.root / "runs") in command_of(p)]

    def workers(self):
        return [p for p in psutil.Process().children(recursive=True)
                if "ResourceTrainable" in command_of(p)]  # fmt: skip


def test_a_killed_worker_takes_its_script_along_and_the_run_goes_on(tmp_path, ray_cluster):
    study = Study(tmp_path, ray_cluster)
    driver = study.start()
    study.wait_for_step(5)
    before = study.scripts()
    assert before
    wait_for(study.workers, 20)
    [worker] = study.workers()
    worker.kill()
    wait_for(lambda: not any(p.is_running() for p in before), 15)
    out, _ = driver.communicate(timeout=150)
    assert driver.returncode == 0, out
    [points] = histories(study.ledger).values()
    assert [point["acc"] for point in points] == WHOLE
    [row] = study.ledger.rows.values()
    assert row["retries"] == 1
    assert "resumed at " in StudyPaths(study.root).log(row["run_name"]).read_text()


def test_ctrl_c_ends_the_script_and_the_same_command_goes_on(tmp_path, ray_cluster):
    study = Study(tmp_path, ray_cluster)
    driver = study.start()
    study.wait_for_step(4)
    driver.send_signal(signal.SIGINT)
    out, _ = driver.communicate(timeout=60)
    assert driver.returncode == 130, out
    assert not study.scripts()
    driver = study.start()
    out, _ = driver.communicate(timeout=150)
    assert driver.returncode == 0, out
    [points] = histories(study.ledger).values()
    assert [point["acc"] for point in points] == WHOLE
