"""A whole study from the command to the prompt, against what people run today.

    python benchmarks/orchestration.py               # 12 runs, a few minutes
    python benchmarks/orchestration.py --runs 12 36

Baselines, measured in the same call: a fresh process per run, one after another, and Ray Tune with
its W&B callback. The floor is the bare training, a plain PyTorch loop in one warm process, divided
by the number of cores. W&B is offline everywhere; Ablate also writes its report.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml
from handwritten import BASE, LEVELS

from ablate.process.machine import num_cpus

HERE = Path(__file__).parent
CELLS = 4


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="A study against hand-written loops.")
    parser.add_argument("--runs", type=int, nargs="+", default=[12])
    parser.add_argument("--skip", nargs="*", default=[], help="sides to leave out, by their start")
    arguments = parser.parse_args(argv)
    cores = num_cpus()
    print(f"{cores} cores; seconds from the command to the prompt")
    print(f"{'runs':>5}  {'side':<34}{'s':>8}{'x floor':>9}{'Ablate is faster by':>21}"
          " (pack: 1, auto)")  # fmt: skip
    for num_runs in arguments.runs:
        floor = float(_python("handwritten.py", "floor", num_runs)) / cores
        print(f"{num_runs:>5}  {'floor: bare training':<34}{floor:>8.1f}{1:>9.2f}")
        ours: list[float] = []
        for name, side in SIDES.items():
            if any(name.startswith(skipped) for skipped in arguments.skip):
                continue
            start = time.perf_counter()
            side(num_runs)
            seconds = time.perf_counter() - start
            if name.startswith("Ablate"):
                ours.append(seconds)
                faster = ""
            else:
                faster = ", ".join(f"{seconds / own:.1f} x" for own in ours)
            print(f"{num_runs:>5}  {name:<34}{seconds:>8.1f}{seconds / floor:>9.2f}{faster:>21}",
                  flush=True)  # fmt: skip


def ablate(pack: str) -> Callable[[int], None]:
    """`python -m ablate.run`, with the given packs."""

    def side(num_runs: int) -> None:
        study = {
            "study": "orchestration", "metric": "energy_distance", "base": BASE,
            "factors": LEVELS, "seeds": num_runs // CELLS,
            "pack": int(pack) if pack.isdigit() else pack,
        }  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "grid.yaml").write_text(yaml.safe_dump(study), "utf-8")
            _run(["-m", "ablate.run", "grid.yaml"], folder)

    return side


def fresh_processes(num_runs: int) -> None:
    """The usual loop: one script call per run."""
    for seed in range(num_runs):
        _python("handwritten.py", "run", seed)


def stock_tune(num_runs: int) -> None:
    """Ray Tune as its documentation shows it."""
    _python("handwritten.py", "tune", num_runs)


SIDES: dict[str, Callable[[int], None]] = {
    "Ablate, pack: 1": ablate("1"),
    "Ablate, pack: auto": ablate("auto"),
    "one fresh process a run": fresh_processes,
    "Ray Tune, stock W&B callback": stock_tune,
}


def _python(script: str, *arguments: object) -> str:
    with tempfile.TemporaryDirectory() as folder:
        return _run([str(HERE / script), *map(str, arguments)], folder)


def _run(arguments: list[str], folder: str) -> str:
    paths = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
    environment = {
        **os.environ, "WANDB_MODE": "offline", "WANDB_SILENT": "true", "OMP_NUM_THREADS": "1",
        "PYTHONPATH": paths,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{arguments}: {done.stderr[-2000:]}{done.stdout[-2000:]}")
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


if __name__ == "__main__":
    main()
