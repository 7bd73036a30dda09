"""The resources of a machine or a cluster, and how many trials fit on it at once.

Counted without Ray and torch, so that a plan can show it instantly.
"""

import contextlib
import ctypes
import math
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")
BOOT = Path("/proc/sys/kernel/random/boot_id")
OWN_PROCESSES = Path("/proc/self/ns/pid")
"""All exist on Linux only."""
_ROUNDING = 1e-9


class Needs(Protocol):
    """The resources that a trial needs."""

    @property
    def cpu(self) -> float:
        """CPUs."""
        ...

    @property
    def gpu(self) -> float:
        """GPUs, or a share of one."""
        ...


@dataclass(frozen=True)
class Node:
    """The resources of one machine."""

    cpus: float
    gpus: float


def this_machine() -> Node:
    """What this process may use of its machine."""
    return Node(num_cpus(), num_gpus())


def trials_at_once(resources: Needs, nodes: Sequence[Node]) -> int:
    """How many trials run at once, as Ray places them: each on one node, GPU shares on one GPU."""
    return sum(_fitting(resources, node) for node in nodes)


def num_cpus() -> int:
    """The CPUs that a study may use: the least that scheduler, Slurm and container allow."""
    allowed = [os.cpu_count() or 1, _affinity(), _of_slurm()]
    if not os.environ.get("RAY_USE_MULTIPROCESSING_CPU_COUNT"):  # with it Ray ignores containers
        allowed.append(_quota())
    return max(1, int(min(allowed)))


def num_gpus() -> int:
    """The NVIDIA GPUs that this process sees."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible in ("", "NoDevFiles"):
        return 0
    there = nvidia_gpus()
    return there if visible is None else min(there, len(visible.split(",")))


def process_space() -> str:
    """Identifies the running kernel and its namespace of process ids, as far as possible."""
    parts: list[str] = []
    with contextlib.suppress(OSError):
        parts.append(BOOT.read_text("ascii").strip())
    with contextlib.suppress(OSError):
        parts.append(os.readlink(OWN_PROCESSES))
    return " ".join([socket.gethostname(), *parts])


def _fitting(resources: Needs, node: Node) -> int:
    fits: list[float] = []
    if resources.cpu:
        fits.append(node.cpus / resources.cpu)
    if resources.gpu >= 1:
        fits.append(node.gpus / resources.gpu)
    elif resources.gpu:
        fits.append(int(node.gpus) * int(1 / resources.gpu + _ROUNDING))
    return int(min(fits) + _ROUNDING)


def _affinity() -> float:
    """CPUs that this process may run on; macOS does not say."""
    if not hasattr(os, "sched_getaffinity"):
        return math.inf
    return len(os.sched_getaffinity(0))


def _of_slurm() -> float:
    """CPUs of a task, if a job has asked for them: not every Slurm binds tasks to them."""
    given = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return int(given) if given.isdecimal() and int(given) else math.inf


def _quota() -> float:
    """CPUs' worth of time that a container or a systemd slice may take."""
    return min(map(_quota_of, [CGROUPS / "cpu", *_groups()]), default=math.inf)


def _groups() -> list[Path]:
    """The folders of this process's cgroup (version 2) and of its parents."""
    try:
        lines = OWN_CGROUP.read_text("ascii").splitlines()
    except OSError:
        return []
    own = next((line[3:] for line in lines if line.startswith("0::/")), "/")
    inside = [part for part in PurePosixPath(own).parts[1:] if part != ".."]
    return [CGROUPS.joinpath(*inside[:depth]) for depth in range(len(inside) + 1)]


def _quota_of(group: Path) -> float:
    """CPUs of one cgroup, of version 2 or 1; infinite without a limit."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period = " ".join((group / name).read_text() for name in names).split()
            if float(quota) > 0:  # "max" is no number, -1 no limit
                return float(quota) / float(period)
        except (OSError, ValueError, ZeroDivisionError):
            continue
    return math.inf


def nvidia_gpus() -> int:
    """The count of the driver's own library, which Ray asks, too."""
    count = ctypes.c_uint()
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
        if nvml.nvmlInit_v2():
            return 0
        nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
        nvml.nvmlShutdown()
    except (OSError, AttributeError):
        return 0
    return count.value
