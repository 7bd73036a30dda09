"""Evaluations in runs in cells, by hand."""

import numpy as np
import pytest

from ablate.stats.nested import nested_spread

UNBALANCED = {(0, 0): [1, 3], (0, 1): [5, 7], (1, 0): [2], (1, 1): [4, 6, 5]}
"""Within runs 2 + 2 + 0 + 2 over 4 df. Between runs 16 + 6.75 over 2 df, which is 2 x 1.5 on
average and 3.5 components: (4 - 8 / 4) + (4 - 10 / 4)."""


def test_unbalanced_by_hand():
    found = nested_spread(UNBALANCED)
    assert found.evaluations**2 == pytest.approx(1.5)
    assert found.runs**2 == pytest.approx((22.75 - 3) / 3.5)
    assert found.share == 1, "run means differ from cell and seed by 0.25 in variance"


@pytest.mark.parametrize("unit", [1e-170, 1e170])
def test_units_do_not_matter(unit):
    scaled = {key: [unit * value for value in values] for key, values in UNBALANCED.items()}
    found, plain = nested_spread(scaled), nested_spread(UNBALANCED)
    assert found.runs == pytest.approx(unit * plain.runs)
    assert found.evaluations == pytest.approx(unit * plain.evaluations)


def test_runs_that_differ_less_than_evaluations_explain_do_not_differ():
    found = nested_spread({(0, 0): [1, 9], (0, 1): [2, 8], (1, 0): [0, 10], (1, 1): [4, 6]})
    assert found.runs == 0


@pytest.mark.parametrize("evaluated", [
    {}, {(0, 0): [1], (0, 1): [2]}, {(0, 0): [1, 2], (1, 0): [3, 5]},
])  # fmt: skip
def test_nothing_is_said_without_replicates(evaluated):
    assert nested_spread(evaluated) is None


def test_it_estimates_what_it_is_made_of():
    """4,000 runs of unlike numbers of evaluations: sd 2 over runs, 1 within them, cells apart."""
    rng, evaluated = np.random.default_rng(0), {}
    for cell in range(4):
        for seed in range(1_000):
            centre = 50 * cell + 2 * rng.normal()
            evaluated[cell, seed] = list(centre + rng.normal(size=1 + seed % 4))
    found = nested_spread(evaluated)
    assert (found.runs, found.evaluations) == pytest.approx((2, 1), rel=0.05)
    per_mean = np.mean([1, 1 / 2, 1 / 3, 1 / 4])
    assert found.share == pytest.approx(per_mean / (4 + per_mean), rel=0.1)
