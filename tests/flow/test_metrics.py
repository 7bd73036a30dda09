import math

import pytest
import torch

from trainables.flow.config.run import FlowConfig
from trainables.flow.data.dataset import load_dataset
from trainables.flow.engine.batches import RunData
from trainables.flow.engine.state import RunSpec
from trainables.flow.evaluation.distances import (
    BANDWIDTHS,
    distances,
    energy_distance,
    mmd,
    nearest_distance,
    sliced_w2,
)
from trainables.flow.evaluation.measure import floors


def normal(num, dim, seed, mean=0.0, std=1.0):
    return mean + std * torch.randn(num, dim, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("metric", [sliced_w2, energy_distance, mmd])
def test_equal_samples_are_at_no_distance(metric):
    x = normal(300, 5, 0)
    assert metric(x, x.clone()) == 0
    assert metric(x, normal(300, 5, 1)) < metric(x, normal(300, 5, 1, mean=1.0))


def test_sliced_w2_of_a_shift_is_closed_form():
    x = normal(100, 5, 0)
    shift = torch.tensor([3.0, 0, 0, 0, 0])
    assert sliced_w2(x, x + shift, num_projections=20_000) == pytest.approx(3 / 5**0.5, rel=0.02)
    with pytest.raises(ValueError, match="one shape"):
        sliced_w2(x, x[:50])


def test_sliced_w2_of_two_gaussians_is_closed_form():
    """In 1-d W2 of N(m, s^2) and N(m', s'^2) is sqrt((m - m')^2 + (s - s')^2)."""
    quantiles = (torch.arange(4000) + 0.5) / 4000
    x, y = (torch.distributions.Normal(*p).icdf(quantiles)[:, None] for p in ((0, 1), (1.5, 2)))
    assert sliced_w2(x, y) == pytest.approx(math.sqrt(1.5**2 + 1), rel=0.005)


def test_energy_distance_of_two_gaussians_is_closed_form():
    """In 1-d E|N(m, s^2)| = s sqrt(2/pi) exp(-m^2 / 2 s^2) + m erf(m / (s sqrt 2))."""

    def folded(m, s):
        tail = math.exp(-(m**2) / (2 * s**2))
        return s * math.sqrt(2 / math.pi) * tail + m * math.erf(m / (s * math.sqrt(2)))

    quantiles = (torch.arange(4000) + 0.5) / 4000
    x, y = (torch.distributions.Normal(*p).icdf(quantiles)[:, None] for p in ((0, 1), (1.5, 2)))
    expected = 2 * folded(1.5, math.sqrt(5)) - folded(0, math.sqrt(2)) - folded(0, math.sqrt(8))
    assert energy_distance(x, y) == pytest.approx(expected, rel=0.002)


def test_mmd_of_two_gaussians_is_closed_form():
    """E exp(-|X - Y|^2 / 2 h^2) = (h^2 / (h^2 + s^2))^(d/2) exp(-|m|^2 / 2 (h^2 + s^2))."""
    dim, shift = 3, 1.0
    x, y = normal(3000, dim, 0), normal(3000, dim, 1, mean=shift)
    apart = distances(y, y)
    median = apart[~torch.eye(len(y), dtype=torch.bool)].median().item()

    def kernel(m):
        values = [(w * median) ** 2 for w in BANDWIDTHS]
        return sum(
            (h / (h + 2)) ** (dim / 2) * math.exp(-dim * m**2 / (2 * (h + 2))) for h in values
        ) / len(values)

    expected = math.sqrt(2 * kernel(0) - 2 * kernel(shift))
    assert mmd(x, y) == pytest.approx(expected, rel=0.03)


def test_nearest_distance_by_hand():
    rows = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    x = torch.tensor([[3.0, 4.0], [10.0, 1.0]])
    assert nearest_distance(x, rows) == pytest.approx((5 + 1) / 2)
    assert nearest_distance(rows, rows) == 0


@pytest.mark.parametrize(("rows", "num_blocks", "size"), [(900, 3, 180), (12_000, 2, 2048)])
def test_floors_are_means_over_disjoint_blocks_of_training_rows(rows, num_blocks, size):
    """One block alone is noisy; more than two of the largest size would be dear."""
    config = FlowConfig(data={"source": "gaussians", "dim": 5, "rows": rows})
    dataset = load_dataset(config.data)
    data = RunData(RunSpec("", 0, config), dataset, dataset.normalisation)
    found = floors(data, ["sliced_w2", "energy_distance", "train_distance"], torch.device("cpu"))
    test, blocks = data.test[:size], [data.train[k * size : (k + 1) * size] for k in range(10)]
    for name, metric in (("sliced_w2", sliced_w2), ("energy_distance", energy_distance)):
        scores = [metric(block, test) for block in blocks[:num_blocks]]
        assert found[name] == pytest.approx(sum(scores) / num_blocks)
        assert max(scores) > min(scores)
    assert found["train_distance"] == nearest_distance(test, data.train)
