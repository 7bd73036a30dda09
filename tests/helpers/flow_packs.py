"""Packs of small flow runs on the CPU."""

import io

import torch
from states import assert_same

from trainables.flow.config.run import FlowConfig
from trainables.flow.data.dataset import load_dataset
from trainables.flow.engine.pack import Pack
from trainables.flow.engine.state import RunSpec

CPU = torch.device("cpu")
SHAPES = {
    # name: dim, batch size, rows; 13 rows and width 50 are what kernels like least
    "wide": (50, 13, 60),
    "plane": (2, 1, 20),
    "digits-like": (64, 128, 600),
}
MIXED = [
    {"flow": "otcfm", "sigma": 0.1, "aug": "mixup+noise", "epochs": 5},
    {"flow": "vp", "lr": 3e-3, "aug": "dropout", "epochs": 3},
    {"lr": 1e9},
    {"flow": "si", "gamma": 0.5, "patience": 1, "lr": 1e-12, "schedule": "constant"},
    {"flow": "otcfm", "clip": None, "steps": 7, "weight_decay": 0.1, "schedule": "linear"},
    {"flow": "target", "sigma": 0.1, "beta2": 0.95},
]


def specs_of(configs, arch, shape, **more):
    dim, batch_size, rows = SHAPES[shape] if isinstance(shape, str) else shape
    common = {
        "arch": arch, "scale": "tiny", "epochs": 4, "batch_size": batch_size, "solver_steps": 3,
        "data": {"source": "gaussians", "dim": dim, "rows": rows}, **more,
    }  # fmt: skip
    merged = [{**common, **config} for config in configs]
    for config in merged:
        if "steps" in config:
            config["epochs"] = None
    # Two runs a seed: neighbours share their draws.
    return [RunSpec(f"r{i}", i // 2, FlowConfig(**config)) for i, config in enumerate(merged)]


def pack_of(specs):
    return Pack(specs, [load_dataset(spec.config.data) for spec in specs], CPU)


def train(pack, epochs=10**6):
    while pack.active and epochs:
        pack.train_epoch()
        epochs -= 1
    return pack


def moved(pack, specs, make=pack_of):
    """The runs of a pack as they are, in another pack, in the order of `specs`."""
    other = make(specs)
    by_id = {run.spec.run_id: run for run in pack.runs}
    for run in other.runs:
        old = by_id[run.spec.run_id]
        file = io.BytesIO()
        torch.save(pack.run_state(old), file)
        file.seek(0)
        other.load_run_state(run, torch.load(file, weights_only=True))
        run.curves.points = old.curves.drain()
    other.settle()
    return other


def unwatched(specs):
    return Pack(specs, [load_dataset(spec.config.data) for spec in specs], CPU, watched=False)


def assert_equals_solo(pack):
    """Every run of a pack is what it is alone, to the bit."""
    for run in pack.runs:
        alone = train(pack_of([run.spec]))
        assert_same(pack.run_state(run), alone.run_state(alone.runs[0]), run.spec.run_id)
        assert repr(run.curves.points) == repr(alone.runs[0].curves.points)
        assert run.final_metrics == alone.runs[0].final_metrics
