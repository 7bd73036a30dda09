"""Learning is real: trained models beat untrained ones by a stated factor."""

import math

import numpy as np
import pytest
import torch

from ablate.loading import load_study
from ablate.plan import plan_study
from trainables.flow.config import FlowConfig
from trainables.flow.data import Dataset, Normalisation, load_dataset
from trainables.flow.metrics import sliced_w2
from trainables.flow.progress import RunSpec
from trainables.flow.training import Pack

PLANE = {"scale": "small", "lr": 3e-3, "patience": None, "batch_size": 256, "steps": 600}


def trained(configs):
    torch.set_num_threads(1)
    specs = [RunSpec(str(i), 1, FlowConfig(**config)) for i, config in enumerate(configs)]
    pack = Pack(specs, [load_dataset(s.config.data) for s in specs], torch.device("cpu"))
    while pack.active:
        pack.train_epoch()
    return pack.runs


def test_a_network_narrower_than_the_data_reaches_the_lowest_loss():
    """Gaussian to Gaussian, 300-d, 64 hidden units.

    Given x_t the velocity x_1 - x_0 has variance 1 / (t^2 + (1 - t)^2) a coordinate; its mean over
    t is pi / 2, and no network does better. Without the skip this one stays at 1.97.
    """
    rows = np.random.default_rng(0).normal(size=(3000, 300)).astype(np.float32)
    scale = Normalisation(rows.mean(axis=0), rows.std(axis=0))
    data = Dataset(rows[:2000], rows[2000:2300], rows[2300:], scale, "", rows[:700])
    config = FlowConfig(**{**PLANE, "scale": "tiny", "steps": 300})
    pack = Pack([RunSpec("x", 1, config)], [data], torch.device("cpu"))
    while pack.active:
        pack.train_epoch()
    assert pack.runs[0].progress.val_loss == pytest.approx(math.pi / 2, rel=0.01)


@pytest.mark.parametrize(("source", "share"), [("gaussians", 0.5), ("checkerboard", 0.6)])
def test_samples_come_near_the_data(source, share):
    """Sliced W2 of a trained model against that of the untrained one: noise that stays noise."""
    (run,) = trained([{**PLANE, "data": {"source": source}}])
    untrained = sliced_w2(run.data.sampling_noise(len(run.data.test)), run.data.test)
    assert run.final_metrics["sliced_w2_final"] < share * untrained


def test_ot_coupling_straightens_paths_in_the_plane():
    data = {"source": "gaussians"}
    flows = ("icfm", "otcfm")
    icfm, otcfm = trained([{**PLANE, "flow": flow, "data": data} for flow in flows])
    bends = [run.final_metrics["straightness_final"] for run in (icfm, otcfm)]
    assert bends[1] < 0.5 * bends[0]


def test_every_architecture_improves_on_real_embeddings(sentences):
    """`arch.yaml` at `size: 1k` on 384-d sentence embeddings, for a few epochs."""
    space = __file__.rpartition("/tests/")[0] + "/search_spaces/arch.yaml"
    data = f"base.data={{source: parquet, path: {sentences}, size: 1k}}"
    overrides = [data, "base.epochs=12", "base.solver_steps=5"]
    plan = plan_study(load_study(space, overrides))
    for run in plan.runs[: len(plan.cells)]:
        (done,) = trained([run.config])
        assert done.progress.status == "ok"
        for name in ("train_loss", "val_loss"):
            values = [point[name] for _, point in done.curves.points if name in point]
            assert len(values) >= 12
            assert values[-1] < 0.95 * values[0]
        assert done.progress.best_epoch > 9
        metrics = done.final_metrics
        assert all(value == value and abs(value) < 1e6 for value in metrics.values())
        assert metrics["sliced_w2_floor"] < metrics["sliced_w2_best"] < 0.2
