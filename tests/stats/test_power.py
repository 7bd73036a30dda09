"""What a design can find of factors and equivalence: against quadrature and by simulation."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from ablate.stats.effects import factor_effects
from ablate.stats.power import detectable_margin, equivalence_power, level_sd
from ablate.stats.replication import visible_differences
from ablate.stats.spread_cost import SpreadTests
from ablate.stats.verdicts import compare_to_baseline


def power_by_quadrature(margin, sd, df, num, alpha):
    """Phillips 1990: over the density of the estimated variance, chi-square."""
    se, t = sd * math.sqrt(2 / num), stats.t.ppf(1 - alpha, df)

    def given(square):
        room = margin / se - t * math.sqrt(square / df)
        return max(0.0, 2 * stats.norm.cdf(room) - 1) * stats.chi2.pdf(square, df)

    return integrate.quad(given, 0, df * (margin / se / t) ** 2, limit=200)[0]


@pytest.mark.parametrize(
    ("margin", "sd", "df", "num", "alpha"),
    [(1.5, 1.0, 4, 3, 0.05), (0.02, 0.01, 18, 5, 0.05), (3.0, 1.0, 2, 3, 0.05), (1, 1, 9, 9, 0.01)],
)
def test_equivalence_equals_phillips_integral(margin, sd, df, num, alpha):
    found = equivalence_power(margin, sd, df, num, alpha)
    assert found == pytest.approx(power_by_quadrature(margin, sd, df, num, alpha), abs=1e-3)


def test_equivalence_of_many_degrees_of_freedom_is_the_normal_one():
    found = equivalence_power(1.0, 1.0, 1e6, 20)
    room = math.sqrt(10) - stats.norm.ppf(0.95)
    assert found == pytest.approx(2 * stats.norm.cdf(room) - 1, abs=1e-4)


@pytest.mark.parametrize(("df", "num"), [(1, 2), (2, 3), (10, 3), (36, 5)])
def test_the_least_margin_has_the_power_that_was_asked(df, num):
    for power in (0.5, 0.8):
        margin = detectable_margin(2.0, df, num, power=power)
        assert equivalence_power(margin, 2.0, df, num) == pytest.approx(power, abs=1e-6)


def test_equivalence_is_found_so_often():
    rng, found, margin = np.random.default_rng(1), 0, detectable_margin(1.0, 4, 5)
    for _ in range(500):
        values = rng.normal(size=(2, 5)) + 3 * rng.normal(size=5)
        one = compare_to_baseline(values, 0, "min", margin).each[1].verdict
        found += one.text == "equivalent" or one.within_margin
    assert found / 500 == pytest.approx(0.8, abs=0.05)


def test_equivalence_among_several_cells_is_found_so_often():
    """Though by chance some of them seem to scatter more, and are judged by themselves."""
    tests, alpha = SpreadTests(4, 4), 0.05 / 3
    margin = detectable_margin(1.0, 9, 4, alpha, tests=tests)
    assert margin > detectable_margin(1.0, 9, 4, alpha)
    rng, found = np.random.default_rng(2), 0
    for _ in range(400):
        one = compare_to_baseline(rng.normal(size=(4, 4)), 0, "min", margin).each[1].verdict
        found += one.text == "equivalent" or one.within_margin
    assert found / 400 == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize(("num_levels", "others", "num_seeds"), [(2, 9, 3), (3, 4, 3), (2, 3, 6)])
def test_a_factors_effect_is_found_so_often(num_levels, others, num_seeds):
    """By its own scatter over seeds: (levels - 1) (seeds - 1) degrees of freedom."""
    codes = np.array([(a, b) for a in range(num_levels) for b in range(others)])
    sd, df = level_sd(1.0, others, others), (num_levels - 1) * (num_seeds - 1)
    tests = SpreadTests(num_levels, num_seeds)
    least = visible_differences(sd, df, num_levels - 1, num_seeds, tests=tests).found
    rng, found, num = np.random.default_rng(2), 0, 400
    for _ in range(num):
        values = rng.normal(size=(len(codes), num_seeds)) + rng.normal(size=num_seeds)
        values += least * (codes[:, :1] == 1)
        main = factor_effects(values, codes, [num_levels, others], [0, 0], "min").mains[0]
        found += main.comparisons.each[1].verdict.text == "worse"
        assert main.error_df == df
    assert found / num == pytest.approx(0.8, abs=0.06)


def test_levels_of_few_cells_scatter_more():
    assert level_sd(2.0, 4, 4) == 1.0
    assert level_sd(1.0, 1, 4) == pytest.approx(math.sqrt((1 + 1 / 4) / 2))


@pytest.mark.parametrize("design", [(0.0, 4, 3), (math.nan, 4, 3), (1.0, 0, 3), (1.0, 4, 0)])
def test_nothing_to_compare(design):
    assert math.isnan(detectable_margin(*design))
    assert math.isnan(equivalence_power(1.0, *design))
