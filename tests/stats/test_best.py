"""Which cells may be the best: published intervals, by hand, and by simulation."""

import math

import numpy as np
import pytest
from layouts import NAN, PAINT, layout, one_way
from scipy import stats

from ablate.stats.best import against_the_best, best_of
from ablate.stats.contrasts import contrasts_of
from ablate.stats.dunnett import Family


def may_be_best(values, mode="min", **options):
    return [
        found and found.may_be_best for found in against_the_best(np.array(values), mode, **options)
    ]


@pytest.mark.parametrize(
    ("num", "df", "table"), [(1, 10, 1.81), (2, 10, 2.15), (3, 20, 2.19), (9, 60, 2.48)]
)
def test_one_sided_critical_values_of_the_tables(num, df, table):
    """Dunnett 1955, table 1a, one-sided 5 %."""
    assert Family(num, 0.5, df).one_sided_value() == pytest.approx(table, abs=0.006)


def test_published_intervals():
    """Minitab's help on Hsu's comparisons, largest is best: blends 2 and 3 cannot be."""
    found = best_of(one_way(*PAINT), "max")
    assert [(f.low, f.high) for f in found] == [
        pytest.approx(bounds, abs=5e-4)
        for bounds in [(-8.3337, 1.6657), (-14.4997, 0), (-10.0837, 0), (-1.6657, 8.3337)]
    ]
    assert [f.may_be_best for f in found] == [True, False, False, True]


def test_by_hand_and_mirrored():
    values = layout(5, 4, 0, shifts=[0, 0.5, 2, 4, 9])
    contrasts = contrasts_of(values)
    half = Family(4, 0.5, 12).one_sided_value() * contrasts.residual_sd * math.sqrt(2 / 4)
    means = values.mean(axis=1)
    for cell, found in enumerate(against_the_best(values, "min")):
        best = np.delete(means, cell).min()
        assert found.difference == pytest.approx(means[cell] - best)
        assert found.may_be_best == (means[cell] - best < half)
        assert found.low == pytest.approx(min(0, means[cell] - best - half))
    mirrored = against_the_best(-values, "max")
    for one, other in zip(against_the_best(values, "min"), mirrored, strict=True):
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


def test_a_clear_winner_stands_alone():
    assert may_be_best(layout(4, 5, 1, shifts=[0, -40, 3, 0])) == [False, True, False, False]


def test_two_cells_are_two_one_sided_t_tests():
    values = layout(2, 6, 2, shifts=[0, 1.0])
    p = stats.ttest_rel(values[1], values[0], alternative="greater").pvalue
    assert may_be_best(values) == [True, p >= 0.05]


@pytest.mark.parametrize(("values", "found"), [
    ([[1.0], [2.0]], [None, None]),
    ([[1.0, 2.0, 3.1]], [None]),
    ([[1.0, 2.0], [1.1, 2.1]], [None, None]),
    ([[0.5] * 5, [0.5] * 5, [0.7] * 5], [True, True, False]),
    ([[1.0, 2.0, 3.1], [NAN] * 3, [1.1, 2.1, 3.0]], [True, None, True]),
    ([[1.0, 2.0, 3.1], [-9.0, NAN, NAN], [1.1, 2.1, 3.0]], [False, True, False]),
], ids=["one seed", "one cell", "ties", "certain", "failed", "one result"])  # fmt: skip
def test_nothing_is_said_where_nothing_is_known(values, found):
    assert may_be_best(values) == found


def test_what_cannot_be_compared_is_not_ruled_out():
    values = layout(4, 8, 3, shifts=[0, 30, 0, 30])
    values[:2, 4:], values[2:, :4] = NAN, NAN
    assert may_be_best(values) == [True, False, True, False]


@pytest.mark.parametrize("missing", [((1, 2), (3, 0)), ((0, 0), (0, 1), (2, 3), (4, 4), (4, 0))])
def test_missing_runs_take_the_smallest_correlation(missing):
    """Against all correlations of all pairs of differences from one cell."""
    values = layout(6, 5, 4, missing)
    there = ~np.isnan(values)
    rows = [(c, s) for c in range(6) for s in range(5) if there[c, s]]
    design = np.array([[*(c == np.arange(6)), *(s == np.arange(1, 5))] for c, s in rows], float)
    u = np.linalg.inv(design.T @ design)[:6, :6]
    least = min(
        (u[i, i] - u[i, j] - u[i, k] + u[j, k])
        / math.sqrt((u[i, i] + u[j, j] - 2 * u[i, j]) * (u[i, i] + u[k, k] - 2 * u[i, k]))
        for i in range(6) for j in range(6) for k in range(6) if len({i, j, k}) == 3
    )  # fmt: skip
    assert contrasts_of(values).correlation == pytest.approx(least)


def test_a_noisy_cell_is_compared_by_its_own_pairs():
    values = layout(6, 10, 5)
    values[4] += 30 * np.random.default_rng(8).normal(size=10)
    contrasts = contrasts_of(values)
    oracle = stats.ttest_rel(values[4], values[1])
    assert contrasts.apart[4].sum() == contrasts.apart[:, 4].sum() == 5
    assert contrasts.differences[4, 1] / contrasts.se[4, 1] == pytest.approx(oracle.statistic)
    assert contrasts.df[1, 4] == 9


@pytest.mark.parametrize("missing", [(), ((0, 1), (2, 2), (3, 0))])
def test_the_true_best_is_among_those_that_may_be(missing):
    """Where it is one of several that are equally good: the hardest case, 95 % by design."""
    rng, held = np.random.default_rng(6), 0
    for _ in range(600):
        values = rng.normal(size=(6, 4))
        for place in missing:
            values[place] = NAN
        held += bool(against_the_best(values, "min")[0].may_be_best)
    assert 0.93 * 600 <= held < 600


def test_more_metrics_keep_more_cells():
    kept = [
        sum(may_be_best(layout(9, 3, seed, shifts=np.arange(9)), num_families=num).count(True)
            for seed in range(20)) for num in (1, 5)
    ]  # fmt: skip
    assert kept[0] < kept[1]
