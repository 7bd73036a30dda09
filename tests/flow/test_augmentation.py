import pytest
import torch

from trainables.flow.config.run import FlowConfig
from trainables.flow.data.dataset import load_dataset
from trainables.flow.engine.batches import RunData
from trainables.flow.engine.state import RunSpec
from trainables.flow.ingredients.augmentation import augment
from trainables.flow.ingredients.own_calls import Steps
from trainables.flow.randomness import Streams

ROWS = torch.randn(4, 500, 3, generator=torch.Generator().manual_seed(0))


def augmented(x_1=ROWS, seed=1, **values):
    return augment(FlowConfig(**values), x_1, Steps((3,), Streams(seed, 0)))


def test_none_changes_nothing():
    assert augmented() is ROWS


def test_mixup_lies_between_two_rows_of_the_batch():
    ends = torch.tensor([0.0, 1.0]).repeat(250).view(1, 500, 1).expand(4, 500, 3)
    mixed = augmented(ends, aug="mixup", mixup_alpha=1.0)
    assert (mixed[..., 0] == mixed[..., 1]).all()  # one weight a row
    assert ((mixed >= 0) & (mixed <= 1)).all()
    between = mixed[..., 0][(mixed[..., 0] > 0) & (mixed[..., 0] < 1)]
    # Beta(1, 1) is uniform: mean 1/2, variance 1/12; half of the pairs have two ends.
    assert len(between) == pytest.approx(1000, abs=100)
    assert between.mean().item() == pytest.approx(0.5, abs=0.04)
    assert between.var().item() == pytest.approx(1 / 12, abs=0.01)


@pytest.mark.parametrize("alpha", [1e-3, 0.2, 5.0])
def test_mixup_weights_are_beta(alpha):
    ends = torch.tensor([0.0, 1.0]).repeat(5000).view(1, 10_000, 1)
    mixed = augmented(ends, aug="mixup", mixup_alpha=alpha).flatten()
    assert mixed.isfinite().all()
    # Var(w a + (1 - w) b) for ends a, b: E[w^2 + (1 - w)^2] / 4, E[w^2] = (a + 1) / (4 a + 2).
    assert mixed.var().item() == pytest.approx((alpha + 1) / (4 * alpha + 2) / 2, abs=0.01)


def test_noise_has_its_standard_deviation():
    added = augmented(aug="noise", noise_std=0.3) - ROWS
    assert added.std().item() == pytest.approx(0.3, rel=0.03)
    assert added.mean().item() == pytest.approx(0, abs=0.02)


def test_dropout_sets_to_the_mean_and_scales_up():
    dropped = augmented(aug="dropout", dropout_rate=0.25)
    gone = dropped == 0
    assert gone.float().mean().item() == pytest.approx(0.25, abs=0.03)
    torch.testing.assert_close(dropped[~gone], ROWS[~gone] / 0.75)


def test_sums_are_applied_in_one_order():
    whole = augmented(aug="dropout+mixup+noise")
    mixed = augmented(aug="mixup")
    noisy = augmented(mixed, aug="noise")
    assert torch.equal(whole, augmented(noisy, aug="dropout"))
    assert FlowConfig(aug="dropout + mixup").aug == "mixup+dropout"


def test_switching_one_on_shifts_no_other_draw():
    def draws(aug):
        config = FlowConfig(aug=aug, sigma=0.1)
        data = load_dataset(config.data)
        return next(RunData(RunSpec("x", 3, config), data, data.normalisation).epoch(2))

    plain, noisy, whole = draws("none"), draws("noise"), draws("mixup+noise+dropout")
    for other in (noisy, whole):
        assert torch.equal(plain.x_0, other.x_0)
        assert torch.equal(plain.t, other.t)
        assert torch.equal(plain.eps, other.eps)
        assert not torch.equal(plain.x_1, other.x_1)


def test_held_out_rows_are_never_augmented():
    def held_out(aug):
        config = FlowConfig(aug=aug)
        data = load_dataset(config.data)
        return RunData(RunSpec("x", 3, config), data, data.normalisation).validation()

    for plain, other in zip(held_out("none"), held_out("mixup+noise+dropout"), strict=True):
        assert torch.equal(plain, other)
