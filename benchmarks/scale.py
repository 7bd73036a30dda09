"""The overhead per run beside its training: studies of trivially short runs, through Ray.

    python benchmarks/scale.py                       # 100 and 1,000 runs, a few minutes
    python benchmarks/scale.py --runs 100 1000 10000
    python benchmarks/scale.py --wandb disabled      # without W&B, which runs in its own process
    python benchmarks/scale.py --alone               # without the baseline

Each size is a study in a separate process. The exponent says how a number grows with the number of
runs: 1 is linear. The baseline is Ray Tune without Ablate, with reused actors and no loggers.
"""

import argparse
import contextlib
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ray.tune import Trainable

HERE = Path(__file__).parent
CELLS = 10
PHASES = ("plan", "launch", "of it ledger", "report", "driver CPU", "memory, MB")
TUNE = "Tune: "
"""Prefix of the baseline's phases."""


class Trivial(Trainable):
    """A run of one empty step."""

    def step(self) -> dict[str, Any]:
        """Ends at once."""
        return {"score": float(self.config["gain"] + self.config["seed"]), "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Saves nothing."""

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Takes the next run."""
        return True


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="The cost of a run beside its training.")
    parser.add_argument("--runs", type=int, nargs="+", default=[100, 1_000])
    parser.add_argument("--wandb", default="offline", choices=("offline", "disabled"))
    parser.add_argument("--alone", action="store_true", help="without the baseline")
    parser.add_argument("--side", choices=("ablate", "tune"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.side:
        side = {"ablate": through_ablate, "tune": through_tune}[arguments.side]
        print(json.dumps(side(arguments.runs[0])))
        return
    measurements: list[dict[str, float]] = []
    for num_runs in arguments.runs:
        measurements.append(_process("ablate", num_runs, arguments.wandb))
        if arguments.alone:
            continue
        bare = _process("tune", num_runs, arguments.wandb)
        measurements[-1] |= {TUNE + phase: value for phase, value in bare.items()}
        print(
            f"{num_runs} runs: {measurements[-1]['launch'] / bare['launch']:.2f} x bare Tune",
            flush=True,
        )
    _print_table(arguments.runs, measurements)


def through_ablate(num_runs: int) -> dict[str, float]:
    """Seconds of each phase of a study of `num_runs` runs, and the driver's memory."""
    from rich.console import Console

    from ablate.analysis.build import study_record
    from ablate.driver.session import execute
    from ablate.launch.base import Options
    from ablate.ledger.ledger import Ledger
    from ablate.plan.plan import plan_study
    from ablate.report.output import write_report
    from ablate.spec.load import read_study
    from ablate.study_dir import StudyPaths

    spent: dict[str, float] = {}
    for name in ("on_event", "tick"):
        setattr(Ledger, name, _timed(getattr(Ledger, name), spent))
    with _phase(spent, "plan"):
        study = read_study({
            "study": "scale", "trainable": "scale:Trivial", "metric": "score", "mode": "max",
            "factors": {"gain": list(range(CELLS))}, "seeds": num_runs // CELLS, "storage": ".",
        }, "scale.py")  # fmt: skip
        plan_study(study)
    memory, cpu = _memory_mb(), time.process_time()
    with _phase(spent, "launch"), open(os.devnull, "w", encoding="utf-8") as nowhere:
        outcome = execute(study, Options(), Console(file=nowhere))
    assert outcome.exit_code == 0
    spent["driver CPU"] = time.process_time() - cpu
    spent["memory, MB"] = _memory_mb() - memory
    with _phase(spent, "report"):
        record = study_record(outcome.plan, outcome.ledger.rows)
        write_report(record, StudyPaths(study.directory))
    return spent


def through_tune(num_runs: int) -> dict[str, float]:
    """The same runs with Tune alone."""
    import ray
    from ray import tune

    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    spent: dict[str, float] = {}
    memory, cpu = _memory_mb(), time.process_time()
    with _phase(spent, "launch"):
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        ray.init(include_dashboard=False, **quiet)
        tune.Tuner(
            tune.with_resources(Trivial, {"cpu": 1}),
            param_space={
                "gain": tune.grid_search(list(range(CELLS))),
                "seed": tune.grid_search(list(range(num_runs // CELLS))),
            },
            tune_config=tune.TuneConfig(reuse_actors=True),
            run_config=tune.RunConfig(storage_path=str(Path.cwd() / "tune"), verbose=0),
        ).fit()
        ray.shutdown()
    spent["driver CPU"] = time.process_time() - cpu
    spent["memory, MB"] = _memory_mb() - memory
    return spent


def _process(side: str, num_runs: int, wandb: str) -> dict[str, float]:
    paths = os.pathsep.join([str(HERE.parent), str(HERE), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, "WANDB_MODE": wandb}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, __file__, "--side", side, "--runs", str(num_runs)],
            cwd=folder, env=environment, capture_output=True, text=True,
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


@contextlib.contextmanager
def _phase(spent: dict[str, float], name: str) -> Any:
    start = time.perf_counter()
    yield
    spent[name] = time.perf_counter() - start


def _timed(method: Callable[..., Any], spent: dict[str, float]) -> Callable[..., Any]:
    def timed(*arguments: Any) -> Any:
        start = time.perf_counter()
        try:
            return method(*arguments)
        finally:
            spent["of it ledger"] = spent.get("of it ledger", 0.0) + time.perf_counter() - start

    return timed


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _print_table(sizes: Sequence[int], measurements: Sequence[dict[str, float]]) -> None:
    print(f"{'seconds':<18}" + "".join(f"{size:>12,}" for size in sizes)
          + f"{'more a run':>16}{'exponent':>10}")  # fmt: skip
    for phase in (p for p in (*PHASES, *(TUNE + p for p in PHASES)) if p in measurements[0]):
        values = [row.get(phase, 0.0) for row in measurements]
        row = f"{phase:<18}" + "".join(f"{value:>12.2f}" for value in values)
        if len(sizes) > 1:
            more = (values[-1] - values[-2]) / (sizes[-1] - sizes[-2])
            unit = "kB" if phase.endswith("MB") else "ms"
            row += f"{1e3 * more:>13.2f} {unit}{_exponent(sizes, values):>10.2f}"
        print(row)


def _exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """The slope of a line through the logarithms."""
    x = [math.log(size) for size in sizes]
    y = [math.log(max(value, 1e-9)) for value in values]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    rise = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return rise / sum((a - mean_x) ** 2 for a in x)


if __name__ == "__main__":
    main()
