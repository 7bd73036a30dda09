"""Steps of which the host hears at an epoch's end: as the ordinary ones, within rounding.

On the CPU, where everything of them but the graph itself is the same as on a GPU.
"""

import copy
import gc
import weakref

import pytest
import torch
from flow_packs import MIXED, moved, pack_of, specs_of, train, unwatched
from states import assert_close
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from trainables.flow.data.dataset import load_dataset
from trainables.flow.engine import batches as draws
from trainables.flow.engine import pack as training
from trainables.flow.engine.gpu.graphed_step import GraphedStep
from trainables.flow.engine.gpu.prefetch import prefetched
from trainables.flow.engine.pack import Pack

CPU = torch.device("cpu")
RUNS = [{**config, "lr": 1e-30} if "patience" in config else config for config in MIXED]
"""A loss that does not move at all, whatever the rounding."""


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("arch", "dtype"),
    [("mlp", "float32"), ("dit", "float32"), ("unet", "float32"), ("mlp", "float64")],
)
def test_agree_with_ordinary_steps(arch, dtype):
    """Other flows, rates, clips and lengths side by side, one stopping early, one diverging; the
    second half goes on from the checkpoints of the first."""
    runs = [run for run in RUNS if run.get("lr") != 1e9 or dtype == "float32"]
    specs = specs_of(runs, arch, "wide", dtype=dtype)
    second = train(moved(train(unwatched(specs), 2), specs, unwatched))
    ordinary = train(pack_of(specs))
    reasons = {run.progress.stop_reason for run in second.runs} - {"diverged"}
    assert reasons == {"epochs", "steps", "early_stopping"}
    for ours, theirs in zip(second.runs, ordinary.runs, strict=True):
        assert_close(second.run_state(ours), ordinary.run_state(theirs), ours.spec.run_id)
        assert_close(ours.curves.points, theirs.curves.points, ours.spec.run_id)


def test_a_run_that_is_not_due_keeps_its_bits():
    """One with steps left beside one that has none: as in the warm-up of a graph."""
    specs = specs_of([{"steps": 2}, {"steps": 9}], "mlp", "wide")
    pack = unwatched(specs)
    step = next(zip(*next(pack.chunks()), strict=True))
    take = GraphedStep(pack._fill_gradients, pack.active, pack.rows, step[0].shape)
    idle, busy = (copy.deepcopy(pack.run_state(run)) for run in pack.runs)
    due = torch.tensor([[1e-3, 1e-3], [0.5, 0.5], [0.0, 1.0]])
    take(step, due, torch.zeros(2, 2))
    after = pack.run_state(pack.runs[0])
    for part in ("model", "ema"):
        assert all(torch.equal(after[part][k], idle[part][k]) for k in idle[part])
        assert not torch.equal(pack.run_state(pack.runs[1])[part]["in.weight"],
                               busy[part]["in.weight"])  # fmt: skip
    assert after["optimizer"]["state"][0]["step"] == 0


def test_an_ordinary_pack_goes_on_where_it_left_off():
    specs = specs_of([{"flow": "otcfm"}, {"flow": "vp", "aug": "mixup"}], "mlp", "wide")
    ours = train(moved(train(unwatched(specs), 2), specs))
    for run, whole in zip(ours.runs, train(pack_of(specs)).runs, strict=True):
        assert run.progress.val_loss == pytest.approx(whole.progress.val_loss, rel=1e-3)


@pytest.mark.parametrize("arch", ["mlp", "dit", "unet"])
def test_an_epoch_asks_nothing_of_its_device(arch, monkeypatch):
    """On the device without numbers, where whatever waits for one raises; and what a step puts
    together is all there, since a copy from the host ends the capture of a graph."""
    nowhere = torch.device("meta")
    runs = [run for run in RUNS if run.get("flow") != "otcfm"] + [{"aug": "noise+dropout"}]
    specs = specs_of(runs, arch, "wide")
    monkeypatch.setattr(draws.Streams, "__getitem__", lambda streams, name: torch.Generator())
    monkeypatch.setattr(
        torch, "_fused_adamw_", lambda *parts, **options: _Watch.check(parts, options)
    )
    noted = []
    monkeypatch.setattr(training, "record_epoch", lambda active, measured: noted.append(measured))
    pack = Pack(specs, [load_dataset(spec.config.data) for spec in specs], nowhere, watched=False)
    step = GraphedStep._step

    def watched(steps):
        with _Watch():
            step(steps)

    monkeypatch.setattr(GraphedStep, "_step", watched)
    pack.take_steps()
    assert [measured.shape for measured in noted] == [(3, 2, len(runs))]


class _Watch(TorchDispatchMode):
    """Sees every operation, the backward pass's too."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.check(args, kwargs, found := operation(*args, **(kwargs or {})))
        return found

    @staticmethod
    def check(*parts):
        tensors = (leaf for leaf in tree_leaves(parts) if isinstance(leaf, torch.Tensor))
        assert {tensor.device.type for tensor in tensors} == {"meta"}


def test_where_no_graph_can_be_had_it_says_why():
    if torch.cuda.is_available():
        pytest.skip("a graph can be had here")
    pack = unwatched(specs_of([{}], "mlp", "wide"))
    step = next(zip(*next(pack.chunks()), strict=True))
    take = GraphedStep(pack._fill_gradients, pack.active, pack.rows, step[0].shape)
    assert take._captured() is None
    assert take.warnings[0].startswith("steps are not replayed as a CUDA graph: ")
    take(step, torch.ones(3, 1), measured := torch.zeros(2, 1))
    assert measured.isfinite().all()


def test_a_pack_that_is_let_go_is_gone():
    """Not with the next garbage collection: a GPU's memory does not trigger one."""
    gc.disable()
    try:
        pack = train(unwatched(specs_of([{}, {}], "mlp", "wide")), 1)
        kept = weakref.ref(pack), weakref.ref(pack.rows.weights)
        del pack
        assert [reference() for reference in kept] == [None, None]
    finally:
        gc.enable()


def test_draws_made_ahead_come_in_order_and_with_their_errors():
    def source():
        yield from ((torch.full((1,), i),) * 3 for i in range(3))
        raise OSError("disk")

    seen = []
    with pytest.raises(OSError, match="disk"):
        seen.extend(int(x) for x, _, _ in prefetched(source(), CPU))
    assert seen == [0, 1, 2]
