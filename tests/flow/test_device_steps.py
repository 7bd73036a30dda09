"""Steps of which the host hears at an epoch's end: as the ordinary ones, within rounding.

On the CPU, where everything of them but the graph itself is the same as on a GPU.
"""

import copy

import pytest
import torch

from tests.flow.test_pack import MIXED, moved, pack_of, specs_of, train
from trainables.flow.ahead import ahead
from trainables.flow.data import load_dataset
from trainables.flow.device_steps import DeviceSteps
from trainables.flow.training import Pack

CPU = torch.device("cpu")
RUNS = [{**config, "lr": 1e-30} if "patience" in config else config for config in MIXED]
"""A loss that does not move at all, whatever the rounding."""


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def unwatched(specs):
    return Pack(specs, [load_dataset(spec.config.data) for spec in specs], CPU, watched=False)


def assert_close(a, b, path=""):
    """Nested states within rounding; numbers that are counted are equal."""
    if isinstance(a, torch.Tensor):
        torch.testing.assert_close(a, b, rtol=2e-3, atol=2e-4, msg=lambda m: f"{path}: {m}")
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            assert_close(a[key], b[key], f"{path}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_close(x, y, f"{path}[{i}]")
    elif isinstance(a, float):
        assert a == pytest.approx(b, rel=2e-3, abs=2e-4), path
    else:
        assert a == b, path


@pytest.mark.parametrize(
    ("arch", "dtype"),
    [("mlp", "float32"), ("dit", "float32"), ("unet", "float32"), ("mlp", "float64")],
)
def test_agree_with_ordinary_steps(arch, dtype):
    """Other flows, rates, clips and lengths side by side, one stopping early, one diverging; the
    second half goes on from the checkpoints of the first."""
    runs = [run for run in RUNS if run.get("lr") != 1e9 or dtype == "float32"]
    specs = specs_of(runs, arch, "wide", dtype=dtype)
    pack = unwatched(specs)
    train(pack, 2)
    second = unwatched(specs)
    for old, new in zip(pack.runs, second.runs, strict=True):
        second.load_run_state(new, copy.deepcopy(pack.run_state(old)))
        new.curves.points = old.curves.drain()
    second.settle()
    train(second)
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
    take = DeviceSteps(pack._fill_gradients, pack.active, pack.rows, step[0].shape)
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


def test_where_no_graph_can_be_had_it_says_why():
    if torch.cuda.is_available():
        pytest.skip("a graph can be had here")
    pack = unwatched(specs_of([{}], "mlp", "wide"))
    step = next(zip(*next(pack.chunks()), strict=True))
    take = DeviceSteps(pack._fill_gradients, pack.active, pack.rows, step[0].shape)
    take._go = take._captured()
    assert take.why_not.startswith("steps are not replayed as a CUDA graph: ")
    take(step, torch.ones(3, 1), measured := torch.zeros(2, 1))
    assert measured.isfinite().all()


def test_draws_made_ahead_come_in_order_and_with_their_errors():
    def source():
        yield from ((torch.full((1,), i),) * 3 for i in range(3))
        raise OSError("disk")

    seen = []
    with pytest.raises(OSError, match="disk"):
        seen += [int(x) for x, _, _ in _told(ahead(source(), CPU), seen)]
    assert seen == [0, 1, 2]


def _told(items, seen):
    for item in items:
        seen.append(int(item[0]))
        yield item
