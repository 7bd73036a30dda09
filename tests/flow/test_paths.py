import math
from pathlib import Path

import numpy as np
import pytest
import torch

from trainables.flow.config.run import FlowConfig
from trainables.flow.ingredients.probability_paths import (
    TIME_CLIP,
    coefficients,
    path_sample,
    path_times,
    uses_eps,
)

GOLDEN = np.load(Path(__file__).with_name("golden") / "paths.npz")
CASES = sorted({name.rpartition("/")[0] for name in GOLDEN if name.count("/") == 3})


def config(flow, sigma=0.0):
    if flow == "bridge":
        return FlowConfig(flow="si", interpolant="linear", gamma=sigma**2)
    return FlowConfig(flow=flow, sigma=sigma)


def golden(name):
    return torch.from_numpy(GOLDEN[name])


@pytest.mark.parametrize("case", CASES)
def test_equals_torchcfm(case):
    """mu_t, sigma_t, x_t and u_t of torchcfm 1.0.7; its bridge is our `si` with linear mean."""
    shape, flow, sigma = case.split("/")
    x_0, x_1, eps, t = (golden(f"{shape}/{name}") for name in ("x_0", "x_1", "eps", "t"))
    path = config(flow, float(sigma))
    c = coefficients(path, t.unsqueeze(-1))
    mu_t, sigma_t = c.noise * x_0 + c.data * x_1, c.spread
    if flow == "target":
        mu_t, sigma_t = c.data * x_1, c.noise  # its noise is the source
    x_t, u_t = path_sample(path, x_0, x_1, t, eps)
    found = {"mu_t": mu_t, "sigma_t": sigma_t.squeeze(-1), "x_t": x_t, "u_t": u_t}
    # torchcfm adds 1e-8 to the denominator of the bridge's velocity.
    tolerance = 1e-6 if flow == "bridge" else 1e-12
    for name, value in found.items():
        expected = golden(f"{case}/{name}")
        torch.testing.assert_close(value, expected, rtol=tolerance, atol=tolerance)


def test_golden_tensors_cover_every_path():
    flows = {case.split("/")[1] for case in CASES}
    assert flows == {"icfm", "otcfm", "target", "vp", "bridge"}
    assert len(CASES) == 3 * (4 * 3 + 2)


PATHS = [
    {"flow": "icfm"}, {"flow": "target", "sigma": 0.1}, {"flow": "vp"}, {"flow": "si"},
    {"flow": "si", "interpolant": "linear", "gamma": 0.5}, {"flow": "si", "gamma": 2.0},
]  # fmt: skip


@pytest.mark.parametrize("values", PATHS)
def test_velocity_is_the_derivative_of_the_path(values):
    path = FlowConfig(**values)
    g = torch.Generator().manual_seed(1)
    x_0, x_1, eps = torch.randn(3, 7, 3, generator=g, dtype=torch.float64)
    step, t = 1e-6, torch.full((7,), 0.4, dtype=torch.float64)
    ahead, _ = path_sample(path, x_0, x_1, t + step, eps)
    behind, _ = path_sample(path, x_0, x_1, t - step, eps)
    _, u_t = path_sample(path, x_0, x_1, t, eps)
    torch.testing.assert_close((ahead - behind) / (2 * step), u_t, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("flow", ["icfm", "vp", "si", "target"])
def test_paths_go_from_noise_to_data(flow):
    x_0, x_1 = torch.randn(2, 7, 3, dtype=torch.float64)
    for time, end in ((0.0, x_0), (1.0, x_1)):
        x_t, _ = path_sample(FlowConfig(flow=flow), x_0, x_1, torch.full((7,), time).double(), None)
        torch.testing.assert_close(x_t, end)


def test_vp_and_gvp_are_the_trigonometric_path():
    x_0, x_1, t = torch.ones(1, 2), torch.full((1, 2), 3.0), torch.tensor([0.25])
    cos, sin = math.cos(math.pi / 8), math.sin(math.pi / 8)
    for flow in ("vp", "si"):
        x_t, u_t = path_sample(FlowConfig(flow=flow), x_0, x_1, t, None)
        torch.testing.assert_close(x_t, torch.full((1, 2), cos + 3 * sin))
        torch.testing.assert_close(u_t, torch.full((1, 2), math.pi / 2 * (3 * cos - sin)))


def test_times_are_clipped_only_where_gamma_diverges():
    t = torch.tensor([0.0, 0.5, 1.0])
    clipped = path_times(FlowConfig(flow="si", gamma=1.0), t)
    assert clipped.tolist() == pytest.approx([TIME_CLIP, 0.5, 1 - TIME_CLIP])
    for values in ({"flow": "si"}, {"flow": "vp", "sigma": 0.1}):
        assert path_times(FlowConfig(**values), t) is t


def test_only_the_source_is_the_targets_noise():
    assert uses_eps(FlowConfig(sigma=0.1))
    assert not uses_eps(FlowConfig())
    assert not uses_eps(FlowConfig(flow="target", sigma=0.1))
    assert uses_eps(FlowConfig(flow="si", gamma=0.1))
    assert not uses_eps(FlowConfig(flow="si"))
