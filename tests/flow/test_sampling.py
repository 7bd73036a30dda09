import math

import pytest
import torch

from trainables.flow.config.run import FlowConfig
from trainables.flow.engine.reflow import EVALUATIONS
from trainables.flow.evaluation.likelihood import negative_log_likelihood
from trainables.flow.sampling import SOLVERS, integrate, solve

START = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_constant_field_is_exact_in_one_step(solver):
    shift = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    x_1, bend = solve(lambda x, t: shift.expand_as(x), START, 1, solver)
    torch.testing.assert_close(x_1, START + shift)
    torch.testing.assert_close(bend, torch.zeros(50, dtype=torch.float64))


@pytest.mark.parametrize(
    ("solver", "order"), [("euler", 1), ("midpoint", 2), ("heun", 2), ("rk4", 4)]
)
def test_order_of_convergence(solver, order):
    """dx/dt = (1 + t) x: x(1) = x(0) exp(3/2). Half the step, 2^order times less error."""
    exact = START * math.exp(1.5)
    errors = [
        (integrate(lambda x, t: (1 + t)[:, None] * x, START, n, solver) - exact).abs().max().item()
        for n in (20, 40)
    ]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("solver", SOLVERS)
def test_evaluations_are_counted(solver):
    calls = []

    def field(x, t):
        calls.append(t[0].item())
        return x

    integrate(field, START, 5, solver)
    assert len(calls) == 5 * EVALUATIONS[solver]
    assert set(SOLVERS) == set(FlowConfig.model_fields["solver"].annotation.__args__)


def test_straightness_of_a_circle():
    """A quarter turn in unit time: |v|^2 = (pi/2)^2, |chord|^2 = 2, so 2 - 4 + (pi/2)^2."""
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64) * math.pi / 2
    start = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    _, bend = solve(lambda x, t: x @ turn.T, start, 2000, "rk4")
    assert bend.item() == pytest.approx((math.pi / 2) ** 2 - 2, rel=1e-3)


def test_straightness_counts_both_ends_of_a_path():
    """x = t^3: the chord is 1, v = 3 t^2, and the integral of (1 - 3 t^2)^2 is 4/5.

    Without the velocity at t = 1 the sum of 20 steps is 9 % low.
    """
    start = torch.zeros(1, 1, dtype=torch.float64)
    _, bend = solve(lambda x, t: 3 * t[:, None] ** 2, start, 20, "midpoint")
    assert bend.item() == pytest.approx(0.8, rel=0.01)


class TestLikelihood:
    def test_a_still_field_is_the_normal_density(self):
        nll = negative_log_likelihood(lambda x, t: 0 * x, START)
        expected = -torch.distributions.Normal(0.0, 1.0).log_prob(START).sum(dim=1)
        torch.testing.assert_close(nll, expected)

    @pytest.mark.parametrize("exact", [True, False])
    def test_a_linear_field_is_a_gaussians_exact_density(self, exact):
        """dx/dt = a (x - c): x_1 = e^a x_0 + (1 - e^a) c, a Gaussian in closed form.

        Its Jacobian is diagonal, so Hutchinson's estimate has no error either.
        """
        a = torch.tensor([0.7, -0.4, 0.1], dtype=torch.float64)
        c = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)
        nll = negative_log_likelihood(lambda x, t: a * (x - c), START, 20, exact=exact)
        density = torch.distributions.Normal((1 - a.exp()) * c, a.exp())
        torch.testing.assert_close(nll, -density.log_prob(START).sum(dim=1), rtol=1e-6, atol=1e-6)

    def test_the_estimate_is_unbiased_over_many_dimensions(self):
        """A full random Jacobian, 40-d: the exact sum is its trace; two probes come near."""
        matrix = torch.randn(40, 40, generator=torch.Generator().manual_seed(1)).double() / 40
        x = torch.randn(20, 40, generator=torch.Generator().manual_seed(2)).double()
        exact, estimate = (
            negative_log_likelihood(lambda x, t: x @ matrix.T, x, 20, exact=e)
            for e in (True, False)
        )
        back = torch.matrix_exp(-matrix)
        expected = 0.5 * ((x @ back.T).square().sum(1) + 40 * math.log(2 * math.pi))
        torch.testing.assert_close(exact, expected + matrix.trace(), rtol=1e-6, atol=1e-6)
        # A probe's error has the variance of the off-diagonal sum: 2 |M|_F^2 at most.
        assert (estimate - exact).abs().max() < 3 * matrix.norm()

    def test_the_errors_of_rows_average_out(self):
        """Jacobians that are alike, as those of a trained network are: each row has own probes."""
        matrix = torch.full((40, 40), 0.01).double()
        x = torch.zeros(4000, 40).double()
        exact, estimate = (
            negative_log_likelihood(lambda x, t: x @ matrix.T, x, 2, exact=e).mean()
            for e in (True, False)
        )
        error_of_a_row = math.sqrt(40 * 39) * 0.01  # two probes, sd sqrt(2 |M - diag|_F^2) each
        assert 0 < (estimate - exact).abs() < 4 * error_of_a_row / math.sqrt(4000)
