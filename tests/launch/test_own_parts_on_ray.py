"""Everything of one's own at once, on Ray: killed, restored, in a pack, against a local run."""

import os
import shutil
from pathlib import Path

import pytest
import yaml
from drivers import Driver
from outcomes import histories, numbers
from rich.console import Console

from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.spec.load import read_study
from ablate.study_dir import StudyPaths

STUDY = """
study: slow
metric: spread
base:
  arch: my_parts:Net
  arch_args: {width: 16}
  epochs: EPOCHS
  patience: null
  data: {source: "my_parts:load", args: {rows: 400}}
  flow: my_parts:path
  coupling: my_parts:coupled
  aug: my_parts:jittered
  schedule: my_parts:stairs
  optimizer: torch.optim:SGD
  optimizer_args: {momentum: 0.9}
  metrics: ["my_parts:spread"]
seeds: [1, 2, 3]
checkpoint_every_s: 0.5
resources: {cpu: 2}
"""
CODE = """
import ablate
import numpy as np
import torch
from own_nets import Everything


class Net(Everything):
    def __init__(self, shape, width):
        super().__init__((shape[0] * shape[1],), width)
        self.shape = shape

    def forward(self, x, t):
        return super().forward(t, x.flatten(1)).unflatten(1, self.shape)


def load(rows):
    return np.random.default_rng(0).normal(size=(rows, 2, 3)) * [[1, 2, 3], [4, 5, 6]]


def path(x_0, x_1, t, eps):
    t = t.view(-1, 1, 1)
    return (1 - t) * x_0 + t * x_1 + 0.1 * eps, x_1 - x_0


def coupled(x_0, x_1, generator):
    return torch.randperm(len(x_0), generator=generator)


def jittered(x_1, generator):
    return x_1 + 0.05 * torch.randn(x_1.shape, generator=generator)


def stairs(progress):
    return 0.5 ** int(4 * progress)


@ablate.metric(mode="min")
def spread(samples, test):
    assert samples.shape[1:] == (2, 3)
    return float((samples.std(0) - test.std(0)).abs().mean())
"""
HERE_ALONE = """
import sys
if any("default_worker" in word for word in sys.argv):
    raise ModuleNotFoundError("No module named 'my_parts'")
"""
EPOCHS = 150
pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "my_parts.py").write_text(CODE)
    shutil.copy(Path(__file__).parents[1] / "helpers" / "own_nets.py", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_a_killed_study_goes_on_to_the_bits_of_a_local_one(folder, ray_cluster):
    driver = Driver(folder, ray_cluster, EPOCHS, "--pack", "2", study=STUDY)
    driver.wait_for_checkpoints_and_state()
    driver.kill()
    again = Driver(folder, ray_cluster, EPOCHS, "--pack", "2", study=STUDY)
    code, out, err = again.finish()
    assert (code, err) == (0, ""), out + err
    raw = {**yaml.safe_load(STUDY.replace("EPOCHS", str(EPOCHS))), "storage": str(folder / "here")}
    with open(os.devnull, "w") as nowhere:
        here = execute(read_study(raw, "test"), Options(local=True), Console(file=nowhere)).ledger
    there = Ledger(StudyPaths(driver.root))
    assert numbers(there) == numbers(here)
    assert histories(there) == histories(here)
    for column in ("spread_best", "spread_floor", "num_parameters", "data_fingerprint"):
        assert [row[column] for row in there.rows.values()] == [
            row[column] for row in here.rows.values()
        ]
    assert all("my_parts.py" in row["code_files"] for row in there.rows.values())


def test_code_that_a_node_does_not_find_is_told_before_anything_trains(folder, ray_cluster):
    (folder / "my_parts.py").write_text(HERE_ALONE + CODE)
    driver = Driver(folder, ray_cluster, EPOCHS, study=STUDY)
    code, out, err = driver.finish()
    assert code == 2, out + err
    assert "base.arch = 'my_parts:Net': cannot be imported on node 1" in err.replace("\n", " ")
    assert "No module named 'my_parts'" in err
    assert "Traceback" not in out + err
    assert not list(driver.root.glob("launches/*/*/checkpoint_*"))
