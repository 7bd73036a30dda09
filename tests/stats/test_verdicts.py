"""Statistics by hand, against SciPy and against statsmodels."""

import math
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from ablate.stats.dunnett import Family
from ablate.stats.layout import contrast_covariance, difference, fit_layout
from ablate.stats.replication import needed_replicates
from ablate.stats.verdicts import Cause, Verdict, VerdictKind, compare_to_baseline

NAN = math.nan
BY_HAND = np.array([[1.0, 2.0, 3.0], [2.0, 3.0, 4.3], [1.0, 2.0, 3.3]])


def study(num_cells, num_seeds, seed, sd=1.0, missing=()):
    rng = np.random.default_rng(seed)
    values = sd * rng.normal(size=(num_cells, num_seeds)) + 5 * rng.normal(size=num_seeds)
    for place in missing:
        values[place] = NAN
    return values


class TestLayout:
    def test_by_hand(self):
        """Cell means 2, 3.1, 2.1; seed means 4/3, 7/3, 10.6/3; the grand mean 2.4."""
        layout = fit_layout(BY_HAND)
        assert layout.cells - layout.cells[0] == pytest.approx([0, 1.1, 0.1])
        residual = 1 - 2 - 4 / 3 + 2.4
        assert layout.residuals[0, 0] == pytest.approx(residual)
        assert layout.df == 4
        means = BY_HAND.mean(axis=1, keepdims=True) + BY_HAND.mean(axis=0) - BY_HAND.mean()
        assert layout.variance == pytest.approx(((BY_HAND - means) ** 2).sum() / 4)

    @pytest.mark.parametrize("missing", [(), ((0, 0), (2, 1), (2, 2)), ((4, 0), (4, 1), (1, 3))])
    def test_equals_statsmodels(self, missing):
        """Ordinary least squares on dummies, also where runs are missing."""
        values = study(5, 4, 0, missing=missing)
        rows = [
            (c, s, values[c, s]) for c in range(5) for s in range(4) if values[c, s] == values[c, s]
        ]
        frame = pd.DataFrame(rows, columns=["cell", "seed", "value"]).astype(
            {"cell": str, "seed": str}
        )
        dummies = pd.get_dummies(frame[["cell", "seed"]], drop_first=True, dtype=float)
        oracle = sm.OLS(frame["value"], sm.add_constant(dummies)).fit()
        layout = fit_layout(values)
        assert layout.df == oracle.df_resid
        assert layout.variance == pytest.approx(oracle.mse_resid)
        for cell in range(1, 5):
            found = difference(layout, cell, 0)
            assert found.difference == pytest.approx(oracle.params[f"cell_{cell}"])
            se = math.sqrt(layout.variance) * found.unscaled_se
            assert se == pytest.approx(oracle.bse[f"cell_{cell}"])
        names = [f"cell_{cell}" for cell in range(1, 5)]
        covariance = oracle.cov_params().loc[names, names].to_numpy()
        unscaled = contrast_covariance(layout.unscaled, np.arange(1, 5), np.zeros(4, dtype=int))
        np.testing.assert_allclose(layout.variance * unscaled, covariance, atol=1e-9)

    def test_cells_without_a_shared_seed_are_not_compared(self):
        layout = fit_layout(np.array([[1.0, 2.0, NAN, NAN], [NAN, NAN, 3.0, 4.0]]))
        assert math.isnan(difference(layout, 1, 0).difference)

    def test_differences_do_not_depend_on_how_the_seeds_are_eliminated(self):
        """Ten seeds have both cells; the normal equations are singular, rounding must not show."""
        values = study(2, 12, 0, missing=((0, 4), (1, 2)))
        layout = fit_layout(values)
        pairs = values[1] - values[0]
        assert difference(layout, 1, 0) == pytest.approx((np.nanmean(pairs), math.sqrt(2 / 10)))
        assert np.abs(layout.unscaled).max() < 1

    def test_differences_to_several_baselines_are_correlated_as_their_cells_are(self):
        layout = fit_layout(study(4, 3, 0))
        cells, references = np.array([1, 2, 3, 0]), np.array([0, 0, 2, 3])
        covariance = contrast_covariance(layout.unscaled, cells, references)
        assert covariance[0] * 3 / 2 == pytest.approx([1, 0.5, 0, -0.5])
        assert covariance[2] * 3 / 2 == pytest.approx([0, -0.5, 1, -0.5])


class TestDunnett:
    @pytest.mark.parametrize(
        ("num", "df", "table"), [(2, 10, 2.57), (3, 10, 2.76), (2, 5, 3.03), (9, 60, 2.77)]
    )
    def test_critical_values_of_the_tables(self, num, df, table):
        """Dunnett 1964 (Biometrics 20), table II, two-sided 5 %."""
        assert Family(num, 0.5, df).critical_value() == pytest.approx(table, abs=0.006)

    @pytest.mark.parametrize(("num", "df"), [(2, 3), (11, 22), (50, 98)])
    @pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
    def test_equals_a_fine_integral(self, num, df, correlation):
        common, step = np.linspace(-7, 7, 101, retstep=True)
        scales = np.sqrt(stats.chi2.ppf((np.arange(4000) + 0.5) / 4000, df) / df)[:, None]
        for t in (1.0, 2.5, 4.0):
            bounds = [
                (math.sqrt(correlation) * common + sign * t * scales) / math.sqrt(1 - correlation)
                for sign in (-1, 1)
            ]
            inside = (stats.norm.cdf(bounds[1]) - stats.norm.cdf(bounds[0])) ** num
            fine = (inside * stats.norm.pdf(common)).sum() * step / 4000
            assert Family(num, correlation, df).adjusted_p(t) == pytest.approx(1 - fine, abs=2e-5)

    @pytest.mark.parametrize(("num", "df"), [(1, 7), (2, 1), (5, 4), (11, 22), (4, 5000)])
    def test_p_and_critical_value_agree(self, num, df):
        family = Family(num, 0.5, df)
        assert family.adjusted_p(family.critical_value()) == pytest.approx(0.05, abs=1e-6)
        assert family.adjusted_p(0) == pytest.approx(1)

    def test_equals_scipy_in_a_one_way_layout(self):
        rng = np.random.default_rng(0)
        groups = [rng.normal(0.4 * i, 1, 6) for i in range(4)]
        pooled = np.mean([group.var(ddof=1) for group in groups])
        found = [
            Family(3, 0.5, 20).adjusted_p((g.mean() - groups[0].mean()) / math.sqrt(pooled / 3))
            for g in groups[1:]
        ]
        expected = stats.dunnett(
            *groups[1:], control=groups[0], rng=np.random.default_rng(1)
        ).pvalue
        assert found == pytest.approx(expected, abs=2e-3)

    def test_less_correlation_is_more_cautious(self):
        values = [Family(5, r, 8).critical_value() for r in (0.0, 0.3, 0.5)]
        assert values[0] > values[1] > values[2]


class TestVerdicts:
    def test_two_cells_are_a_paired_t_test(self):
        values = study(2, 6, 3)
        values[1] += 2
        found = compare_to_baseline(values, 0, "min").each[1]
        oracle = stats.ttest_rel(values[1], values[0])
        assert found.p == pytest.approx(oracle.pvalue, abs=1e-9)
        interval = oracle.confidence_interval()
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high))

    def test_words(self):
        values = study(4, 6, 4, sd=0.1)
        values[1] -= 1
        values[2] += 1
        verdicts = [c.verdict.text for c in compare_to_baseline(values, 0, "min").each]
        assert verdicts == ["baseline", "better", "worse", "within noise"]
        verdicts = [c.verdict.text for c in compare_to_baseline(values, 0, "max").each]
        assert verdicts == ["baseline", "worse", "better", "within noise"]
        verdicts = [c.verdict.text for c in compare_to_baseline(values, 0, "min", margin=0.5).each]
        assert verdicts == ["baseline", "better", "worse", "equivalent"]
        verdicts = [c.verdict.text for c in compare_to_baseline(values, 0, "min", margin=2.0).each]
        assert verdicts == [
            "baseline",
            "better, within margin",
            "worse, within margin",
            "equivalent",
        ]

    @pytest.mark.parametrize(("verdict", "text", "gist"), [
        (Verdict(VerdictKind.BETTER, within_margin=True), "better, within margin", "better"),
        (Verdict(VerdictKind.BASELINE, cause=Cause.FAILED), "baseline, failed", "failed"),
        (Verdict.none(Cause.TOO_FEW_SEEDS), "not enough seeds", "not enough seeds"),
        (Verdict(VerdictKind.WITHIN_NOISE), "within noise", "within noise"),
    ])  # fmt: skip
    def test_texts_and_gist(self, verdict, text, gist):
        assert (verdict.text, verdict.gist.value) == (text, gist)

    def test_missing_runs_are_no_evidence(self):
        values = study(4, 3, 5)
        values[1] = NAN
        values[2, 1:] = NAN
        comparisons = compare_to_baseline(values, 0, "min")
        verdicts = [c.verdict.text for c in comparisons.each]
        assert verdicts == ["baseline", "failed", "within noise", "within noise"]
        assert comparisons.df == 2
        alone = compare_to_baseline(study(3, 1, 6), 0, "min").each
        assert [c.verdict.text for c in alone] == [
            "baseline",
            "not enough seeds",
            "not enough seeds",
        ]
        assert not any(np.isnan(c.difference) for c in alone[1:])

    def test_without_its_baseline_a_cell_has_nothing_to_be_compared_with(self):
        values = study(3, 3, 5)
        values[0], values[2] = NAN, NAN
        verdicts = [c.verdict.text for c in compare_to_baseline(values, 0, "min").each]
        assert verdicts == ["baseline, failed", "no baseline", "failed"]

    @pytest.mark.parametrize("missing", [(), ((2, 3),)])
    def test_cells_of_equal_runs_do_not_differ_by_rounding(self, missing):
        for seed in range(20):
            values = np.tile(np.random.default_rng(seed).normal(size=5), (4, 1))
            for place in missing:
                values[place] = NAN
            found = compare_to_baseline(values, 0, "min").each[1:]
            assert {(c.verdict.text, c.difference, c.p) for c in found} == {("within noise", 0, 1)}

    @pytest.mark.parametrize(("num_seeds", "verdict"), [(2, "not enough seeds"), (5, "worse")])
    @pytest.mark.parametrize("first", [0.1, 0.7])
    def test_ties_of_a_few_runs_are_no_certainty(self, first, num_seeds, verdict):
        """(0.7 + 0.1) - 0.7 is not 0.1: differences that are equal but for rounding."""
        values = np.array([[first, first + 0.1, 0.3, 0.2, 0.6]])[:, :num_seeds]
        found = compare_to_baseline(np.vstack([values, values + 0.1]), 0, "min")
        assert found.residual_sd == 0
        assert found.each[1].verdict.text == verdict
        assert found.each[1].difference == pytest.approx(0.1)

    @pytest.mark.parametrize("options", [
        {}, {"first_seeds": 5}, {"family": [True, True, False, True, True, True]},
        {"references": [0, 0, 0, 3, 3, 0]}, {"references": [0, 0, 1, 2, 3, 5]},
    ])  # fmt: skip
    @pytest.mark.parametrize("seed", range(12))
    def test_interval_p_and_verdict_never_contradict_each_other(self, seed, options):
        rng = np.random.default_rng(seed)
        values = study(6, 7, seed, missing=((1, 2), (3, 0)))
        values += rng.normal(size=(6, 1))
        values[5] *= rng.choice([1, 6])
        for found in compare_to_baseline(values, **{"references": 0, "mode": "min"} | options).each:
            outside = found.low > 0 or found.high < 0
            assert outside == (found.p < 0.05) == (found.verdict.text in ("better", "worse"))

    def test_a_noisy_cell_does_not_widen_the_others(self):
        values = study(6, 10, 7)
        calm = compare_to_baseline(values, 0, "min").each[1]
        values[4] += 30 * np.random.default_rng(8).normal(size=10)
        comparisons = compare_to_baseline(values, 0, "min")
        assert not comparisons.each[4].pooled
        assert comparisons.spread_check.startswith(
            "1 cell of larger spread, judged by its own pairs"
        )
        found = comparisons.each[1]
        assert found.high - found.low == pytest.approx(calm.high - calm.low, rel=0.2)


class TestReferences:
    """Blocks of a study may each have a baseline of their own."""

    def test_each_cell_is_compared_with_its_own(self):
        values = study(5, 4, 10)
        comparisons = compare_to_baseline(values, np.array([0, 0, 0, 3, 3]), "min")
        found = comparisons.each
        assert [found[c].verdict.text for c in (0, 3)] == ["baseline", "baseline"]
        means = values.mean(axis=1)
        assert found[2].difference == pytest.approx(means[2] - means[0])
        assert found[4].difference == pytest.approx(means[4] - means[3])
        half = Family(3, 0.0, comparisons.df).critical_value() * comparisons.residual_sd
        assert found[4].high - found[4].difference == pytest.approx(half * math.sqrt(2 / 4))

    def test_a_baseline_may_itself_be_compared(self):
        values = study(3, 4, 11)
        found = compare_to_baseline(values, [0, 0, 1], "min").each
        assert found[2].difference == pytest.approx(values[2].mean() - values[1].mean())
        assert [c.verdict.text for c in found] == ["baseline", "within noise", "within noise"]

    def test_one_for_all_is_one_for_each(self):
        values = study(4, 3, 12, missing=((1, 1),))
        one, each = (
            compare_to_baseline(values, 2, "min"),
            compare_to_baseline(values, [2, 2, 2, 2], "min"),
        )
        np.testing.assert_equal(asdict(one), asdict(each))  # the baseline's numbers are nan

    def test_cells_without_shared_seeds_are_not_judged(self):
        values = study(4, 6, 13)
        values[:2, 3:], values[2:, :3] = NAN, NAN
        verdicts = [c.verdict.text for c in compare_to_baseline(values, [0, 0, 0, 2], "min").each]
        assert verdicts == ["baseline", "within noise", "not enough seeds", "within noise"]

    def test_a_noisy_baseline_is_compared_by_own_pairs(self):
        values = study(6, 10, 14)
        values[0] += 30 * np.random.default_rng(8).normal(size=10)
        for cell, found in enumerate(compare_to_baseline(values, 0, "min").each[1:], start=1):
            oracle = stats.ttest_rel(values[cell], values[0])
            assert not found.pooled
            assert found.p == pytest.approx(min(1, 5 * oracle.pvalue))
            low, high = oracle.confidence_interval(1 - 0.05 / 5)
            assert (found.low, found.high) == pytest.approx((low, high))

    @pytest.mark.parametrize("references", [[0, 0, 0, 3, 3, 3], [0, 0, 1, 2, 3, 4]])
    def test_all_intervals_hold_at_once(self, references):
        rng = np.random.default_rng(15)
        held = 0
        for _ in range(400):
            found = compare_to_baseline(rng.normal(size=(6, 4)), references, "min").each
            held += all(c.low <= 0 <= c.high for c in found if c.verdict.text != "baseline")
        assert held >= 0.93 * 400


class TestFamily:
    """What a study does not name is not compared, and costs nothing."""

    def test_the_family_is_what_is_named(self):
        values = study(6, 4, 18)
        comparisons = compare_to_baseline(
            values, 0, "min", family=[False, True, False, False, True, False]
        )
        found = comparisons.each
        assert [c.verdict.text for c in found][2:4] == ["not compared"] * 2
        assert found[2].difference == pytest.approx(values[2].mean() - values[0].mean())
        assert math.isnan(found[2].p)
        assert math.isnan(found[2].high)
        half = Family(2, 0.5, comparisons.df).critical_value() * comparisons.residual_sd
        assert found[1].high - found[1].difference == pytest.approx(half * math.sqrt(2 / 4))
        assert comparisons.df == 15

    def test_a_baseline_needs_no_name_and_failure_is_told(self):
        values = study(4, 3, 17)
        values[2] = NAN
        found = compare_to_baseline(
            values, 0, "min", family=np.array([False, True, False, False])
        ).each
        assert [c.verdict.text for c in found] == [
            "baseline",
            "within noise",
            "failed",
            "not compared",
        ]

    def test_a_noisy_cell_has_a_difference_too(self):
        values = study(6, 10, 18)
        values[4] += 30 * np.random.default_rng(8).normal(size=10)
        values[4, 0] = NAN
        found = compare_to_baseline(values, 0, "min", family=[True] * 4 + [False, True]).each[4]
        assert found.verdict.text == "not compared"
        assert found.difference == pytest.approx(np.nanmean(values[4] - values[0]))


class TestTwoStages:
    """Stein 1945: the first seeds give the variance, all seeds the differences."""

    def test_variance_of_the_first_seeds_differences_of_all(self):
        values = study(4, 9, 19)
        first, comparisons = (
            compare_to_baseline(values[:, :3], 0, "min"),
            compare_to_baseline(values, 0, "min", first_seeds=3),
        )
        assert (comparisons.residual_sd, comparisons.df) == (first.residual_sd, first.df)
        half = Family(3, 0.5, 6).critical_value() * first.residual_sd * math.sqrt(2 / 9)
        for cell, found in enumerate(comparisons.each[1:], start=1):
            mean = values[cell].mean() - values[0].mean()
            assert found.difference == pytest.approx(mean)
            assert (found.low, found.high) == pytest.approx((mean - half, mean + half))

    def test_own_pairs_are_those_of_all_seeds(self):
        values = study(6, 12, 20)
        values[4] += 30 * np.random.default_rng(8).normal(size=12)
        found = compare_to_baseline(values, 0, "min", first_seeds=6).each[4]
        pairs = values[4] - values[0]
        half = stats.t.ppf(1 - 0.025 / 5, 11) * pairs.std(ddof=1) / math.sqrt(12)
        assert not found.pooled
        assert (found.low, found.high) == pytest.approx((pairs.mean() - half, pairs.mean() + half))

    def test_a_noisy_cell_misses_no_more_often(self):
        rng, missed, sd = np.random.default_rng(22), 0, np.array([[1.0], [1], [1], [1], [1], [4]])
        for _ in range(300):
            first = sd * rng.normal(size=(6, 3))
            more = min(needed_replicates(first, 0, 1.2).num, 60) - 3
            values = np.hstack([first, sd * rng.normal(size=(6, more))])
            found = compare_to_baseline(values, 0, "min", first_seeds=3).each[1:]
            missed += any(c.low > 0 or c.high < 0 for c in found)
        assert missed <= 0.05 * 300 + 2 * math.sqrt(300 * 0.05 * 0.95)

    def test_a_first_stage_without_a_variance_judges_nothing(self):
        found = compare_to_baseline(study(3, 6, 21), 0, "min", first_seeds=1).each
        assert [c.verdict.text for c in found][1:] == ["not enough seeds"] * 2
