"""Main effects, interactions and shares of variance: by hand and against statsmodels."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.anova import AnovaRM, anova_lm
from statsmodels.stats.multitest import multipletests
from statsmodels.tools.sm_exceptions import SingularMatrixWarning

from ablate.stats.components import variance_components
from ablate.stats.effects import factor_effects
from ablate.stats.layout import fit_layout
from ablate.stats.marginal_means import adjusted_means, shared_effect, without

NAN = math.nan


def grid(*num_levels):
    return np.array(list(itertools.product(*map(range, num_levels))))


def study(codes, num_seeds, seed, by_seed=0.0):
    """Unit noise, unit seed effects; `by_seed` is the sd of what seeds change of each factor."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(len(codes), num_seeds)) + rng.normal(size=num_seeds)
    for factor in codes.T:
        values += by_seed * rng.normal(size=(factor.max() + 1, num_seeds))[factor]
    return values


def frame(codes, values):
    rows = [
        {**{name: str(code) for name, code in zip("abc", codes[cell], strict=False)},
         "seed": str(seed), "y": values[cell, seed]}
        for cell, seed in np.argwhere(~np.isnan(values))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def effects_of(values, codes, **options):
    num_levels = list(codes.max(axis=0) + 1)
    return factor_effects(values, codes, num_levels, [0] * len(num_levels), "min", **options)


class TestBalanced:
    @pytest.mark.parametrize("shape", [(3, 2), (2, 3, 2)])
    def test_equals_statsmodels(self, shape):
        """Repeated measures: seeds are the subjects, each effect has its own error stratum."""
        codes = grid(*shape)
        values = study(codes, 5, 0, by_seed=0.5)
        values += (codes @ np.arange(1, len(shape) + 1))[:, None]
        names = list("abc"[: len(shape)])
        oracle = AnovaRM(frame(codes, values), "y", "seed", within=names).fit().anova_table
        effects = effects_of(values, codes)
        for name, main in zip(names, effects.mains, strict=True):
            row = oracle.loc[name]
            assert (main.df, main.error_df) == (row["Num DF"], row["Den DF"])
            assert (main.f, main.p) == pytest.approx((row["F Value"], row["Pr > F"]))
        rows = [oracle.loc[f"{a}:{b}"] for a, b in itertools.combinations(names, 2)]
        for pair, row in zip(effects.interactions, rows, strict=True):
            assert (pair.df, pair.error_df) == (row["Num DF"], row["Den DF"])
            assert pair.f == pytest.approx(row["F Value"])
        adjusted = multipletests([row["Pr > F"] for row in rows], method="holm")[1]
        assert [pair.p for pair in effects.interactions] == pytest.approx(list(adjusted))

    def test_by_hand(self):
        """2 x 2 x 2 (two factors, two seeds): every number fits on a page."""
        values = np.array([[1.0, 3.0], [2.0, 6.0], [5.0, 7.0], [8.0, 8.0]])
        first, second = effects_of(values, grid(2, 2)).mains
        assert first.level_table == pytest.approx(np.array([[1.5, 4.5], [6.5, 7.5]]))
        assert first.level_means == pytest.approx([3, 7])
        found = first.comparisons.each[1]
        # Differences 5 and 3: mean 4, standard error 1, one degree of freedom.
        assert found.difference == pytest.approx(4)
        assert found.high - found.difference == pytest.approx(12.7062, abs=1e-4)
        assert (first.f, first.df, first.error_df) == (pytest.approx(16), 1, 1)
        assert (first.p, found.p) == pytest.approx((2 / math.pi * math.atan(1 / 4),) * 2)
        assert second.level_means == pytest.approx([4, 6])
        [pair] = effects_of(values, grid(2, 2)).interactions
        assert pair.means == pytest.approx(np.array([[2, 4], [6, 8]]))
        assert pair.residuals == pytest.approx(np.zeros((2, 2)), abs=1e-12)
        # 5 - 1 - (8 - 2) = -2 and 7 - 3 - (8 - 6) = 2 cancel.
        assert (pair.f, pair.df, pair.error_df, pair.p) == (0, 1, 1, 1)

    def test_interactions_are_seen(self):
        codes = grid(2, 3, 2)
        values = study(codes, 4, 21) + 4 * codes[:, 0:1] * (codes[:, 1:2] == 2)
        pairs = effects_of(values, codes).interactions
        assert [pair.factors for pair in pairs] == [(0, 1), (0, 2), (1, 2)]
        assert [pair.p < 0.05 for pair in pairs] == [True, False, False]
        assert pairs[0].residuals[1, 2] == pytest.approx(4 / 3, abs=0.6)
        assert pairs[0].residuals.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)
        assert pairs[0].residuals.sum(axis=1) == pytest.approx(np.zeros(2), abs=1e-9)

    def test_verdicts_are_against_the_baselines_level(self):
        codes = grid(3, 2)
        values = 0.1 * study(codes, 4, 2) - codes[:, :1]
        main = factor_effects(values, codes, [3, 2], [1, 0], "min").mains[0]
        assert [c.verdict.text for c in main.comparisons.each] == [
            "worse",
            "baseline",
            "better",
        ]
        main = factor_effects(values, codes, [3, 2], [1, 0], "max", margin=5.0).mains[0]
        verdicts = [c.verdict.text for c in main.comparisons.each]
        assert verdicts == ["better, within margin", "baseline", "worse, within margin"]

    def test_error_terms_come_from_the_first_stage(self):
        codes = grid(3, 2)
        values = study(codes, 8, 3)
        first, staged = effects_of(values[:, :3], codes), effects_of(values, codes, first_seeds=3)
        for one, other in zip(first.mains, staged.mains, strict=True):
            assert one.comparisons.residual_sd == other.comparisons.residual_sd
            assert one.error_df == other.error_df
        squares = 8 * staged.mains[0].level_means.var(ddof=1)
        error = first.mains[0].comparisons.residual_sd ** 2
        assert staged.mains[0].f == pytest.approx(squares / error)

    def test_an_effect_that_seeds_change_is_no_false_positive(self):
        """On the cells' residual half of these studies would have a false verdict."""
        codes, false = grid(2, 6), 0
        for seed in range(300):
            values = study(codes, 4, seed, by_seed=0.5)
            main = effects_of(values, codes[:, :1]).mains[0]
            false += main.comparisons.each[1].verdict.text != "within noise"
        assert false <= 0.05 * 300 + 2 * math.sqrt(300 * 0.05 * 0.95)


class TestMissing:
    def test_level_means_equal_an_independent_least_squares(self):
        """Per seed, ordinary least squares on dummies, averaged over the other factor's levels."""
        codes = grid(3, 2, 2)
        values = study(codes, 3, 4)
        for place in ((0, 0), (5, 0), (7, 1), (2, 2)):
            values[place] = NAN
        table = effects_of(values, codes).mains[0].level_table
        everywhere = pd.DataFrame(codes.astype(str), columns=list("abc"))
        for seed in range(3):
            data = frame(codes, values[:, seed : seed + 1])
            predicted = smf.ols("y ~ a + b + c", data).fit().predict(everywhere)
            assert table[:, seed] == pytest.approx(predicted.groupby(everywhere["a"]).mean())

    @pytest.mark.parametrize("is_paired", [True, False])
    def test_own_means_are_least_squares_means_of_cells_and_seeds(self, is_paired):
        codes = grid(3, 2, 2)
        values = study(codes, 4, 4) + np.array([0, 5, -9, 2])
        for place in ((0, 0), (5, 0), (7, 1), (2, 2), (3, 2)):
            values[place] = NAN
        cell, seed = np.indices(values.shape)
        data = pd.DataFrame({"y": values.ravel(), "cell": cell.ravel(), "seed": seed.ravel()})
        model = "y ~ C(cell)" + " + C(seed)" * is_paired
        fitted = np.array(smf.ols(model, data.dropna()).fit().predict(data)).reshape(values.shape)
        found = effects_of(values, codes, is_paired=is_paired)
        first, pair = found.mains[0], found.interactions[0]
        means = fitted.mean(axis=1)
        assert first.level_means == pytest.approx(means.reshape(3, 4).mean(axis=1))
        assert pair.means == pytest.approx(means.reshape(3, 2, 2).mean(axis=2))

    def test_a_group_has_seeds_of_its_own_in_its_means(self):
        """Else seeds of large values would fill the gaps of small ones."""
        codes = grid(2, 2)
        values = study(codes, 3, 5)
        values[2:] += [0, 1e4, -1e4]
        values[0, 1] = NAN
        found = effects_of(values, codes, groups=np.array([0, 0, 1, 1])).mains[0]
        shifts = values[1] - values[1].mean()
        expected = (np.nanmean(values[0] - shifts) + values[1].mean()) / 2
        assert found.level_means[0] == pytest.approx(expected)

    def test_f_tests_equal_a_comparison_of_models(self):
        codes = grid(3, 3)
        values = study(codes, 4, 5)
        for place in ((0, 0), (4, 1), (8, 1)):
            values[place] = NAN
        values[3] = NAN
        data = frame(codes, values)
        models = [f"y ~ C(seed) * (a + b){more}" for more in ("", " + a:b")]
        with pytest.warns(SingularMatrixWarning):  # one combination is left out
            oracle = anova_lm(*[smf.ols(model, data).fit() for model in models]).iloc[1]
        [pair] = effects_of(values, codes).interactions
        assert (pair.df, pair.error_df) == (oracle["df_diff"], oracle["df_resid"])
        assert (pair.f, pair.p) == pytest.approx((oracle["F"], oracle["Pr(>F)"]))
        assert pair.estimable
        assert np.isnan(pair.residuals).sum() == 1

    def test_a_factor_alone_is_the_cells_layout(self):
        codes = np.arange(4)[:, None]
        values = study(codes, 4, 6)
        values[1, 2] = values[3, 0] = NAN
        main = effects_of(values, codes).mains[0]
        layout = fit_layout(values)
        assert main.comparisons.residual_sd == pytest.approx(math.sqrt(layout.variance))
        oracle = anova_lm(
            smf.ols("y ~ C(seed)", frame(codes, values)).fit(),
            smf.ols("y ~ C(seed) + a", frame(codes, values)).fit(),
        ).iloc[1]
        assert (main.f, main.p) == pytest.approx((oracle["F"], oracle["Pr(>F)"]))
        assert main.error_df == layout.df == oracle["df_resid"]

    def test_a_level_that_always_failed_leaves_the_others_comparable(self):
        codes = grid(3, 3)
        values = study(codes, 3, 7)
        values[codes[:, 1] == 2] = NAN
        first, second = effects_of(values, codes).mains
        assert [c.verdict.text for c in first.comparisons.each[1:]] == ["within noise"] * 2
        kept = codes[:, 1] < 2
        assert first.level_table == pytest.approx(
            np.array([values[kept & (codes[:, 0] == level)].mean(axis=0) for level in range(3)])
        )
        verdicts = [c.verdict.text for c in second.comparisons.each]
        assert verdicts == ["baseline", "within noise", "failed"]

    def test_a_level_that_failed_once_shifts_that_seed_alone(self):
        codes = grid(2, 3)
        values = study(codes, 3, 8)
        values[codes[:, 1] == 2, 1] = NAN
        table = effects_of(values, codes).mains[0].level_table
        kept = values.reshape(2, 3, 3)
        assert table == pytest.approx(np.nanmean(kept, axis=1))

    def test_levels_that_a_seed_cannot_compare_are_left_out_of_it(self):
        """In the second seed the first factor's level 1 has runs of other levels only."""
        codes = grid(2, 4)
        values = study(codes, 3, 9)
        values[[0, 1, 6, 7], 1] = NAN
        table = effects_of(values, codes).mains[0].level_table
        assert np.isnan(table[:, 1]).sum() == 1
        assert not np.isnan(table[:, [0, 2]]).any()

    def test_cells_left_out_of_the_grid(self):
        codes = np.delete(grid(3, 2), 5, axis=0)
        true = codes @ np.array([1.0, 10.0])
        values = true[:, None] + np.array([0.0, 3.0, 5.0]) + 1e-3 * study(codes, 3, 10)
        first, second = effects_of(values, codes).mains
        assert first.level_means - first.level_means[0] == pytest.approx([0, 1, 2], abs=0.01)
        assert second.level_means[1] - second.level_means[0] == pytest.approx(10, abs=0.01)
        [pair] = effects_of(values, codes).interactions
        assert (pair.df, pair.error_df, pair.estimable) == (1, 2, True)

    def test_levels_of_very_different_numbers_of_runs_are_judged_by_own_pairs(self):
        """The first level has one cell of three: its mean scatters more than the others' do."""
        codes = np.delete(grid(3, 3), [1, 2], axis=0)
        values = study(codes, 6, 18)
        first, second = effects_of(values, codes).mains
        assert (first.uneven, second.uneven) == (True, False)
        assert math.isnan(first.p)
        for level in (1, 2):
            pairs = first.level_table[level] - first.level_table[0]
            found = first.comparisons.each[level]
            assert found.p == pytest.approx(min(1, 2 * stats.ttest_1samp(pairs, 0).pvalue))
            half = stats.t.ppf(1 - 0.025 / 2, 5) * pairs.std(ddof=1) / math.sqrt(6)
            assert (found.low, found.high) == pytest.approx(
                (pairs.mean() - half, pairs.mean() + half)
            )

    def test_a_factor_that_applies_to_some_cells(self):
        """The second factor only at level 1 of the first, whose mean is over its levels."""
        codes = np.array([[0, -1], [1, 0], [1, 1], [1, 2], [2, -1]])
        values = np.array([0.0, 1, 2, 6, 5])[:, None] + 1e-3 * study(codes, 4, 11)
        effects = effects_of(values, codes)
        assert effects.mains[0].level_means - values[0].mean() == pytest.approx([0, 3, 5], abs=0.01)
        assert effects.mains[1].level_means == pytest.approx(values[1:4].mean(axis=1))
        assert effects.mains[1].comparisons.df == 6
        assert not effects.interactions[0].estimable
        assert math.isnan(effects.interactions[0].p)


class TestNothingToSay:
    def test_one_seed(self):
        effects = effects_of(study(grid(2, 3), 1, 12), grid(2, 3))
        for main in effects.mains:
            verdicts = {c.verdict.text for c in main.comparisons.each[1:]}
            assert verdicts == {"not enough seeds"}
            assert math.isnan(main.f)
            assert math.isnan(main.omega2)
        assert effects.interactions[0].estimable
        assert math.isnan(effects.interactions[0].p)
        assert math.isnan(effects.shares.left)

    def test_a_factor_of_one_level(self):
        codes = grid(1, 3)
        effects = factor_effects(study(codes, 3, 13), codes, [1, 3], [0, 0], "max")
        assert [c.verdict.text for c in effects.mains[0].comparisons.each] == ["baseline"]
        assert math.isnan(effects.mains[0].p)
        assert not effects.interactions[0].estimable

    @pytest.mark.parametrize("num_seeds", [0, 1, 3])
    def test_no_run_at_all(self, num_seeds):
        effects = effects_of(np.full((6, num_seeds), NAN), grid(2, 3))
        verdicts = [c.verdict.text for c in effects.mains[1].comparisons.each]
        assert verdicts == ["baseline, failed", "failed", "failed"]
        assert not effects.interactions[0].estimable

    def test_nothing_varies(self):
        codes = grid(2, 2)
        effects = effects_of(np.ones((4, 4)), codes)
        assert effects.mains[0].p == effects.interactions[0].p == 1
        few = effects_of(np.ones((4, 3)) * codes[:, :1], codes)
        assert few.mains[0].comparisons.each[1].verdict.text == "not enough seeds"
        assert math.isnan(few.mains[0].p)
        effects = effects_of(np.ones((4, 4)) * codes[:, :1], codes)
        assert effects.mains[0].p == 0
        assert effects.mains[0].comparisons.each[1].verdict.text == "worse"
        assert effects.shares.factors == pytest.approx([1, 0])
        assert effects.shares.left == pytest.approx(0)


class TestShares:
    def test_one_factor_is_the_textbook_formula(self):
        """(k - 1) (MS_A - MS_error) / (SS_total + MS_seeds), Olejnik & Algina 2003."""
        codes = np.arange(4)[:, None]
        values = study(codes, 5, 14) + codes
        oracle = anova_lm(smf.ols("y ~ a + seed", frame(codes, values)).fit())
        mean_squares, squares = oracle["mean_sq"], oracle["sum_sq"]
        expected = (
            3 * (mean_squares["a"] - mean_squares["Residual"])
            / (squares.sum() + mean_squares["seed"])
        )  # fmt: skip
        shares = effects_of(values, codes).shares
        assert shares.factors == pytest.approx([expected])
        assert shares.factors[0] + shares.seeds + shares.left == pytest.approx(1)

    def test_of_known_components(self):
        """Effects of variance 2/3 and 1/4 (and 1/16 of their pair), seeds 1, noise 1."""
        codes = grid(3, 2)
        effect = codes[:, 0] + codes[:, 1] + 0.5 * (codes[:, 0] == 1) * (codes[:, 1] - 0.5)
        values = study(codes, 400, 15) + effect[:, None]
        shares = effects_of(values, codes).shares
        true = np.array([2 / 3, 0.25, 0.125 / 9, 1, 1])
        true[2] = (0.25**2) * 2 / 9
        found = [*shares.factors, *shares.pairs, shares.seeds, shares.left]
        assert sum(found) == pytest.approx(1)
        assert found == pytest.approx(true / true.sum(), abs=0.04)

    def test_components_are_unbiased_with_missing_runs(self):
        rng = np.random.default_rng(16)
        found = np.zeros(3)
        for _ in range(300):
            values = rng.normal(size=(5, 4)) + 2 * rng.normal(size=4) + np.arange(5)[:, None]
            values[rng.integers(5), rng.integers(4)] = values[2, 3] = NAN
            found += np.array(variance_components(values)) / 300
        assert found == pytest.approx([2, 4, 1], rel=0.15)


def test_a_seed_without_runs_tells_nothing():
    table = np.array([[1.0, 2.0, NAN], [2.0, 4.0, NAN]])
    found = shared_effect(table, np.ones((2, 1)))
    assert (found.df, found.error_df) == (1, 1)
    assert found.f == pytest.approx(9)
    values, codes = np.array([[1.0, NAN], [2.0, NAN]]), np.zeros((2, 0), dtype=int)
    assert np.isnan(adjusted_means(values, np.array([0, 1]), 2, codes)[:, 1]).all()


def test_sums_leave_no_rounding_errors():
    means = np.array([0.7, 0.8, 0.9, 1.0, 0.3, 0.4])
    both = np.hstack([np.repeat(np.eye(3), 2, axis=0), np.tile(np.eye(2), (3, 1))])
    assert not without(both, means).any()
