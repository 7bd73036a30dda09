"""What W&B costs at the end of a command: from the last run's end to the prompt.

    python benchmarks/tracking.py                  # 30 short runs, each way of tracking
    python benchmarks/tracking.py --runs 12 --repeats 5

The server is the tests', on loopback, behind the real wandb-core; with `latency` every answer takes
0.25 s. Each way is compared with the same study with W&B disabled.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from wandb_server import WandbServer  # noqa: E402 # pyright: ignore

from ablate.ledger.ledger import Ledger  # noqa: E402
from ablate.spec.load import read_study, save_study  # noqa: E402
from ablate.study_dir import StudyPaths  # noqa: E402

WAYS = {"disabled": None, "offline": None, "online": 0.0, "online, 0.25 s latency": 0.25}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(arguments.repeats):
        for way in WAYS:
            seconds[way].append(end_s(way, arguments.runs))
    baseline = statistics.median(seconds["disabled"])
    print(f"from the last run's end to the prompt, {arguments.runs} runs, median (least to most)")
    for way, times_s in seconds.items():
        median = statistics.median(times_s)
        print(
            f"{way:<24}{median:6.1f} s ({min(times_s):.1f} to {max(times_s):.1f})"
            f"  {median / baseline:5.1f} x disabled"
        )


def end_s(way: str, num_runs: int) -> float:
    """Seconds from the last run's end to the prompt, in one study."""
    with tempfile.TemporaryDirectory() as folder:
        study = read_study({
            "study": "tracking", "trainable": "toy:Counter", "metric": "score", "mode": "max",
            "base": {"length": 20}, "factors": {"gain": list(range(num_runs))}, "seeds": [1],
            "storage": folder,
        }, "benchmark")  # fmt: skip
        paths = StudyPaths(study.directory)
        save_study(study, paths)
        server = WandbServer()
        server.latency_s = WAYS[way] or 0.0
        environment = {
            **os.environ, "PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT}",
            "WANDB_MODE": way.partition(",")[0], "WANDB_BASE_URL": server.url,
            "WANDB_API_KEY": "0" * 40,
        }  # fmt: skip
        command = [sys.executable, "-m", "ablate.run", "--resume", str(paths.root), "--local"]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        ended = time.time()
        server.close()
        return ended - max(row["ended_at"] for row in Ledger(paths).rows.values()).timestamp()


if __name__ == "__main__":
    main()
