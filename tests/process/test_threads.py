"""How many threads sums are spread over, which decides their bits."""

import json
import os
import subprocess
import sys

import pytest

CODE = """
import json
from pathlib import Path
from ray.tune import Trainable

class Late(Trainable):
    "Imports torch late, as one that starts fast does; may choose its threads itself."
    def setup(self, config):
        import torch
        if config["own"]:
            torch.set_num_threads(config["own"])
    def step(self):
        import torch
        with Path("threads.json").open("a") as out:
            out.write(json.dumps([self.config["own"], torch.get_num_threads()]) + chr(10))
        return {"score": 1, "done": True}
    def save_checkpoint(self, folder):
        return {}
    def load_checkpoint(self, state):
        pass
"""
GRID = """
study: s
trainable: late:Late
metric: score
factors: {own: [OWN]}
seeds: [1]
resources: {cpu: 3}
"""


@pytest.mark.parametrize("own", ["1, 0", "0, 1"])
def test_a_trial_has_as_many_as_cpus_unless_its_code_chooses(tmp_path, own):
    (tmp_path / "late.py").write_text(CODE)
    (tmp_path / "grid.yaml").write_text(GRID.replace("OWN", own))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    environment.pop("OMP_NUM_THREADS", None)
    command = [sys.executable, "-m", "ablate.run", "grid.yaml", "--local"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = [json.loads(line) for line in (tmp_path / "threads.json").read_text().splitlines()]
    assert dict(found) == {1: 1, 0: 3}
