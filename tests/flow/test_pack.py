"""Runs of one shape as one: on the CPU each run of a pack equals itself alone, bit for bit."""

import pytest
import torch
from flow_packs import MIXED, SHAPES, assert_equals_solo, moved, pack_of, specs_of, train

from trainables.flow.engine import validation as held_out
from trainables.flow.engine.state import RunSpec
from trainables.flow.ingredients import couplings

EMBEDDINGS = (384, 256, 400)
REFLOWS = [{"flow": "reflow"}, {"flow": "reflow", "sigma": 0.1, "lr": 3e-3, "patience": 1}]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("arch", ["mlp", "dit", "unet"])
def test_mixed_runs_moved_half_way(arch, shape):
    """Other flows, rates, augmentations and lengths beside it, one stopping early, one diverging;
    after two epochs all go on in another pack, in another order."""
    specs = specs_of(MIXED, arch, shape)
    first = train(pack_of(specs), 2)
    pack = train(moved(first, specs[::-1]))
    statuses = [run.progress.status for run in pack.runs[::-1]]
    assert statuses == ["ok", "ok", "diverged", "ok", "ok", "ok"]
    reasons = [run.progress.stop_reason for run in pack.runs[::-1]]
    assert reasons == ["epochs", "epochs", "diverged", "early_stopping", "steps", "epochs"]
    assert pack.runs[2].progress.epoch < 4
    assert pack.runs[1].progress.step == 7
    assert_equals_solo(pack)


@pytest.mark.parametrize("arch", ["mlp", "dit", "unet"])
@pytest.mark.parametrize(
    ("dtype", "shape"), [("bfloat16", "wide"), ("float64", "wide"), ("float64", "plane")]
)
def test_other_precisions(arch, dtype, shape):
    specs = specs_of([MIXED[0], MIXED[3]], arch, shape, dtype=dtype)
    pack = train(pack_of(specs))
    wanted = torch.float64 if dtype == "float64" else torch.float32
    assert pack.runs[0].model.tensors["out.weight"].dtype == wanted
    assert_equals_solo(pack)


def test_the_size_that_studies_of_embeddings_train():
    specs = specs_of([MIXED[0], MIXED[1]], "mlp", EMBEDDINGS, scale="base")
    assert_equals_solo(train(moved(train(pack_of(specs), 1), specs[::-1])))


def test_validation_of_many_blocks(monkeypatch):
    """Their sums are added up in one order, whatever the number of runs."""
    monkeypatch.setattr(held_out, "BLOCK", 8)
    specs = specs_of([{"epochs": 30}, {"epochs": 30, "flow": "vp"}], "mlp", (64, 8, 900))
    assert_equals_solo(train(pack_of(specs)))


def test_early_stopping_counts_on_after_a_restore():
    """Moved while epochs without a better loss are being counted."""
    idle = {"patience": 3, "lr": 1e-12, "schedule": "constant", "epochs": 50}
    specs = specs_of([idle, {"epochs": 6}], "mlp", "wide")
    first = train(pack_of(specs), 3)
    assert first.runs[0].progress.epoch > first.runs[0].progress.best_epoch
    pack = train(moved(first, specs[::-1]))
    progress = pack.runs[1].progress
    assert progress.stop_reason == "early_stopping"
    assert progress.epoch == progress.best_epoch + 3
    assert_equals_solo(pack)


@pytest.mark.parametrize(("arch", "epochs"), [("mlp", 1), ("mlp", 2), ("mlp", 3), ("unet", 3)])
def test_reflow_moved_in_every_phase(arch, epochs):
    specs = specs_of(REFLOWS, arch, "wide")
    pack = train(moved(train(pack_of(specs), epochs), specs[::-1]))
    assert_equals_solo(pack)


def test_a_run_goes_on_alone():
    specs = specs_of(MIXED, "unet", "wide")
    first = train(pack_of(specs), 1)
    alone = train(moved(first, specs[3:4]))
    assert_equals_solo(alone)


def test_sizes_may_differ_where_batch_counts_agree():
    data = {"source": "gaussians", "dim": 50, "rows": 200}
    sizes = [{"data": {**data, "size": size}, "batch_size": 32} for size in (90, 100)]
    pack = train(pack_of(specs_of(sizes, "mlp", "wide")))
    assert pack.runs[0].spec.config.pack_key() == pack.runs[1].spec.config.pack_key()
    assert_equals_solo(pack)


def test_validations_far_between_keep_to_each_run_s_own_epochs():
    """One batch of rows beside 60 held out: each 2 epochs by patience, each 3 by length, moved."""
    few = {"data": {"source": "gaussians", "dim": 50, "rows": 600, "size": 20}, "batch_size": 20}
    runs = [{**few, "epochs": 100, "patience": 7, "lr": 1e-30},
            {**few, "epochs": 100, "lr": 1e-4}]  # fmt: skip
    specs = specs_of(runs, "mlp", "wide")
    pack = train(moved(train(pack_of(specs), 4), specs[::-1]))
    patient, stopped = pack.runs
    assert validated(patient) == [*range(3, 100, 3), 100]
    assert validated(stopped) == [2, 4, 6, 8, 10]
    assert stopped.progress.stop_reason == "early_stopping"
    assert_equals_solo(pack)


def validated(run):
    return [int(point["epoch"]) for _, point in run.curves.points if "val_loss" in point]


def test_pairings_are_computed_once_where_draws_are_shared(monkeypatch):
    calls = []
    real = couplings.PAIR["optimal_transport"]
    monkeypatch.setitem(
        couplings.PAIR, "optimal_transport", lambda a, b: calls.append(1) or real(a, b)
    )
    configs = [{"flow": "otcfm"}, {"flow": "otcfm", "sigma": 0.2, "lr": 1e-2}]
    specs = [
        RunSpec(f"{seed}{i}", seed, spec.config)
        for seed in (1, 2)
        for i, spec in enumerate(specs_of(configs, "mlp", "wide"))
    ]
    pack = pack_of(specs)
    calls.clear()
    pack.train_epoch()
    assert len(calls) == 2
    again = moved(pack, specs)
    assert again.runs[0].data.train is again.runs[1].data.train
    calls.clear()
    again.train_epoch()
    assert len(calls) == 2


def test_runs_that_cannot_be_stacked_are_refused():
    wide, deep = specs_of([{}, {"num_layers": 3}], "mlp", "wide")
    with pytest.raises(ValueError, match="several shapes cannot share a pack: r0, r1"):
        pack_of([wide, deep])
    small, large = specs_of(
        [{"data": {"source": "moons", "size": s}} for s in (50, 500)], "mlp", "plane"
    )
    with pytest.raises(ValueError, match="same number of batches"):
        pack_of([small, large])
    keys = {spec.config.pack_key() for spec in (wide, deep, small, large)}
    assert len(keys) == 4
    reflow, icfm = specs_of([{"flow": "reflow"}, {}], "mlp", "wide")
    assert reflow.config.pack_key() != icfm.config.pack_key()
