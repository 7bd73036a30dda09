"""Samples how busy a worker's GPUs are and how much memory its runs hold, for their curves."""

import os
import shutil
import subprocess
import sys
import threading

from ablate.events import GPU_MEMORY_MB, GPU_PERCENT

EVERY_S = 10.0
TIMEOUT_S = 5.0
MOST_FAILURES = 5
"""In a row: then it gives up."""


class GpuMonitor:
    """Polls `nvidia-smi` in a thread that nothing waits for."""

    def __init__(self) -> None:
        self._latest: dict[str, float] = {}
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts, unless it is running already or there is nothing to poll."""
        if self._thread is None and visible_gpus() and shutil.which("nvidia-smi"):
            self._thread = threading.Thread(target=self._watch, name="gpu-monitor", daemon=True)
            self._thread.start()

    def latest(self) -> dict[str, float]:
        """Use and memory of the GPUs as of now, under private names; empty without a GPU."""
        return {**self._latest, **_held_by_torch()} if self._latest else {}

    def _watch(self) -> None:
        pause, failures = threading.Event(), 0
        while failures < MOST_FAILURES:
            readings = _ask(visible_gpus())
            failures = 0 if readings else failures + 1
            self._latest = readings or {}  # no stale readings for later points
            pause.wait(EVERY_S)


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as `nvidia-smi -i` takes them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return ["0"]  # the trainable takes the first one, too
    return [name for name in visible.split(",") if name.strip() and name.strip() != "-1"]


def _ask(gpus: list[str]) -> dict[str, float] | None:
    """The mean use in per cent and the memory in use; None without a valid answer."""
    query = "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits"
    try:
        done = subprocess.run(
            ["nvidia-smi", "-i", ",".join(gpus), *query],
            capture_output=True, text=True, timeout=TIMEOUT_S, check=True,
        )  # fmt: skip
        rows = [[float(cell) for cell in line.split(",")] for line in done.stdout.splitlines()]
        return {
            GPU_PERCENT: sum(percent for percent, _ in rows) / len(rows),
            GPU_MEMORY_MB: sum(memory_mb for _, memory_mb in rows),
        }
    except (OSError, subprocess.SubprocessError, ValueError, ZeroDivisionError):
        return None


def _held_by_torch() -> dict[str, float]:
    """Memory held by this process's torch: others may share the GPU."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    return {GPU_MEMORY_MB: torch.cuda.memory_reserved() / 2**20}
