"""Unpaired runs, and cells with fewer runs than others: SciPy, statsmodels, by hand."""

import numpy as np
import pytest
from layouts import NAN, layout
from scipy import stats

from ablate.stats.all_pairs import compare_pairs
from ablate.stats.best import against_the_best
from ablate.stats.effects import factor_effects
from ablate.stats.error_terms import ErrorTerm
from ablate.stats.judge_table import judge_table
from ablate.stats.layout import fit_layout
from ablate.stats.replication import needed_replicates
from ablate.stats.verdicts import compare_to_baseline


def unpaired(values, reference=0, **options):
    return compare_to_baseline(values, reference, "min", is_paired=False, **options)


def ragged(nums, seed, shifts=None):
    """Normal results, so many of each cell, on whatever seeds."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(len(nums), max(nums)))
    values += np.zeros(len(nums))[:, None] if shifts is None else np.array(shifts)[:, None]
    for row, num in zip(values, nums, strict=True):
        row[rng.permutation(len(row))[num:]] = NAN
    return values


def there(row):
    return row[~np.isnan(row)]


@pytest.mark.parametrize(("num_cells", "num_seeds"), [(2, 3), (4, 3), (4, 10), (9, 5)])
def test_unpaired_cells_are_dunnett(num_cells, num_seeds):
    values = layout(num_cells, num_seeds, 3, shifts=np.linspace(0, 4, num_cells))
    found = unpaired(values)
    oracle = stats.dunnett(*values[1:], control=values[0], random_state=1)
    assert [one.p for one in found.each[1:]] == pytest.approx(oracle.pvalue, abs=2e-3)
    interval = oracle.confidence_interval(0.95)
    assert [one.low for one in found.each[1:]] == pytest.approx(interval.low, abs=0.03)
    assert found.df == num_cells * (num_seeds - 1)


def test_cells_of_unlike_numbers_are_dunnett():
    """Correlations differ then: the smallest counts, which is cautious."""
    values = ragged([6, 3, 3, 4], 5, [0, 1, 2, -1])
    oracle = stats.dunnett(*map(there, values[1:]), control=there(values[0]), random_state=1)
    for one, p in zip(unpaired(values).each[1:], oracle.pvalue, strict=True):
        assert p - 2e-3 <= one.p <= 1.1 * p + 2e-3


def test_a_noisy_cell_is_welch():
    values = layout(6, 10, 7, shifts=[0, 0, 0, 0, 0, 3])
    values[5] *= 20
    one = unpaired(values).each[5]
    oracle = stats.ttest_ind(values[5], values[0], equal_var=False)
    assert one.error is ErrorTerm.OWN_RUNS
    assert one.p == pytest.approx(min(1, 5 * oracle.pvalue))
    assert one.df == pytest.approx(oracle.df)


def test_seeds_mean_nothing():
    """Whichever runs stand beside each other: means, intervals, pairs, the best."""
    values = layout(4, 6, 1, shifts=[0, 1, 2, 3])
    rng = np.random.default_rng(0)
    mixed = np.array([rng.permutation(row) for row in values])
    for one, other in zip(unpaired(values).each, unpaired(mixed).each, strict=True):
        assert one.difference == pytest.approx(other.difference, nan_ok=True)
        assert (one.low, one.p) == pytest.approx((other.low, other.p), nan_ok=True)
    best = [against_the_best(v, "min", is_paired=False) for v in (values, mixed)]
    assert [b.high for b in best[0]] == pytest.approx([b.high for b in best[1]])


def test_all_pairs_are_tukey():
    values = layout(4, 5, 2, shifts=[0, 1, 2, 3])
    oracle = stats.tukey_hsd(*values).pvalue
    for pair in compare_pairs(values, "min", is_paired=False).pairs:
        assert pair.comparison.p == pytest.approx(oracle[pair.one, pair.other], abs=1e-3)


def test_one_factor_is_one_way_analysis_of_variance():
    values = ragged([4, 3, 5, 2], 4, [0, 1, 0, 2])
    main = factor_effects(values, np.arange(4)[:, None], [4], [0], "min", is_paired=False).mains[0]
    oracle = stats.f_oneway(*map(there, values))
    assert (main.f, main.p) == pytest.approx((oracle.statistic, oracle.pvalue))
    assert (main.df, main.error_df) == (3, 10)
    for level, one in zip(main.comparisons.each[1:], unpaired(values).each[1:], strict=True):
        assert (level.low, level.p) == pytest.approx((one.low, one.p))
        assert level.error is ErrorTerm.RUNS


def test_grids_are_statsmodels():
    import pandas as pd
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    codes = np.array([(a, b) for a in range(2) for b in range(3)])
    rng = np.random.default_rng(11)
    values = rng.normal(size=(6, 4)) + 2 * codes[:, :1] + 3 * (codes[:, 1:] == 1)
    found = factor_effects(values, codes, [2, 3], [0, 0], "min", is_paired=False)
    frame = pd.DataFrame(
        [(a, b, value) for (a, b), row in zip(codes, values, strict=True) for value in row],
        columns=["a", "b", "y"],
    )
    oracle = anova_lm(ols("y ~ C(a) * C(b)", frame).fit())
    tests = [*found.mains, *found.interactions]
    for test, name in zip(tests, ["C(a)", "C(b)", "C(a):C(b)"], strict=True):
        assert (test.f, test.p) == pytest.approx((oracle.F[name], oracle["PR(>F)"][name]))
        assert (test.df, test.error_df) == (oracle.df[name], 18)
    # Vaughan & Corballis 1969: (SS - df MSE) / N of each, over their sum with MSE.
    error = oracle.mean_sq["Residual"]
    parts = [(oracle.sum_sq[n] - oracle.df[n] * error) / 24 for n in ("C(a)", "C(b)", "C(a):C(b)")]
    total = sum(parts) + error
    shares = [*found.shares.factors, *found.shares.pairs]
    assert shares == pytest.approx([max(0, part) / total for part in parts])
    assert found.shares.seeds == 0


class TestFewerSeedsOfOthers:
    """Five of the baseline and one of each other cell."""

    baseline = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    """Mean 3, variance 2.5, 4 degrees of freedom."""

    def values(self, *others):
        values = np.full((1 + len(others), 5), NAN)
        values[0], values[1:, 0] = self.baseline, others
        return values

    def test_unpaired_by_hand(self):
        one = unpaired(self.values(12.0)).each[1]
        se = np.sqrt(2.5 * (1 + 1 / 5))
        assert one.difference == 9.0
        assert one.high - one.low == pytest.approx(2 * stats.t.ppf(0.975, 4) * se)
        assert one.p == pytest.approx(2 * stats.t.sf(9 / se, 4))
        assert one.verdict.text == "worse"

    def test_paired_by_hand(self):
        """The seed that both have, by the baseline's scatter: seeds are in it, too."""
        found = compare_to_baseline(self.values(12.0), 0, "min")
        one, se = found.each[1], np.sqrt(2 * 2.5)
        assert (one.difference, found.df) == (11.0, 4)
        assert one.p == pytest.approx(2 * stats.t.sf(11 / se, 4))

    @pytest.mark.parametrize("is_paired", [True, False])
    def test_says_what_it_assumes(self, is_paired):
        values = self.values(3.0, 4.0, 5.0)
        found = compare_to_baseline(values, 0, "min", is_paired=is_paired)
        assert "assumes that the other cells vary like the baseline" in found.spread_check
        values[1] = self.baseline
        found = compare_to_baseline(values, 0, "min", is_paired=is_paired)
        assert "assumes that cells with one run vary like those with several" in found.spread_check

    def test_two_pairs_tell_of_the_residual_themselves(self):
        values = self.values(3.0, 4.0, 5.5)
        values[1:, 1] = [4.1, 5.3, 6.0]
        assert compare_to_baseline(values, 0, "min").df == fit_layout(values[:, :2]).df == 3

    def test_without_any_second_run_there_is_no_verdict_but_a_difference(self):
        values = np.array([[1.0], [2.5], [NAN]])
        for is_paired in (True, False):
            each = compare_to_baseline(values, 0, "min", is_paired=is_paired).each
            assert [one.verdict.text for one in each] == ["baseline", "not enough seeds", "failed"]
            assert each[1].difference == 1.5
            assert np.isnan(each[1].low)

    def test_cells_that_share_no_seed_have_the_difference_of_their_means(self):
        one = compare_to_baseline(np.array([[1.0, 2.0, NAN], [NAN, NAN, 4.0]]), 0, "min").each[1]
        assert (one.verdict.text, one.difference) == ("not enough seeds", 2.5)

    def test_groups_are_judged_by_themselves(self):
        """One that has no second run takes nothing from the other's share."""
        values = np.vstack([layout(3, 4, 1), [[5.0, NAN, NAN, NAN]] * 2])
        found = compare_to_baseline(
            values, [0, 0, 0, 3, 3], "min", groups=np.array([0, 0, 0, 1, 1])
        )
        alone = compare_to_baseline(values[:3], 0, "min")
        assert [c.low for c in found.each[1:3]] == [c.low for c in alone.each[1:]]
        assert found.each[4].verdict.text == "not enough seeds"


@pytest.mark.parametrize("is_paired", [True, False])
def test_a_grid_of_which_the_baseline_alone_is_replicated(is_paired):
    """By seed nothing tells what seeds change of a factor: there is no verdict on it."""
    codes = np.array([(a, b) for a in range(2) for b in range(3)])
    values = layout(6, 5, 4, shifts=[0, 0, 0, 9, 9, 9])
    values[1:, 1:] = NAN
    main = factor_effects(values, codes, [2, 3], [0, 0], "min", is_paired=is_paired).mains[0]
    one = main.comparisons.each[1]
    assert one.difference == pytest.approx(values[3:, 0].mean() - (
        values[:3, 0].mean() if is_paired else np.nanmean(values[:3], axis=1).mean()))  # fmt: skip
    assert (one.verdict.text == "not enough seeds") == is_paired
    assert main.error_df == (0 if is_paired else 4)


def test_false_verdicts_of_factors_are_as_rare_as_said():
    codes = np.array([(a, b) for a in range(3) for b in range(3)])
    wrong = 0
    for seed in range(400):
        values = ragged([3, 2, 3, 3, 1, 3, 2, 3, 3], seed)
        main = factor_effects(values, codes, [3, 3], [0, 0], "min", is_paired=False).mains[0]
        wrong += any(one.verdict.is_different for one in main.comparisons.each)
    assert wrong <= 0.05 * 400 + 3 * np.sqrt(400 * 0.05 * 0.95)


def test_a_rule_for_seeds_counts_unpaired_runs():
    first = layout(4, 3, 8)  # seeds of 3 sd
    paired, alone = (needed_replicates(first, 0, 1.0, is_paired=p) for p in (True, False))
    assert (paired.df, alone.df) == (6, 8)
    assert alone.num > paired.num


def test_tables_are_paired_where_seeds_recur():
    rows = [
        {"cell": cell, "seed": seed, "loss": value}
        for cell, values in (("a", [1.0, 2.0, 3.0]), ("b", [1.6, 2.5, 3.7]))
        for seed, value in enumerate(values)
    ]
    assert judge_table(rows, metric="loss", cell="cell")["b"].verdict.text == "worse"
    asked = {"metric": "loss", "cell": "cell", "pairing": "none"}
    assert judge_table(rows, **asked)["b"].verdict.text == "within noise"
    for number, row in enumerate(rows):
        row["seed"] = number
    assert judge_table(rows, metric="loss", cell="cell")["b"].verdict.text == "within noise"
