"""Step time of the training engine against a plain PyTorch loop, and of packs against solo.

    python benchmarks/training_step.py                  # scale tiny, some minutes on a CPU
    python benchmarks/training_step.py --scale base --dim 1024 --batch-size 256   # for GPUs

A step is a whole training step: draws, path, forward and backward pass, clipping, AdamW, EMA and
schedule. Two sides take turns; ratios are of the medians over their rounds. Needs neither Ray nor
W&B.
"""

import argparse
import copy
import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from plain_networks import PlainVelocity

from trainables.flow.config.run import FlowConfig
from trainables.flow.config.schedule import ema_decay, lr_factor, warmup_steps
from trainables.flow.config.shapes import num_parameters
from trainables.flow.data.dataset import Dataset, load_dataset
from trainables.flow.engine.pack import Pack
from trainables.flow.engine.state import RunSpec

ARCHS = ("mlp", "dit", "unet")
PACKS = (4, 16, 32)
TOTAL_STEPS = 10_000_000


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Step time of the training engine.")
    parser.add_argument("--scale", default="tiny", choices=("tiny", "small", "base"))
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--archs", nargs="+", default=ARCHS, choices=ARCHS)
    parser.add_argument("--packs", nargs="*", type=int, default=PACKS)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each round of each side")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    device = torch.device(arguments.device)
    named = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu, one thread"
    print(f"{named}, torch {torch.__version__}, scale {arguments.scale}, "
          f"{arguments.dim}-d, batch {arguments.batch_size}")  # fmt: skip
    print(f"{'':8}{'side':<14}{'ms a run-step':>14}{'ratio':>8}")
    for arch in arguments.archs:
        compare(arch, arguments, device)


def compare(arch: str, arguments: argparse.Namespace, device: torch.device) -> None:
    """Prints the rows of one architecture.

    Args:
        arch: The architecture.
        arguments: As typed.
        device: Where to train.
    """
    config = config_of(arch, arguments)
    data = load_dataset(config.data)
    solo = Engine(config, data, device, 1)
    own = Engine(config_of(
        "plain_networks:OwnVelocity", arguments,
        arch_args={"of": arch, "scale": arguments.scale},
    ), data, device, 1)  # fmt: skip
    plain, engine, module = timed([PlainLoop(config, data, device), solo, own], arguments)
    print(f"{arch:<8}{'plain loop':<14}{1e3 * plain:>14.3f}{1:>8.2f}")
    print(f"{arch:<8}{'engine':<14}{1e3 * engine:>14.3f}{engine / plain:>8.2f}  of the plain loop")
    print(f"{arch:<8}{'its own module':<14}{1e3 * module:>14.3f}{module / plain:>8.2f}"
          "  of the plain loop, in the engine")  # fmt: skip
    for num_runs in arguments.packs:
        packed = Engine(config, data, device, num_runs)
        alone, together = timed([solo, packed], arguments)
        print(f"{arch:<8}{f'pack of {num_runs}':<14}{1e3 * together:>14.3f}"
              f"{together / alone:>8.2f}  of the engine solo")  # fmt: skip


def config_of(arch: str, arguments: argparse.Namespace, **more: object) -> FlowConfig:
    rows = 20 * arguments.batch_size
    data = {"source": "gaussians", "dim": arguments.dim, "rows": math.ceil(rows / 0.7)}
    return FlowConfig.model_validate({
        "arch": arch, "scale": arguments.scale, "batch_size": arguments.batch_size,
        "steps": TOTAL_STEPS, "patience": None, "data": data, **more,
    })  # fmt: skip


def timed(sides: Sequence[Callable[[], int]], arguments: argparse.Namespace) -> list[float]:
    """Median seconds per run-step of each side; sides take turns."""
    for side in sides:
        side()
    rounds: list[list[float]] = [[] for _ in sides]
    for _ in range(arguments.rounds):
        for side, seconds in zip(sides, rounds, strict=True):
            seconds.append(_round(side, arguments.seconds))
    return [statistics.median(seconds) for seconds in rounds]


def _round(side: Callable[[], int], at_least_s: float) -> float:
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < at_least_s:
        steps += side()
    return (time.perf_counter() - start) / steps


class Engine:
    """Epochs of the engine, without the validation at their ends (a plain loop has none here).

    Args:
        watched: Whether the host looks at each step's losses; by default as in real runs.
    """

    def __init__(
        self,
        config: FlowConfig,
        data: Dataset,
        device: torch.device,
        num_runs: int,
        watched: bool | None = None,
    ) -> None:
        specs = [RunSpec(str(seed), seed, config) for seed in range(num_runs)]
        self._pack = Pack(specs, [data] * num_runs, device, watched)

    def __call__(self) -> int:
        """One epoch; returns its run-steps."""
        self._pack.take_steps()
        for run in self._pack.runs:
            run.progress.epoch += 1
            run.curves.epoch_loss()
            run.curves.drain()
        _finish(self._pack.device)
        return self._pack.runs[0].data.steps_per_epoch * len(self._pack.runs)

    @property
    def notes(self) -> list[str]:
        """What the runs would tell, such as why there is no graph."""
        return self._pack.runs[0].progress.warnings


class PlainLoop:
    """The loop that people write: modules, AdamW as it comes, EMA parameter by parameter."""

    def __init__(self, config: FlowConfig, data: Dataset, device: torch.device) -> None:
        torch.manual_seed(0)
        self._config = config
        self._device = device
        self._rows = torch.from_numpy(data.normalisation.apply(data.train)).to(device)
        self._model: nn.Module = PlainVelocity(config, data.dim).to(device)
        parameters = sum(p.numel() for p in self._model.parameters())
        assert parameters == num_parameters(config, data.dim), "not the same network"
        self._average = [p.detach().clone() for p in self._model.parameters()]
        self._optimizer = torch.optim.AdamW(
            self._model.parameters(), lr=config.lr, weight_decay=config.weight_decay
        )
        warmup = warmup_steps(config.warmup, TOTAL_STEPS)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: lr_factor(step, warmup, TOTAL_STEPS)
        )
        self._step = 0
        self.loss = math.nan
        """Of the last step."""

    def averaged(self) -> nn.Module:
        """The network with the averaged weights."""
        model = copy.deepcopy(self._model)
        with torch.no_grad():
            for own, average in zip(model.parameters(), self._average, strict=True):
                own.copy_(average)
        return model

    def __call__(self) -> int:
        """One epoch; returns its steps."""
        batch = self._config.batch_size
        order = torch.randperm(len(self._rows), device=self._device)
        batches = order[: len(order) // batch * batch].split(batch)
        for rows in batches:
            self._train(self._rows[rows])
        _finish(self._device)
        return len(batches)

    def _train(self, x_1: torch.Tensor) -> None:
        x_0 = torch.randn_like(x_1)
        t = torch.rand(len(x_1), device=self._device)
        x_t = (1 - t[:, None]) * x_0 + t[:, None] * x_1
        loss = (self._model(x_t, t) - (x_1 - x_0)).square().mean()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._model.parameters(), self._config.clip or math.inf)
        self._optimizer.step()
        self._schedule.step()
        decay = ema_decay(self._step, self._config.ema_decay)
        with torch.no_grad():
            for average, parameter in zip(self._average, self._model.parameters(), strict=True):
                average.lerp_(parameter, 1 - decay)
        self.loss = loss.item()
        if not math.isfinite(self.loss):
            raise RuntimeError("diverged")
        self._step += 1


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
