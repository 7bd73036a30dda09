"""A working folder with modules named as Ablate's own, its libraries' or Python's."""

import subprocess
import sys

import pytest

GRID = """
study: s
metric: sliced_w2
base: {hidden_dim: 64, num_layers: 1, epochs: 2, data: {source: moons, rows: 100}}
seeds: [1]
"""
NET = """
import {other}
from ray.tune import Trainable

class Net(Trainable):
    def step(self):
        return {{"score": {other}.SCORE, "done": True}}

    def save_checkpoint(self, folder):
        return {{}}

    def load_checkpoint(self, checkpoint):
        pass
"""
BAD = "raise RuntimeError('imported from the working folder')\n"
MODULES = ("torch", "yaml", "rich", "random", "psutil", "msgpack", "trainables", "cloudpickle")
PACKAGES = ("wandb", "ray", "numpy", "google")
FOLDERS = ("pyarrow", "scipy")


@pytest.fixture
def folder(tmp_path):
    for name in MODULES:
        (tmp_path / f"{name}.py").write_text(BAD)
    for name in (*PACKAGES, *FOLDERS):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.txt").touch()
    for name in PACKAGES:
        (tmp_path / name / "__init__.py").write_text(BAD)
    (tmp_path / "grid.yaml").write_text(GRID)
    return tmp_path


def run(folder, *arguments, code=None):
    start = ["-m", "ablate.run"] if code is None else ["-c", code]
    command = [sys.executable, *start, "grid.yaml", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110)
    return done.returncode, done.stdout + done.stderr


def own_trainable(folder, module, other):
    (folder / f"{module}.py").write_text(NET.format(other=other))
    (folder / "grid.yaml").write_text(
        f"study: s\nmetric: score\ntrainable: {module}:Net\nseeds: [1]\n"
    )


def test_what_ablate_needs_is_not_taken_from_there(folder):
    code, told = run(folder, "--local")
    assert (code, "imported from the working folder" in told) == (0, False), told


def test_modules_of_ones_own_are_taken_from_there(folder):
    own_trainable(folder, "mine", "toolbox")
    (folder / "toolbox.py").write_text("SCORE = 3.0\n")
    code, told = run(folder, "--local")
    assert code == 0, told


def test_one_named_as_ours_is_told(folder):
    own_trainable(folder, "trainables", "toolbox")
    code, told = run(folder, "--plan")
    assert code == 2
    assert f"{folder / 'trainables.py'}: Ablate, or a library that it needs, imports" in told
    assert "Traceback" not in told


def test_a_folder_named_trainables_is_no_package_of_ours(tmp_path):
    """Even where ours is installed editable, and so found last."""
    (tmp_path / "grid.yaml").write_text(GRID)
    (tmp_path / "trainables").mkdir()
    assert run(tmp_path, "--plan")[0] == 0


def test_a_module_that_hides_ablate_is_told(tmp_path):
    (tmp_path / "grid.yaml").write_text(GRID)
    (tmp_path / "ablate.py").touch()
    script = "import sys; sys.path.pop(0); from ablate.cli.run import main; sys.exit(main())"
    code, told = run(tmp_path, "--plan", code=script)
    assert (code, told) == (2, f"error: {tmp_path / 'ablate.py'} hides Ablate from the processes "
                               "that it starts: rename it\n")  # fmt: skip


@pytest.mark.ray
@pytest.mark.timeout(300)
def test_nor_do_rays_workers_and_the_process_of_wandb(folder, ray_cluster, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    code, told = run(folder, "--address", ray_cluster)
    assert (code, "imported from the working folder" in told) == (0, False), told
    assert list(folder.glob("studies/s/wandb/offline-run-*"))
