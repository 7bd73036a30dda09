import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from trainables.flow.config.data import DataConfig
from trainables.flow.config.run import FlowConfig
from trainables.flow.data.dataset import load_dataset
from trainables.flow.engine.batches import RunData
from trainables.flow.engine.state import RunSpec
from trainables.flow.ingredients.couplings import SQUARED_DISTANCE_MAX_DIM, ot_pairing, ot_pairings


def cost(x_0, x_1, pairing):
    return (x_0[pairing] - x_1).square().sum().item()


@pytest.mark.parametrize("dim", [1, 2, SQUARED_DISTANCE_MAX_DIM, SQUARED_DISTANCE_MAX_DIM + 1, 64])
@pytest.mark.parametrize("batch", [1, 2, 6])
def test_pairing_is_the_exact_plan(dim, batch):
    """Against a linear program over all plans, not only permutations, and every permutation."""
    x_0, x_1 = torch.randn(2, batch, dim, generator=torch.Generator().manual_seed(dim + batch))
    pairing = ot_pairing(x_0, x_1)
    assert sorted(pairing.tolist()) == list(range(batch))
    costs = torch.cdist(x_0, x_1).double().square().numpy()
    one, each = np.ones((1, batch)), np.eye(batch)
    sums = np.concatenate([np.kron(each, one), np.kron(one, each)])
    plan = linprog(costs.ravel(), A_eq=sums, b_eq=np.ones(2 * batch))
    assert cost(x_0, x_1, pairing) == pytest.approx(plan.fun, rel=1e-4)
    every = [cost(x_0, x_1, list(p)) for p in itertools.permutations(range(batch))]
    assert cost(x_0, x_1, pairing) == pytest.approx(min(every), rel=1e-6)


def test_threads_share_the_batches_of_a_chunk_in_order(monkeypatch):
    x_0, x_1 = torch.randn(2, 7, 20, 4, generator=torch.Generator().manual_seed(0))
    expected = torch.stack([ot_pairing(*batch) for batch in zip(x_0, x_1, strict=True)])
    for num_threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda found=num_threads: found)
        assert torch.equal(ot_pairings(x_0, x_1), expected)


def test_points_without_a_distance_are_left_as_they_are():
    """So the loss ends the run that they belong to, and no other of its pack."""
    x_0, x_1 = torch.randn(2, 2, 20, 16, generator=torch.Generator().manual_seed(0))
    x_1[0] *= 1e38
    pairings = ot_pairings(x_0, x_1)
    assert torch.equal(pairings[0], torch.arange(20))
    assert torch.equal(pairings[1], ot_pairing(x_0[1], x_1[1]))


def test_a_training_batch_keeps_its_rows_and_comes_nearer():
    spec = RunSpec("x", 1, FlowConfig(flow="otcfm", data={"source": "moons"}))
    data = load_dataset(DataConfig(source="moons"))
    draw = next(RunData(spec, data, data.normalisation).epoch(0))
    for step in range(3):
        free, paired = draw.x_0[step], draw.paired(spec.config).x_0[step]
        order = [tensor[:, 0].sort().values for tensor in (free, paired)]
        assert torch.equal(*order)
        apart = [(draw.x_1[step] - x_0).square().sum() for x_0 in (free, paired)]
        assert apart[1] < 0.5 * apart[0]
