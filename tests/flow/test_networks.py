"""The stacked networks against the same networks as ordinary modules."""

import sys
from pathlib import Path

import pytest
import torch

from trainables.flow.config.run import FlowConfig
from trainables.flow.config.shapes import num_parameters
from trainables.flow.engine.parameters import RowLayout
from trainables.flow.networks.layers import time_embedding
from trainables.flow.networks.velocity import initial_state, velocity, velocity_of

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from plain_networks import PlainVelocity


def ours(name, num_layers):
    """The name of a module's parameter in a run's state."""
    name = name.removeprefix("network.").replace("input.", "in.").replace("output.", "out.")
    parts = name.split(".")
    if parts[0] == "layers":
        parts = [str(int(parts[1]) + 1), *parts[2:]]
    if parts[0] == "up":
        parts[1] = str(num_layers - 1 - int(parts[1]))
    if "mlp" in parts:
        parts[-2] = {"0": "0", "2": "1"}[parts[-2]]
    return ".".join(part for part in parts if part != "layer")


def plain_and_state(config, dim, seed):
    """A module with random weights everywhere, and its weights as a run's state."""
    torch.manual_seed(seed)
    module = PlainVelocity(config, dim)
    state = {name: torch.zeros_like(t) for name, t in initial_state(config, dim, 0).items()}
    for name, tensor in module.state_dict().items():
        target = state[ours(name, config.shape[1])]
        value = tensor.T if tensor.dim() == 2 and name.endswith("weight") else tensor
        target[tuple(slice(0, n) for n in value.shape)] = value
    return module, state


@pytest.mark.parametrize("dim", [1, 2, 50, 64, 100])
@pytest.mark.parametrize("arch", ["mlp", "dit", "unet"])
def test_equals_the_plain_module(arch, dim):
    config = FlowConfig(arch=arch, scale="tiny")
    x, t = torch.randn(13, dim), torch.rand(13)
    modules, states = zip(*[plain_and_state(config, dim, seed) for seed in range(3)], strict=True)
    layout = RowLayout(states[0])
    weights = layout.views(layout.rows(states, torch.device("cpu")))
    together = velocity(config, weights, x.expand(3, -1, -1), t.expand(3, -1))
    for module, state, found in zip(modules, states, together, strict=True):
        assert sum(p.numel() for p in module.parameters()) == num_parameters(config, dim)
        torch.testing.assert_close(found, module(x, t), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(velocity_of(config, state)(x, t), found, rtol=0, atol=0)


@pytest.mark.parametrize("arch", ["mlp", "dit", "unet"])
def test_starts_near_velocity_zero(arch):
    config = FlowConfig(arch=arch, scale="small")
    x = torch.randn(100, 64)
    start = velocity_of(config, initial_state(config, 64, 1))(x, torch.rand(100))
    assert start.abs().max() < (1e-12 if arch == "dit" else 0.02)


def test_seeds_differ_and_repeat():
    config = FlowConfig(scale="tiny")
    one, same, other = (initial_state(config, 8, seed)["in.weight"] for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_time_embedding_tells_times_apart():
    features = time_embedding(torch.linspace(0, 1, 200))
    distances = torch.cdist(features, features) + 10 * torch.eye(200)
    assert distances.min() > 0.1
    assert features.abs().max() <= 1
