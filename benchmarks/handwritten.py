"""What people run today: a plain training loop with W&B, called by `orchestration.py`.

python benchmarks/handwritten.py run 3        # one run in this process, seed 3
python benchmarks/handwritten.py tune 12      # 12 runs as Ray Tune's documentation shows it
python benchmarks/handwritten.py floor 12     # 12 runs, warm: prints their CPU-seconds
"""

import sys
import time
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from training_step import PlainLoop

from trainables.flow.config import FlowConfig
from trainables.flow.data import load_dataset

EPOCHS = 52
BASE: dict[str, Any] = {
    "hidden_dim": 128, "num_layers": 4, "epochs": EPOCHS, "patience": None,
    "data": {"source": "digits"}, "device": "cpu",
}  # fmt: skip
LEVELS = {"flow": ["icfm", "vp"], "lr": [1e-3, 2e-3]}
"""Of the study: 4 cells, so 12 runs are 3 seeds."""


def main() -> None:
    what, number = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(1)
    {"run": tracked_run, "tune": stock_tune, "floor": floor}[what](number)


def train(seed: int) -> PlainLoop:
    """One run of the plain loop."""
    config = FlowConfig.model_validate(BASE)
    torch.manual_seed(seed)
    loop = PlainLoop(config, load_dataset(config.data), torch.device("cpu"))
    for _ in range(EPOCHS):
        loop()
    return loop


def tracked_run(seed: int) -> None:
    """One run as a script of its own, with W&B."""
    import wandb

    run = wandb.init(project="orchestration", name=f"s{seed}", config={**BASE, "seed": seed})
    train(seed)
    run.log({"done": 1})
    run.finish()


def stock_tune(number: int) -> None:
    """Ray Tune with its W&B callback, by the book."""
    from ray import tune
    from ray.air.integrations.wandb import WandbLoggerCallback

    def trial(config: dict[str, Any]) -> None:
        torch.set_num_threads(1)
        train(config["seed"])
        tune.report({"done": 1})

    tune.Tuner(
        tune.with_resources(trial, {"cpu": 1}),
        param_space={"seed": tune.grid_search(list(range(number)))},
        run_config=tune.RunConfig(
            storage_path=str(Path.cwd() / "ray"),
            callbacks=[WandbLoggerCallback(project="orchestration")],
        ),
    ).fit()


def floor(number: int) -> None:
    """CPU-seconds of the bare training in one warm process."""
    train(0)
    start = time.process_time()
    for seed in range(number):
        train(seed)
    print(time.process_time() - start)


if __name__ == "__main__":
    main()
