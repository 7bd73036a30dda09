"""The surroundings of a training script: variables, a port of its own, how many processes it is."""

import fcntl
import os
import re
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_OF_OTHERS = (
    "SLURM_", "SLURMD_", "SRUN_", "SBATCH_", "RAY_", "TUNE_", "TORCHELASTIC_", "PET_", "PMI_",
    "PMIX_", "OMPI_", "MV2_", "HYDRA_LAUNCHER",
)  # fmt: skip
"""Beginnings of variables that tell a script of somebody else's job: Ray's worker, or the driver's
allocation, in which it would look for ranks."""
_RANKS = frozenset(
    {
        "RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "ROLE_RANK",
        "ROLE_NAME", "ROLE_WORLD_SIZE", "GROUP_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR",
        "MASTER_PORT", "OMP_NUM_THREADS",
    }
)  # fmt: skip
_PER_NODE = re.compile(r"--?(?:nproc[-_]per[-_]node|num[-_]processes|num[-_]gpus)")
_NODES = re.compile(r"--?nnodes")
_RAYS_NICENESS = 10
"""Ray's workers run at 15; who is at 10 or above on purpose is not seen to be."""


class Port:
    """A free port that no other script on this machine gets as long as it is held."""

    def __init__(self) -> None:
        folder = Path(tempfile.gettempdir(), f"ablate-ports-{os.getuid()}")
        folder.mkdir(mode=0o700, exist_ok=True)
        while True:
            self.number = _unused()
            self._file = os.open(folder / str(self.number), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError:
                os.close(self._file)

    def close(self) -> None:
        """Gives it back."""
        os.close(self._file)


def variables(
    inherited: Mapping[str, str],
    port: int,
    argv: Sequence[str],
    num_cpus: float,
    num_gpus: float,
    added: Mapping[str, str],
) -> dict[str, str]:
    """The environment of a script.

    Args:
        inherited: The worker's.
        port: A free one.
        argv: What is started.
        num_cpus: Its trial's CPUs, which its processes share.
        num_gpus: Its trial's GPUs.
        added: Further variables, which win.
    """
    kept = {
        name: value
        for name, value in inherited.items()
        if not name.startswith(_OF_OTHERS) and name not in _RANKS
    }
    threads = max(1, int(num_cpus) // (world_size(argv, num_gpus) or 1))
    return {
        **kept,
        "PATH": search_path(inherited),
        "MASTER_PORT": str(port),
        "PET_MASTER_PORT": str(port),  # torchrun's, without `--standalone`
        "OMP_NUM_THREADS": str(threads),
        "PYTHONUNBUFFERED": "1",
        **added,
    }


def search_path(inherited: Mapping[str, str] = os.environ) -> str:
    """Where programs are looked for: beside the interpreter at last, as if it were activated."""
    found = inherited.get("PATH", os.defpath)
    own = str(Path(sys.executable).parent)
    return found if own in found.split(os.pathsep) else f"{found}{os.pathsep}{own}"


def world_size(argv: Sequence[str], num_gpus: float = 0) -> int | None:
    """How many processes a command line asks its launcher for; None if it names none."""
    per_node = _argument(argv, _PER_NODE)
    if per_node is None:
        return None
    if per_node in ("gpu", "auto"):
        num = max(1, int(num_gpus)) if num_gpus or per_node == "gpu" else os.cpu_count() or 1
    elif per_node == "cpu":
        num = os.cpu_count() or 1
    elif per_node.isdecimal():
        num = int(per_node)
    else:
        return None
    nodes = (_argument(argv, _NODES) or "1").rpartition(":")[2]
    return num * int(nodes) if nodes.isdecimal() else num


def wanted_niceness(inherited: Mapping[str, str]) -> int | None:
    """What the script's niceness should be, where Ray has changed the worker's."""
    of_ray = any(name.startswith("RAY_") for name in inherited)
    return 0 if of_ray and os.nice(0) >= _RAYS_NICENESS else None


def _argument(argv: Sequence[str], name: re.Pattern[str]) -> str | None:
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        flag, equals, value = word.partition("=")
        if name.fullmatch(flag):
            return value if equals else following
    return None


def _unused() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
