"""Training steps on a GPU: the engine solo and in packs, against ordinary solo steps.

    python benchmarks/gpu.py                             # the study's three networks, minutes
    python benchmarks/gpu.py --archs mlp --packs 8 32

Needs torch, numpy, scipy and pydantic, and neither Ray nor W&B. A side's number is the median of
its rounds. "eager" is the engine's ordinary step, whose loss the host reads each time; "graphed"
and packs are replayed as one CUDA graph (if that fails, a line says why). Memory is torch's maximum
per run. The share of the peak compares the multiplications and additions of a whole step with the
device's TF32 peak, if its name is known.
"""

import argparse
import gc
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from training_step import Engine, PlainLoop, config_of, timed

from trainables.flow.data.dataset import load_dataset

TF32_PEAK = {"H100": 495e12, "H200": 495e12, "A100": 156e12, "L40": 181e12, "4090": 83e12}
"""Dense FLOP/s by a part of the device's name, from the vendor's data sheets."""
STUDY_RUNS, STUDY_STEPS = 324, 30_000
"""The projected study: 36 cells, 9 seeds, 300 epochs of 100 steps."""
BESIDE_TRAINING_S = 6.0
"""What a fresh process spends beside training: measured on a CPU machine, see README.md."""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Training steps on a GPU.")
    parser.add_argument("--archs", nargs="+", default=("mlp", "unet", "dit"))
    parser.add_argument("--packs", type=int, nargs="*", default=(4, 8, 16, 32, 64, 128, 256))
    parser.add_argument("--scale", default="base", choices=("tiny", "small", "base"))
    parser.add_argument("--dim", type=int, default=1024)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each round of each side")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    arguments = parser.parse_args(argv)
    device = torch.device(arguments.device)
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("high")
    name = torch.cuda.get_device_name(device) if arguments.device == "cuda" else "cpu, one thread"
    print(f"{name}, torch {torch.__version__}, {arguments.dim}-d, batch {arguments.batch_size}")
    print(f"{'':6}{'side':<18}{'run-steps/s':>12}{'ratio':>8}{'of peak':>9}{'MB a run':>10}")
    for arch in arguments.archs:
        compare(arch, arguments, device, _peak(name))


def compare(arch: str, arguments: Any, device: torch.device, peak: float | None) -> None:
    """Prints the rows of one architecture, up to the first pack that does not fit.

    Args:
        arch: The architecture.
        arguments: As typed.
        device: The GPU.
        peak: Its peak FLOP/s, if known.
    """
    config = config_of(arch, arguments, dtype="tf32")
    data = load_dataset(config.data)
    flops = _flops_of_a_step(PlainLoop(config, data, device))
    engine = partial(Engine, config, data, device)
    sides: dict[str, tuple[int, Callable[[], Any]]] = {
        "solo, eager": (1, lambda: engine(1, watched=True)),
        "solo, plain loop": (1, lambda: PlainLoop(config, data, device)),
        "solo, graphed": (1, lambda: engine(1, watched=False)),
    }
    for num_runs in arguments.packs:
        sides[f"pack of {num_runs}"] = num_runs, partial(engine, num_runs, watched=False)
    rates: dict[str, float] = {}
    for name, (num_runs, make) in sides.items():
        try:
            baseline = rates.get("solo, eager")
            rates[name] = _row(arch, name, make, num_runs, baseline, flops, peak, arguments)
        except torch.OutOfMemoryError:
            print(f"{arch:6}{name:<18} does not fit")
            break
        except RuntimeError as error:  # the other sides still count
            print(f"{arch:6}{name:<18} fails: {error}")
    if "solo, eager" not in rates:
        return
    apart = STUDY_RUNS * (STUDY_STEPS / rates["solo, eager"] + BESIDE_TRAINING_S) / 3600
    packed = STUDY_RUNS * STUDY_STEPS / max(rates.values()) / 3600
    print(f"{arch:6}{STUDY_RUNS} runs of {STUDY_STEPS:,} steps: {apart:.2f} h by a process a run, "
          f"{packed:.2f} h by the best side, {apart / packed:.1f} x")  # fmt: skip


def _row(
    arch: str,
    name: str,
    make: Callable[[], Callable[[], int]],
    num_runs: int,
    baseline: float | None,
    flops: float,
    peak: float | None,
    arguments: Any,
) -> float:
    """Times a side and prints it; returns its run-steps per second."""
    cuda = arguments.device == "cuda"
    before = _freed_memory() if cuda else 0
    side = make()
    rate = 1 / timed([side], arguments)[0]
    held = (torch.cuda.max_memory_reserved() - before) / num_runs / 1e6 if cuda else None
    share = f"{rate * flops / peak:.1%}" if peak else "-"
    print(f"{arch:6}{name:<18}{rate:>12.1f}{rate / (baseline or rate):>8.2f}{share:>9}"
          f"{f'{held:.0f}' if held else '-':>10}", flush=True)  # fmt: skip
    for note in getattr(side, "notes", ()):
        print(f"{arch:6}{name}: {note}")
    return rate


def _freed_memory() -> int:
    """Bytes that torch holds once the last side is released."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_reserved()


def _flops_of_a_step(plain: PlainLoop) -> float:
    with FlopCounterMode(display=False) as counter:
        steps = plain()
    return counter.get_total_flops() / steps


def _peak(name: str) -> float | None:
    return next((peak for part, peak in TF32_PEAK.items() if part in name), None)


if __name__ == "__main__":
    main()
