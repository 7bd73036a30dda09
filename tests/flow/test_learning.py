"""Learning is real: trained models beat untrained ones by a stated factor."""

import math

import numpy as np
import pytest
import torch

from ablate.plan.plan import plan_study
from ablate.spec.load import load_study
from trainables.flow.config.run import FlowConfig
from trainables.flow.data.dataset import Dataset, Normalisation, load_dataset
from trainables.flow.engine.pack import Pack
from trainables.flow.engine.state import RunSpec
from trainables.flow.evaluation.distances import energy_distance, sliced_w2

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
    shape = rows.shape[1:]
    data = Dataset(rows[:2000], rows[2000:2300], rows[2300:], scale, "", rows[:700], shape)
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


def test_a_transformer_learns_what_its_tokens_are():
    """Where tokens share all weights and positions are near-equal, the loss stays above 1.5."""
    data = {"source": "gaussians", "dim": 20}
    (run,) = trained(
        [
            {
                "arch": "dit",
                "scale": "tiny",
                "lr": 3e-3,
                "steps": 250,
                "solver_steps": 2,
                "data": data,
            }
        ]
    )
    assert run.progress.best_val_loss < 1.25


LENGTHS = {"mlp": {}, "unet": {"epochs": 40}, "dit": {"epochs": 25}}
"""Of `arch.yaml`'s runs: enough to leave the skip behind, short enough for a test."""


def test_every_architecture_learns_real_embeddings(sentences):
    """`arch.yaml` at `size: 1k` on 384-d sentence embeddings.

    The skip alone, which treats every coordinate by itself, comes to pi / 2: below it a network
    has learned how they go together. Noise is hard to beat in energy distance, it has twice the
    floor's: a transformer takes longer for that than a test has.
    """
    space = __file__.rpartition("/tests/")[0] + "/search_spaces/arch.yaml"
    data = f"base.data={{source: parquet, path: {sentences}, size: 1k}}"
    plan = plan_study(load_study(space, [data, "seeds=[42]"]))
    for planned in plan.runs:
        arch = planned.config["arch"]
        solver = {"solver_steps": 2} if arch == "dit" else {}
        (run,) = trained([{**planned.config, **LENGTHS[arch], **solver}])
        assert run.progress.status == "ok"
        assert run.progress.best_val_loss < 0.98 * math.pi / 2
        test = run.data.test
        noise = energy_distance(run.data.sampling_noise(len(test)), test)
        assert run.final_metrics["energy_distance_floor"] < 0.6 * noise
        if arch != "dit":
            assert run.final_metrics["energy_distance_best"] < 0.97 * noise
