"""Cells that scatter more, factors that seeds change, runs far off: by hand and by statsmodels."""

import itertools
import math
import re
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from ablate.stats.all_pairs import compare_pairs
from ablate.stats.dunnett import Family
from ablate.stats.error_terms import ErrorTerm, factors_by_seed, split_plot
from ablate.stats.outlying_runs import outlying_runs
from ablate.stats.unequal_spread import (
    chance_to_see,
    doubtful_cells,
    grows_with_mean,
    noisy_cells,
    spread_p,
)
from ablate.stats.verdicts import compare_to_baseline

NAN = math.nan
GRID = np.array(list(itertools.product(range(3), range(3))))


def study(num_cells, num_seeds, seed, factors=None):
    values = np.random.default_rng(seed).normal(size=(num_cells, num_seeds))
    for cell, factor in (factors or {}).items():
        values[cell] *= factor
    return values + 5 * np.random.default_rng(seed + 1000).normal(size=num_seeds)


def ones(values):
    return np.ones((len(values), 1))


def frame(values, codes=None):
    return pd.DataFrame([
        {"cell": str(c), "seed": str(s), "y": values[c, s],
         **({} if codes is None else {"a": str(codes[c, 0]), "b": str(codes[c, 1])})}
        for c, s in np.argwhere(~np.isnan(values))
    ])  # fmt: skip


def factor_by_seed(num_seeds, seed, spread=4.0):
    values = study(9, num_seeds, seed)
    return values + spread * np.random.default_rng(seed + 50).normal(size=(3, num_seeds))[
        GRID[:, 0]
    ]  # fmt: skip


class TestOneCellAgainstTheRest:
    @pytest.mark.parametrize("num_cells", [3, 5, 9])
    def test_by_hand(self, num_cells):
        """The contrast with the mean of the others, against the residual of the others."""
        values, num = study(num_cells, 4, 1, {0: 2.0}), num_cells - 1
        contrast = values[0] - values[1:].mean(axis=0)
        square = contrast.var(ddof=1) * num / num_cells
        left = values[1:] - values[1:].mean(axis=0) - values[1:].mean(axis=1, keepdims=True)
        left += values[1:].mean()
        df = (num - 1) * 3
        expected = stats.f.sf(square / ((left**2).sum() / df), 3, df)
        assert spread_p(values, ones(values), 0, np.arange(1, num_cells)) == pytest.approx(expected)

    def test_with_missing_runs_it_is_a_comparison_of_models(self):
        values = study(5, 5, 2)
        values[0, 1] = values[2, 3] = values[4, 0] = NAN
        data = frame(values)
        rest = smf.ols("y ~ cell + seed", data[data.cell != "0"]).fit()
        both = smf.ols("y ~ cell + seed", data).fit()
        df = both.df_resid - rest.df_resid
        expected = stats.f.sf((both.ssr - rest.ssr) / df / rest.mse_resid, df, rest.df_resid)
        assert spread_p(values, ones(values), 0, np.arange(1, 5)) == pytest.approx(expected)

    def test_is_uniform_where_all_have_one_spread(self):
        p = [spread_p(v, ones(v), 0, np.arange(1, 4)) for v in (study(4, 3, s) for s in range(300))]
        assert stats.kstest(p, "uniform").pvalue > 0.001

    def test_chance_to_see(self):
        seen = 0
        for seed in range(400):
            values = study(9, 3, seed, {0: 3.0})
            seen += spread_p(values, ones(values), 0, np.arange(1, 9)) < 0.05
        assert chance_to_see(9, 3) == pytest.approx(seen / 400, abs=0.07)


class TestNoisyCells:
    @pytest.mark.parametrize("num_seeds", [5, 8, 11])
    def test_one_of_three(self, num_seeds):
        values = study(3, num_seeds, 3, {2: 30.0})
        assert noisy_cells(values, ones(values)) == [2]

    @pytest.mark.parametrize(("num_cells", "wild"), [(4, (1, 3)), (6, (0, 5)), (7, (1, 2, 6))])
    def test_several_at_once(self, num_cells, wild):
        values = study(num_cells, 10, 4, dict.fromkeys(wild, 9.0))
        assert sorted(noisy_cells(values, ones(values))) == list(wild)

    def test_few_are_named_where_all_have_one_spread(self):
        named = sum(bool(noisy_cells(v, ones(v))) for v in (study(5, 4, s) for s in range(400)))
        assert named <= 0.01 * 400 + 3 * math.sqrt(400 * 0.01 * 0.99)

    def test_a_reference_is_tested_by_itself(self):
        values = study(9, 3, 4, {0: 3.0})
        assert noisy_cells(values, ones(values)) == []
        assert noisy_cells(values, ones(values), [0]) == [0]

    def test_failed_cells_make_no_other_noisy(self):
        values = study(7, 5, 1)
        values[3:] = NAN
        assert noisy_cells(values, ones(values), [0]) == []

    def test_a_quiet_word_only_where_the_test_has_power(self):
        def told(num_seeds):
            return compare_to_baseline(study(9, num_seeds, 7), 0, "min").spread_check

        assert told(10).startswith("no single cell's spread over seeds stands out (a baseline 3 ")
        assert told(3).startswith("intervals assume that cells differ little in spread: with 3 ")
        assert "% of tables wrong" in told(3)

    def test_pairs_have_no_baseline_that_would_be_seen(self):
        """Each of their cells is tested as doubtful, which sees less: more seeds are needed."""

        def told(num_seeds):
            none = np.zeros(9, dtype=bool)
            return compare_to_baseline(
                study(9, num_seeds, 7), 0, "min", family=none
            ).spread_check  # fmt: skip

        noisy = np.random.default_rng(1).normal(size=(2000, 9, 5))
        noisy[:, 3] *= 3
        left = noisy - noisy.mean(axis=1, keepdims=True)
        own = left.var(axis=2) * 9 / 8
        others = (left.var(axis=2).sum(axis=1, keepdims=True) - own) / 7
        seen = (stats.f.sf(own / others, 4, 28) < 0.10 / 9)[:, 3].mean()
        share = int(re.search(r"a cell 3 times as noisy would be seen in (\d+) %", told(5))[1])
        assert share == pytest.approx(100 * seen, abs=3)
        assert told(5).endswith(
            "one cell, or all of one level, 3 to 5 times as noisy makes up to 12 % of tables wrong"
        )
        assert told(20).startswith("no single cell's spread over seeds stands out (a cell 3 ")


class TestDoubtfulCells:
    """Two near twins make the pooled residual too small for a third, and few seeds show it."""

    TWINS = np.array([
        [10.0, 12.1, 9.0, 11.0], [10.1, 12.0, 9.1, 11.1], [9.5, 12.0, 9.1, 10.3],
    ])  # fmt: skip

    def test_the_third_is_judged_by_its_own_pairs(self):
        one, two, three = self.TWINS
        contrast, twins = three - (one + two) / 2, two - one
        p = stats.f.sf(contrast.var(ddof=1) * 2 / 3 / (twins.var(ddof=1) / 2), 3, 3)
        assert 0.01 < 3 * p < 0.10
        assert (noisy_cells(self.TWINS, ones(self.TWINS), [0]), p > 0.01) == ([], True)
        found = compare_to_baseline(self.TWINS, 0, "min")
        assert found.groups[0].spreads.noisy == [2]
        own = stats.ttest_rel(three, one)
        assert found.each[2].error is ErrorTerm.OWN_PAIRS
        assert found.each[2].p == pytest.approx(2 * own.pvalue)
        low, high = own.confidence_interval(1 - 0.05 / 2)
        assert (found.each[2].low, found.each[2].high) == pytest.approx((low, high))

    def test_its_scatter_stays_in_the_residual_of_the_others(self):
        found = compare_to_baseline(self.TWINS, 0, "min")
        fit = smf.ols("y ~ cell + seed", frame(self.TWINS)).fit()
        assert (found.residual_sd**2, found.df) == pytest.approx((fit.mse_resid, 6))
        half = stats.t.ppf(1 - 0.05 / 4, 6) * math.sqrt(fit.mse_resid * 2 / 4)
        assert found.each[1].high - found.each[1].difference == pytest.approx(half)

    def test_all_pairs_with_it_are_judged_so_too(self):
        pairs = compare_pairs(self.TWINS, "min").pairs
        errors = {frozenset((p.one, p.other)): p.comparison.error for p in pairs}
        own = ErrorTerm.OWN_PAIRS
        assert errors == {
            frozenset((0, 1)): ErrorTerm.POOLED, frozenset((0, 2)): own, frozenset((1, 2)): own,
        }  # fmt: skip

    @pytest.mark.parametrize(("num_cells", "num_seeds"), [(3, 4), (6, 3)])
    def test_few_are_where_all_have_one_spread(self, num_cells, num_seeds):
        tables = [study(num_cells, num_seeds, s) for s in range(400)]
        named = sum(bool(doubtful_cells(v, ones(v))) for v in tables)
        assert 0.03 * 400 < named <= 0.10 * 400 + 3 * math.sqrt(400 * 0.10 * 0.90)

    @pytest.mark.parametrize("odd", [0, 2])
    def test_a_level_that_seeds_change_more_than_its_near_twins(self, odd):
        """Cells that differ in it rest on their own pairs, cells of one level do not."""
        values = study(9, 5, 21)
        values += 6 * np.random.default_rng(5).normal(size=5) * (GRID[:, :1] == odd)
        references = np.array([0, 0, 0, 0, 0, 0, 0, 6, 6])
        found = compare_to_baseline(values, references, "min", codes=GRID)
        own = {cell for cell, c in enumerate(found.each) if c.error is ErrorTerm.OWN_PAIRS}
        assert own == ({3, 4, 5, 6} if odd == 0 else {6})
        assert set(found.groups[0].spreads.noisy) == {3 * odd, 3 * odd + 1, 3 * odd + 2}


class TestFactorsBySeed:
    @pytest.mark.filterwarnings("ignore::statsmodels.tools.sm_exceptions.SingularMatrixWarning")
    def test_tests_equal_statsmodels(self):
        values = factor_by_seed(4, 8, spread=0.5)
        fit = smf.ols("y ~ cell + seed + a:seed + b:seed", frame(values, GRID)).fit()
        whole, rest = fit.ssr, fit.df_resid
        for factor, other in ((0, "b"), (1, "a")):
            less = smf.ols(f"y ~ cell + seed + {other}:seed", frame(values, GRID)).fit()
            f = (less.ssr - whole) / (less.df_resid - rest) / (whole / rest)
            p = stats.f.sf(f, less.df_resid - rest, rest)
            assert factor in factors_by_seed(values, GRID, p * 1.001)
            assert factor not in factors_by_seed(values, GRID, p * 0.999)

    def test_split_plot_errors_by_hand(self):
        """Two cells that differ in the factor have its component too; those that do not, not."""
        values = factor_by_seed(4, 10)
        left = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
        levels = left.reshape(3, 3, 4).mean(axis=1)
        by_seed = 3 * (levels**2).sum() / 6
        residual = ((left - levels[GRID[:, 0]]) ** 2).sum() / 18
        comparisons = compare_to_baseline(values, 0, "min", codes=GRID)
        assert comparisons.groups[0].spreads.factors == [0]
        assert comparisons.residual_sd == pytest.approx(math.sqrt(residual))
        variance = residual + (by_seed - residual) / 3
        df = variance**2 / ((by_seed / 3) ** 2 / 6 + (residual * 2 / 3) ** 2 / 18)
        same, across = comparisons.each[1], comparisons.each[3]
        assert (same.error, across.error) == (ErrorTerm.POOLED, ErrorTerm.SPLIT_PLOT)
        # The least correlated: one that has the factor's component, one that has not.
        correlation = residual / math.sqrt(2 * residual * 2 * variance)
        for found, error, error_df in ((same, residual, 18), (across, variance, df)):
            half = Family(8, correlation, error_df).critical_value() * math.sqrt(error * 2 / 4)
            assert found.high - found.difference == pytest.approx(half, rel=1e-4)

    def test_a_grid_without_such_factors_has_the_pooled_error(self):
        values = study(9, 5, 10)
        plain, grid = (compare_to_baseline(values, 0, "min", codes=c) for c in (None, GRID))
        np.testing.assert_equal(asdict(plain), asdict(grid))
        assert {c.error for c in plain.each} == {ErrorTerm.POOLED}

    def test_components_are_unbiased_where_cells_are_missing(self):
        found = []
        for seed in range(200):
            values = factor_by_seed(5, seed, spread=2.0)
            values[4, 1] = values[8] = NAN
            split = split_plot(values[:8], GRID[:8], [0])
            found.append([split.component(0), split.residual.mean])
        assert np.mean(found, axis=0) == pytest.approx([4, 1], rel=0.2)


class TestTrend:
    MEANS = np.geomspace(4, 1, 9)[:, None]

    @pytest.mark.parametrize("num_seeds", [3, 10])
    def test_spread_that_grows_with_the_mean_is_seen(self, num_seeds):
        noise = 0.1 * np.random.default_rng(0).normal(size=(9, num_seeds))
        assert grows_with_mean(self.MEANS * np.exp(noise))
        assert not grows_with_mean(self.MEANS + noise)

    def test_only_of_what_has_ratios(self):
        values = self.MEANS * np.exp(0.1 * np.random.default_rng(0).normal(size=(9, 10)))
        [group] = compare_to_baseline(values, 0, "min").groups
        assert not group.spreads.grows_with_mean
        [group] = compare_to_baseline(values, 0, "min", has_ratios=True).groups
        assert group.spreads.grows_with_mean
        assert not grows_with_mean(values - 2)
        assert not grows_with_mean(values[:4])


class TestOutlyingRuns:
    def test_equals_statsmodels(self):
        """The largest externally studentized residual, Bonferroni for the number of runs."""
        values = study(6, 4, 11)
        oracle = smf.ols("y ~ cell + seed", frame(values)).fit().outlier_test()
        worst = oracle["bonf(p)"].to_numpy().reshape(6, 4)
        assert outlying_runs(values) == []
        values[2, 1] += 12
        oracle = smf.ols("y ~ cell + seed", frame(values)).fit().outlier_test()
        assert worst.min() > 0.01 > oracle["bonf(p)"].min()
        assert np.argmin(oracle["bonf(p)"]) == 2 * 4 + 1
        assert outlying_runs(values) == [(2, 1)]

    def test_a_cell_that_scatters_as_a_whole_is_no_run(self):
        values = study(6, 10, 12, {4: 30.0})
        assert outlying_runs(values) == []
        assert outlying_runs(study(2, 5, 13, {1: 100.0})) == []

    def test_it_is_kept_and_its_place_is_that_in_the_study(self):
        values = study(12, 5, 14)
        values[8, 2] += 1e3
        comparisons = compare_to_baseline(
            values, np.repeat([0, 6], 6), "min", groups=np.repeat([0, 1], 6)
        )
        assert [g.spreads.outlying for g in comparisons.groups] == [[], [(8, 2)]]
        mean = values[8].mean() - values[6].mean()
        assert comparisons.each[8].difference == pytest.approx(mean)
