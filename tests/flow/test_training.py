import copy

import numpy as np
import pytest
import torch
from states import assert_same

from trainables.flow.config.run import FlowConfig
from trainables.flow.config.schedule import ema_decay, lr_factor, validation_every, warmup_steps
from trainables.flow.data.dataset import Dataset, Normalisation, load_dataset
from trainables.flow.engine.checkpoint import (
    ORDER,
    CheckpointError,
    load_run_state,
    read_checkpoint,
    run_state,
    write_checkpoint,
)
from trainables.flow.engine.pack import Pack
from trainables.flow.engine.state import RunSpec
from trainables.flow.evaluation.distances import sliced_w2
from trainables.flow.sampling import integrate

SMALL = {"hidden_dim": 64, "num_layers": 2, "epochs": 8, "batch_size": 128}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def pack_of(*configs):
    specs = [
        RunSpec(f"run{i}", 40 + i, FlowConfig(**{**SMALL, **c})) for i, c in enumerate(configs)
    ]
    return Pack(specs, [load_dataset(s.config.data) for s in specs], torch.device("cpu"))


def train(pack, epochs=10**6):
    while pack.active and epochs:
        pack.train_epoch()
        epochs -= 1
    return pack


class TestResume:
    @pytest.mark.parametrize("epoch", [1, 3, 7])
    def test_equals_the_uninterrupted_run_bit_for_bit(self, tmp_path, epoch):
        whole = train(pack_of({"sigma": 0.1, "patience": 4}))
        first = train(pack_of({"sigma": 0.1, "patience": 4}), epoch)
        write_checkpoint(tmp_path / "x.pt", first.run_state(first.runs[0]))
        points = first.runs[0].curves.drain()
        second = pack_of({"sigma": 0.1, "patience": 4})
        second.load_run_state(second.runs[0], read_checkpoint(tmp_path / "x.pt"))
        second.settle()
        train(second)
        points += second.runs[0].curves.drain()
        assert_same(second.run_state(second.runs[0]), whole.run_state(whole.runs[0]))
        assert points == whole.runs[0].curves.points
        assert second.runs[0].final_metrics == whole.runs[0].final_metrics

    def test_ended_runs_stay_ended(self):
        pack = train(pack_of({}))
        again = pack_of({})
        again.load_run_state(again.runs[0], copy.deepcopy(pack.run_state(pack.runs[0])))
        again.settle()
        assert not again.active

    def test_statistics_of_the_checkpoint_win_and_the_difference_is_told(self):
        pack = train(pack_of({}), 1)
        state = copy.deepcopy(pack.run_state(pack.runs[0]))
        state["normalisation"]["mean"] += 0.5
        pack.load_run_state(pack.runs[0], state)
        run = pack.runs[0]
        assert "mean by up to 0.5" in run.normalisation.mismatch
        raw = run.dataset.train
        expected = Normalisation(
            state["normalisation"]["mean"].numpy(), run.normalisation.current.std
        )
        np.testing.assert_array_equal(run.data.train.numpy(), expected.apply(raw))


class TestTraining:
    def test_each_run_equals_itself_alone(self, tmp_path):
        """Other flows, rates and lengths beside it, one stopping early, one going NaN."""
        configs = [
            {"epochs": 5, "sigma": 0.1},
            {"flow": "vp", "lr": 3e-3, "epochs": 3},
            {"lr": 1e9},
            {"flow": "target", "clip": None, "patience": 1, "ema_decay": 0.5},
        ]
        together = pack_of(*configs)
        specs = [run.spec for run in together.runs]
        train(together, 2)
        moved = Pack(specs, [run.dataset for run in together.runs], torch.device("cpu"))
        for old, new in zip(together.runs, moved.runs, strict=True):
            moved.load_run_state(new, copy.deepcopy(together.run_state(old)))
            new.curves.points = old.curves.drain()
        moved.settle()
        train(moved)
        for run in moved.runs:
            alone = train(Pack([run.spec], [run.dataset], torch.device("cpu")))
            assert_same(moved.run_state(run), alone.run_state(alone.runs[0]), run.spec.run_id)
            assert run.curves.points == alone.runs[0].curves.points

    def test_divergence_names_the_step_and_keeps_the_weights_finite(self):
        pack = train(pack_of({"lr": 1e9}))
        progress = pack.runs[0].progress
        assert progress.status == "diverged"
        assert progress.error == f"training loss is inf at step {progress.step + 1}"
        assert all(t.isfinite().all() for t in pack.runs[0].model.tensors.values())

    def test_samples_that_are_not_finite_are_no_result(self):
        """The losses may stay finite where the learned flow blows up."""
        run = train(pack_of({"lr": 3.0, "clip": None, "epochs": 3, "scale": "small"})).runs[0]
        assert run.progress.status == "diverged"
        assert "samples of the trained model are not finite" in run.progress.error
        assert not run.final_metrics

    def test_early_stopping(self):
        pack = train(pack_of({"lr": 1e-12, "patience": 2, "epochs": 100}))
        progress = pack.runs[0].progress
        assert (progress.status, progress.stop_reason) == ("ok", "early_stopping")
        assert progress.epoch == progress.best_epoch + 2 < 100

    def test_switching_the_flow_shifts_no_other_draw(self):
        icfm, vp = (pack_of({"flow": flow}).runs[0] for flow in ("icfm", "vp"))
        assert_same(icfm.model.state_dict(), vp.model.state_dict())
        assert torch.equal(icfm.data._batches(3), vp.data._batches(3))
        assert torch.equal(next(icfm.data.epoch(3)).t, next(vp.data.epoch(3)).t)

    def test_batches_are_full_and_every_row_comes_once_a_pass(self):
        run = pack_of({"batch_size": 100}).runs[0]
        rows = len(run.data.train)
        order = torch.cat([run.data._batches(epoch).flatten() for epoch in range(3)])
        assert sorted(order[:rows].tolist()) == list(range(rows))
        assert sorted(order[rows : 2 * rows].tolist()) == list(range(rows))

    def test_learns(self):
        """Samples of a trained model are far nearer to the data than noise is."""
        rng = np.random.default_rng(0)
        rows = (rng.normal(size=(3000, 2)) * 0.2 + rng.integers(0, 2, (3000, 1)) * 4).astype("f4")
        scale = Normalisation(rows.mean(0), rows.std(0))
        data = Dataset(rows[:2000], rows[2000:2500], rows[2500:], scale, "x", rows[:500], (2,))
        spec = RunSpec("x", 1, FlowConfig(hidden_dim=64, num_layers=3, epochs=40, lr=3e-3))
        run = train(Pack([spec], [data], torch.device("cpu"))).runs[0]
        untrained = sliced_w2(run.data.sampling_noise(len(run.data.test)), run.data.test)
        assert run.final_metrics["sliced_w2_best"] < 0.35 * untrained


class _Part:
    def __init__(self, name, calls):
        self.name, self.calls = name, calls

    def state_dict(self):
        self.calls.append(("save", self.name))
        return {}

    def load_state_dict(self, state, /):
        self.calls.append(("load", self.name))


class TestCheckpoint:
    def test_order_is_model_ema_optimizer_scheduler(self):
        calls = []
        parts = {name: _Part(name, calls) for name in reversed(ORDER)}
        state = run_state(parts)
        load_run_state(parts, dict(reversed(state.items())))
        names = ["model", "ema", "optimizer", "scheduler", "progress", "normalisation"]
        assert calls == [("save", n) for n in names] + [("load", n) for n in names]
        assert list(state) == names

    def test_a_real_file_keeps_the_order(self, tmp_path):
        pack = train(pack_of({}), 1)
        write_checkpoint(tmp_path / "x.pt", pack.run_state(pack.runs[0]))
        assert list(read_checkpoint(tmp_path / "x.pt"))[:4] == list(ORDER[:4])

    def test_torn_missing_and_foreign_files_are_told(self, tmp_path):
        pack = train(pack_of({}), 1)
        path = tmp_path / "x.pt"
        write_checkpoint(path, pack.run_state(pack.runs[0]))
        path.write_bytes(path.read_bytes()[:1000])
        with pytest.raises(CheckpointError, match=r"x\.pt: not a whole checkpoint"):
            read_checkpoint(path)
        with pytest.raises(CheckpointError, match="no such checkpoint"):
            read_checkpoint(tmp_path / "y.pt")
        with pytest.raises(CheckpointError, match="lacks scheduler"):
            load_run_state({}, {name: {} for name in ORDER if name != "scheduler"})

    def test_a_checkpoint_cannot_run_code(self, tmp_path):
        class Evil:
            def __reduce__(self):
                return (open, (str(tmp_path / "pwned"), "w"))

        torch.save({"model": Evil()}, tmp_path / "x.pt")
        with pytest.raises(CheckpointError):
            read_checkpoint(tmp_path / "x.pt")
        assert not (tmp_path / "pwned").exists()


def test_ema_warms_up_to_its_cap():
    assert ema_decay(0, 0.9999) == 0.1
    assert ema_decay(90, 0.9999) == 0.91
    assert ema_decay(89_991, 0.9999) == pytest.approx(0.9999)
    assert ema_decay(10**9, 0.9999) == 0.9999


def test_schedule_is_linear_then_cosine():
    assert warmup_steps(0.1, 100) == 10
    assert warmup_steps(25, 100) == 25
    assert [lr_factor(s, 4, 12) for s in (0, 3, 4, 8, 12)] == pytest.approx([0.25, 1, 1, 0.5, 0])


def test_validation_takes_an_eighteenth_of_the_time():
    whole = {"num_rows": 7000, "num_validation": 1000}
    small = {"num_rows": 1000, "num_validation": 1000}
    assert validation_every(**whole, phase_epochs=300, patience=20) == 1
    assert validation_every(**small, phase_epochs=300, patience=20) == 6
    assert validation_every(**small, phase_epochs=300, patience=9) == 3
    assert validation_every(**small, phase_epochs=300, patience=2) == 1
    assert validation_every(**small, phase_epochs=60, patience=None) == 2
    assert validation_every(10, 1000, phase_epochs=3000, patience=None) == 100


def test_sliced_w2_of_a_shift_is_closed_form():
    x = torch.randn(100, 5, generator=torch.Generator().manual_seed(0))
    assert sliced_w2(x, x) == 0
    shift = torch.tensor([3.0, 0, 0, 0, 0])
    assert sliced_w2(x, x + shift, num_projections=20_000) == pytest.approx(3 / 5**0.5, rel=0.02)
    with pytest.raises(ValueError, match="one shape"):
        sliced_w2(x, x[:50])


def test_midpoint_rule_is_of_second_order():
    """dx/dt = x: x(1) = e."""
    one = torch.ones(1, 1, dtype=torch.float64)
    errors = [abs(integrate(lambda x, t: x, one, n).item() - np.e) for n in (20, 40)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


def test_trains_without_ray():
    import subprocess
    import sys

    code = (
        "import sys; sys.modules['ray'] = None; sys.modules['wandb'] = None\n"
        "import trainables.flow.engine.pack, trainables.flow.sampling\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
