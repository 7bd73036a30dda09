"""What people run today: a plain training loop with W&B, called by `orchestration.py`.

python benchmarks/handwritten.py run 3        # one run in this process, seed 3
python benchmarks/handwritten.py tune 12      # 12 runs as Ray Tune's documentation shows it
python benchmarks/handwritten.py floor 12     # 12 runs, warm: prints their CPU-seconds

Runs log their losses each epoch and end with two metrics of their samples, so that there is
something to compare. The floor is the bare training.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from training_step import PlainLoop

from trainables.flow.config.run import FlowConfig
from trainables.flow.data.dataset import Dataset, load_dataset
from trainables.flow.evaluation.distances import energy_distance, sliced_w2
from trainables.flow.sampling import integrate

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


def train(seed: int, log: Callable[[dict[str, float]], None]) -> None:
    """One run of the plain loop."""
    loop, data = _loop(seed)
    held_out = _HeldOut(data)
    for _ in range(EPOCHS):
        loop()
        log({"train_loss": loop.loss, "val_loss": held_out.loss(loop)})
    log(held_out.metrics(loop))


def tracked_run(seed: int) -> None:
    """One run as a separate script, with W&B."""
    import wandb

    run = wandb.init(project="orchestration", name=f"s{seed}", config={**BASE, "seed": seed})
    train(seed, run.log)
    run.finish()


def stock_tune(number: int) -> None:
    """Ray Tune with its W&B callback, by the book."""
    from ray import tune
    from ray.air.integrations.wandb import WandbLoggerCallback

    def trial(config: dict[str, Any]) -> None:
        torch.set_num_threads(1)
        train(config["seed"], tune.report)

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
    _bare(0)
    start = time.process_time()
    for seed in range(number):
        _bare(seed)
    print(time.process_time() - start)


def _bare(seed: int) -> None:
    loop, _ = _loop(seed)
    for _ in range(EPOCHS):
        loop()


def _loop(seed: int) -> tuple[PlainLoop, Dataset]:
    config = FlowConfig.model_validate(BASE)
    torch.manual_seed(seed)
    data = load_dataset(config.data)
    return PlainLoop(config, data, torch.device("cpu")), data


class _HeldOut:
    """Validation and test rows, with fixed draws."""

    def __init__(self, data: Dataset) -> None:
        source = torch.Generator().manual_seed(0)
        rows, self._test = (
            torch.from_numpy(data.normalisation.apply(part))
            for part in (data.validation, data.test)
        )
        self._noise = torch.randn(self._test.shape, generator=source)
        x_0 = torch.randn(rows.shape, generator=source)
        self._t = torch.rand(len(rows), generator=source)
        self._x_t = (1 - self._t[:, None]) * x_0 + self._t[:, None] * rows
        self._u_t = rows - x_0

    @torch.no_grad()
    def loss(self, loop: PlainLoop) -> float:
        """With the averaged weights."""
        error: Tensor = loop.averaged()(self._x_t, self._t) - self._u_t
        return error.square().mean().item()

    def metrics(self, loop: PlainLoop) -> dict[str, float]:
        """Metrics of samples, against the test rows."""
        samples = integrate(loop.averaged(), self._noise)
        return {
            "energy_distance": energy_distance(samples, self._test),
            "sliced_w2": sliced_w2(samples, self._test),
        }


if __name__ == "__main__":
    main()
