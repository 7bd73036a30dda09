"""Losses and gradients of a pack against autograd through the mean squared error, to the bit."""

import pytest
import torch

from trainables.flow.config.run import FlowConfig
from trainables.flow.engine.gradients import fill_gradients
from trainables.flow.engine.parameters import RowLayout
from trainables.flow.networks.velocity import initial_state, velocity


@pytest.mark.parametrize("dim", [1, 50, 64, 100])
@pytest.mark.parametrize("num_runs", [1, 3])
@pytest.mark.parametrize(
    ("arch", "dtype"),
    [("mlp", "float32"), ("mlp", "float64"), ("mlp", "bfloat16"), ("unet", "float32"),
     ("dit", "float32")],
)  # fmt: skip
def test_are_the_bits_of_autograd(arch, dtype, num_runs, dim):
    torch.set_num_threads(1)
    config = FlowConfig(arch=arch, scale="tiny", dtype=dtype)
    states = [initial_state(config, dim, seed) for seed in range(num_runs)]
    layout = RowLayout(states[0])
    rows = layout.rows(states, torch.device("cpu"))
    source = torch.Generator().manual_seed(1)
    rows += 0.1 * torch.randn(rows.shape, generator=source)  # gains and modulations start at zero
    weights = {name: view.requires_grad_() for name, view in layout.views(rows).items()}
    gradients = layout.views(torch.full_like(rows, torch.nan))
    x_t, u_t = torch.randn(2, num_runs, 100, dim, generator=source, dtype=rows.dtype)
    t = torch.rand(num_runs, 100, generator=source, dtype=rows.dtype)

    losses = fill_gradients(config, weights, gradients, x_t, u_t, t)

    errors = velocity(config, weights, x_t, t) - u_t
    expected = torch.stack([error.square().mean() for error in errors])
    assert torch.equal(losses, expected)
    pulled = torch.autograd.grad(expected.sum(), list(weights.values()))
    for name, gradient in zip(weights, pulled, strict=True):
        assert torch.equal(gradients[name], gradient), name
