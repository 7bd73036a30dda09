import math

import pytest
import torch

from trainables.flow.paths import PATHS, path_sample, uses_eps

T, X_0, X_1, EPS, SIGMA = 0.25, 1.0, 3.0, 0.5, 0.1
COS, SIN = math.cos(math.pi / 8), math.sin(math.pi / 8)


@pytest.mark.parametrize(
    ("flow", "x_t", "u_t"),
    [
        ("icfm", 0.75 * X_0 + 0.25 * X_1 + 0.1 * EPS, X_1 - X_0),
        ("target", 0.25 * X_1 + (1 - 0.9 * 0.25) * X_0, 2.1),
        ("vp", COS * X_0 + SIN * X_1 + 0.1 * EPS, math.pi / 2 * (COS * X_1 - SIN * X_0)),
    ],
)
def test_golden_values(flow, x_t, u_t):
    args = [torch.full((1, 2), v, dtype=torch.float64) for v in (X_0, X_1)]
    eps = torch.full((1, 2), EPS, dtype=torch.float64)
    got = path_sample(flow, SIGMA, *args, torch.tensor([T], dtype=torch.float64), eps)
    for value, expected in zip(got, (x_t, u_t), strict=True):
        torch.testing.assert_close(value, torch.full((1, 2), expected, dtype=torch.float64))


@pytest.mark.parametrize("sigma", [0.0, 0.01, 0.3])
def test_target_is_lipmans_formula(sigma):
    """u_t = (x_1 - (1 - sigma) x_t) / (1 - (1 - sigma) t), Lipman et al. 2023, eq. 21."""
    g = torch.Generator().manual_seed(0)
    x_0, x_1 = torch.randn(2, 50, 3, generator=g, dtype=torch.float64)
    t = torch.rand(50, generator=g, dtype=torch.float64) * 0.99
    x_t, u_t = path_sample("target", sigma, x_0, x_1, t, None)
    s = t.unsqueeze(-1)
    torch.testing.assert_close(u_t, (x_1 - (1 - sigma) * x_t) / (1 - (1 - sigma) * s))


@pytest.mark.parametrize("flow", PATHS)
def test_velocity_is_the_derivative_and_ends_meet(flow):
    g = torch.Generator().manual_seed(1)
    x_0, x_1 = torch.randn(2, 7, 3, generator=g, dtype=torch.float64)
    step = 1e-6
    t = torch.full((7,), 0.4, dtype=torch.float64)
    ahead, _ = path_sample(flow, 0.0, x_0, x_1, t + step, None)
    behind, _ = path_sample(flow, 0.0, x_0, x_1, t - step, None)
    _, u_t = path_sample(flow, 0.0, x_0, x_1, t, None)
    torch.testing.assert_close((ahead - behind) / (2 * step), u_t, atol=1e-6, rtol=1e-6)
    for time, end in ((0.0, x_0), (1.0, x_1)):
        x_t, _ = path_sample(flow, 0.0, x_0, x_1, torch.full((7,), time).double(), None)
        torch.testing.assert_close(x_t, end)


def test_only_the_source_is_the_targets_noise():
    assert uses_eps("icfm", 0.1)
    assert not uses_eps("icfm", 0.0)
    assert not uses_eps("target", 0.1)
