"""What a machine gives a study, and that a plan and its launch count alike."""

import os
from pathlib import Path

import pytest
import ray
from studies import flow_study, toy_study

from ablate.cli.run import show_plan
from ablate.driver.session import execute
from ablate.launch.base import Options, backend_of
from ablate.launch.ray import connection
from ablate.launch.ray.own_ray import OwnRay
from ablate.process import machine
from ablate.process.machine import Node, num_cpus, num_gpus, trials_at_once
from ablate.spec.models import Resources


@pytest.fixture(autouse=True)
def of_eight_cpus(monkeypatch, tmp_path):
    """A machine of 8 CPUs and 4 GPUs that nobody restricts."""
    for name in (
        "SLURM_CPUS_PER_TASK",
        "CUDA_VISIBLE_DEVICES",
        "RAY_USE_MULTIPROCESSING_CPU_COUNT",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "cgroups")
    monkeypatch.setattr(machine, "OWN_CGROUP", tmp_path / "own")
    monkeypatch.setattr(machine, "nvidia_gpus", lambda: 4)
    return tmp_path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_least_of_what_is_allowed(of_eight_cpus, monkeypatch):
    assert num_cpus() == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5, 6, 7})
    assert num_cpus() == 5
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "4")
    assert num_cpus() == 4
    write(of_eight_cpus / "own", "0::/a.slice/b\n")
    write(of_eight_cpus / "cgroups" / "a.slice" / "cpu.max", "350000 100000\n")
    write(of_eight_cpus / "cgroups" / "a.slice" / "b" / "cpu.max", "max 100000\n")
    assert num_cpus() == 3
    write(of_eight_cpus / "cgroups" / "cpu" / "cpu.cfs_quota_us", "200000\n")
    write(of_eight_cpus / "cgroups" / "cpu" / "cpu.cfs_period_us", "100000\n")
    assert num_cpus() == 2
    write(of_eight_cpus / "cgroups" / "cpu.max", "50000 100000\n")
    assert num_cpus() == 1  # half a CPU still runs one trial
    monkeypatch.setenv("RAY_USE_MULTIPROCESSING_CPU_COUNT", "1")
    assert num_cpus() == 4


@pytest.mark.parametrize("given", ["", "0", "4(x2)", "many"])
def test_what_says_nothing_restricts_nothing(of_eight_cpus, monkeypatch, given):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", given)
    write(of_eight_cpus / "own", "12:cpu:/x\n1:name=systemd:/\n")
    write(of_eight_cpus / "cgroups" / "cpu" / "cpu.cfs_quota_us", "-1\n")
    write(of_eight_cpus / "cgroups" / "cpu" / "cpu.cfs_period_us", "100000\n")
    write(of_eight_cpus / "cgroups" / "cpu.max", "junk")
    assert num_cpus() == 8


def test_where_nobody_knows_of_affinity_all_are_there(monkeypatch):
    """As on macOS."""
    monkeypatch.delattr(os, "sched_getaffinity")
    assert num_cpus() == 8


@pytest.mark.parametrize(
    ("visible", "number"), [(None, 4), ("", 0), ("NoDevFiles", 0), ("2,3", 2), ("0,1,2,3,4,5", 4)]
)
def test_gpus_are_those_that_are_visible(monkeypatch, visible, number):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert num_gpus() == number


@pytest.mark.parametrize(
    ("cpu", "gpu", "nodes", "number"),
    [
        (1, 0, [Node(8, 0), Node(4, 2)], 12),
        (3, 0, [Node(8, 0), Node(4, 0)], 3),
        (1, 1, [Node(8, 4), Node(16, 0)], 4),
        (1, 2, [Node(8, 4), Node(1, 4)], 3),
        (1, 0.25, [Node(64, 4)], 16),
        (1, 0.3, [Node(64, 4)], 12),  # three on each; what is left of them holds no fourth
        (0, 0.5, [Node(1, 1)], 2),
        (0.1, 0, [Node(1, 0)], 10),
        (4, 1, [Node(2, 8), Node(8, 0)], 0),
    ],
)
def test_trials_at_once(cpu, gpu, nodes, number):
    assert trials_at_once(Resources(cpu=cpu, gpu=gpu), nodes) == number


def test_a_plan_counts_gpus(tmp_path, console, monkeypatch):
    study = flow_study(tmp_path, pack="auto", seeds=list(range(18)),
                       resources={"cpu": 1, "gpu": 0.5})  # fmt: skip
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert backend_of(Options()).places(study, Options()) == 2
    show_plan(study, Options(), console)
    assert "36 runs in 2 trials (2 of 18)" in console.export_text()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert backend_of(Options()).places(study, Options()) == 8
    show_plan(study, Options(), console)
    assert "36 runs in 8 trials (7 of 5, 1 of 1)" in console.export_text()
    assert backend_of(Options(local=True)).places(study, Options(local=True)) == 1


def test_a_plan_says_that_no_trial_fits(tmp_path, console):
    show_plan(toy_study(tmp_path, resources={"cpu": 1, "gpu": 8}), Options(), console)
    assert "note: no trial fits on this machine" in console.export_text()


def test_a_ray_of_our_own_gets_the_cpus_that_the_study_may_use(monkeypatch, tmp_path):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    monkeypatch.setenv("ABLATE_PLAIN_RAY", "1")
    given = {}
    monkeypatch.setattr(ray, "init", lambda **settings: given.update(settings))
    assert connection.connect(OwnRay(), "local", (), print, tmp_path / "ray.log")
    assert given["num_cpus"] == 3


def test_a_local_trial_without_gpus_sees_none(tmp_path, console, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    monkeypatch.delenv("HIP_VISIBLE_DEVICES", raising=False)
    base = {"length": 1, "folder": str(tmp_path)}
    for gpu, seen in ((0, ""), (1, "2,3")):
        study = toy_study(tmp_path / str(gpu), trainable="toy:Recorder", base=base, seeds=[1],
                          resources={"cpu": 1, "gpu": gpu})  # fmt: skip
        assert execute(study, Options(local=True), console).exit_code == 0
        assert (tmp_path / "1-1").read_text().split(" ")[2] == seen
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "2,3"
        assert "HIP_VISIBLE_DEVICES" not in os.environ


@pytest.mark.ray
@pytest.mark.timeout(300)
def test_a_plan_asks_the_cluster_at_an_address(tmp_path, console, ray_cluster):
    """Of 4 CPUs and 4 GPUs, and not this machine."""
    study = toy_study(tmp_path, resources={"cpu": 1, "gpu": 0.25})
    assert backend_of(Options(address=ray_cluster)).places(study, Options(address=ray_cluster)) == 4
    assert ray.is_initialized()
    assert backend_of(Options()).places(study, Options()) == 8


def test_what_only_linux_has_is_asked_for_in_one_place():
    """Where it may be missing; what is Linux's own is named elsewhere at most in comments."""
    root = Path(machine.__file__).parents[2]
    asks = {"machine.py", "processes.py"}  # of a machine, of processes
    asks |= {"keeper.py", "child.py"}  # of what a script leaves behind
    for path in [*root.glob("ablate/**/*.py"), *root.glob("trainables/**/*.py")]:
        if path.name not in asks:
            text = path.read_text()
            assert "sched_getaffinity" not in text, path
            assert '"/proc' not in text, path
