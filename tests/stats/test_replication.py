"""Stein's rule and what a design can see: against `compare_to_baseline`, and by simulation."""

import math
from functools import partial

import numpy as np
import pytest
from scipy import stats

from ablate.stats.dunnett import Family
from ablate.stats.replication import needed_replicates, visible_differences
from ablate.stats.spread_cost import SpreadTests
from ablate.stats.verdicts import compare_to_baseline

NAN = math.nan


def study(num_cells, num_seeds, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(num_cells, num_seeds)) + 5 * rng.normal(size=num_seeds)


def half_width(comparison):
    return (comparison.high - comparison.low) / 2


class TestNeededReplicates:
    def test_is_the_least_number_that_reaches_the_half_width(self):
        values = study(4, 40, 4)
        found = needed_replicates(values[:, :3], 0, 0.9)
        assert found.df == 6
        assert found.critical == pytest.approx(Family(3, 0.5, 6).critical_value())
        assert 3 < found.num < 40
        for num, reached in ((found.num, True), (found.num - 1, False)):
            judged = compare_to_baseline(values[:, :num], 0, "min", first_seeds=3).each
            assert all((half_width(c) <= 0.9) == reached for c in judged[1:])

    def test_several_metrics_that_are_to_hold_at_once_need_more(self):
        values = study(4, 60, 0)
        found = needed_replicates(values[:, :3], 0, 0.9, num_families=3)
        assert needed_replicates(values[:, :3], 0, 0.9).num < found.num < 60
        for num, reached in ((found.num, True), (found.num - 1, False)):
            judged = compare_to_baseline(
                values[:, :num], 0, "min", first_seeds=3, num_families=3
            ).each
            assert all((half_width(c) <= 0.9) == reached for c in judged[1:])

    def test_what_the_first_seeds_have(self):
        values = study(4, 3, 1)
        found = needed_replicates(values, [0, 0, 0, 0], 1e9)
        assert found.num == 3
        assert found.half_width_now == pytest.approx(
            half_width(compare_to_baseline(values, 0, "min").each[1])
        )
        again = needed_replicates(values, 0, found.half_width_now)
        assert again.num == 3

    def test_the_family_is_what_is_named(self):
        values = study(6, 3, 3)
        named = (False, True, False, False, False, False)
        found = needed_replicates(values, 0, 0.5, named)
        assert found.critical == pytest.approx(stats.t.ppf(0.975, 10))
        assert found.num < needed_replicates(values, 0, 0.5).num

    def test_a_noisy_baseline_asks_by_the_widest_pairs(self):
        values = study(5, 6, 3)
        values[0] += 30 * np.random.default_rng(8).normal(size=6)
        found = needed_replicates(values, 0, 5.0)
        widest = max(half_width(c) for c in compare_to_baseline(values, 0, "min").each[1:])
        assert found.half_width_now == pytest.approx(widest)
        assert found.df == 5
        assert found.num == math.ceil(6 * (widest / 5) ** 2)

    def test_nothing_to_estimate(self):
        for values in (study(3, 1, 4), study(1, 3, 4), np.full((3, 3), NAN)):
            found = needed_replicates(values, 0, 0.1)
            assert found.num == values.shape[1]
            assert math.isnan(found.sd)
            assert math.isnan(found.half_width_now)
        found = needed_replicates(np.ones((3, 3)), 0, 0.1)
        assert (found.num, found.sd, found.half_width_now) == (3, 0, 0)
        with pytest.raises(ValueError, match="positive"):
            needed_replicates(np.ones((3, 3)), 0, 0.0)

    def test_intervals_of_both_stages_hold(self):
        rng, held, numbers = np.random.default_rng(5), 0, []
        for _ in range(400):
            values = rng.normal(size=(3, 400))
            found = needed_replicates(values[:, :3], 0, 1.2)
            judged = compare_to_baseline(values[:, : found.num], 0, "min", first_seeds=3).each[1:]
            held += all(c.low <= 0 <= c.high for c in judged)
            numbers.append(found.num)
        assert held >= 0.93 * 400
        assert min(numbers) == 3
        assert max(numbers) > 20


class TestDetectableDifference:
    @pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
    @pytest.mark.parametrize(("num", "df", "num_seeds"), [(1, 2, 3), (3, 6, 3), (11, 99, 10)])
    def test_equals_the_noncentral_t(self, num, df, num_seeds, power):
        found = visible_differences(1.0, df, num, num_seeds, power).found
        critical, shift = Family(num, 0.5, df).critical_value(), found * math.sqrt(num_seeds / 2)
        # By symmetry; SciPy's cdf far below the shift is nan at some points.
        chance = stats.nct.sf(critical, df, shift) + stats.nct.sf(critical, df, -shift)
        assert chance == pytest.approx(power, abs=1e-6)

    def test_is_found_so_often(self):
        rng, found, tests = np.random.default_rng(6), 0, SpreadTests(4, 3)
        effect = visible_differences(2.0, 6, 3, 3, tests=tests).found
        for _ in range(500):
            values = 2 * rng.normal(size=(4, 3)) + 5 * rng.normal(size=3)
            values[2] += effect
            found += compare_to_baseline(values, 0, "min").each[2].verdict.text == "worse"
        assert found / 500 == pytest.approx(0.8, abs=0.05)

    @pytest.mark.parametrize("is_paired", [True, False])
    @pytest.mark.parametrize("num_seeds", [3, 8])
    @pytest.mark.parametrize("num_cells", [3, 12])
    @pytest.mark.parametrize("references", [1, 0])
    def test_own_runs_find_what_simulated_ones_do(
        self, num_cells, num_seeds, references, is_paired
    ):
        """Of two cells that scatter as the others, one by chance seems to scatter more."""
        tests = SpreadTests(num_cells, num_seeds, references, is_paired)
        shift, num = 4.0, num_cells - 1 if references else math.comb(num_cells, 2)
        values = np.random.default_rng(1).normal(size=(20_000, num_cells, num_seeds))
        values[:, 1] += shift * math.sqrt(2 / num_seeds)
        left = values - values.mean(axis=1, keepdims=True) if is_paired else values
        squares = left.var(axis=2, ddof=1) * (num_cells / (num_cells - 1) if is_paired else 1)
        rest = num_cells - 1 - is_paired
        others = left.var(axis=2, ddof=1).sum(axis=1, keepdims=True) - squares
        p = stats.f.sf(squares * rest / others, num_seeds - 1, rest * (num_seeds - 1))
        each = 0.10 / num_cells
        seems = (p[:, 0] < (0.05 if references else each)) | (p[:, 1] < each)
        own = (stats.ttest_rel if is_paired else partial(stats.ttest_ind, equal_var=False))(
            values[:, 0], values[:, 1], axis=1)  # fmt: skip
        assert tests.share == pytest.approx(seems.mean(), abs=0.01)
        found = (seems & (own.pvalue < 0.05 / num)).mean()
        assert tests.found(shift, num) == pytest.approx(found, abs=0.012)

    def test_two_cells_or_a_single_seed_are_tested_for_nothing(self):
        plain = visible_differences(1.0, 4, 1, 5)
        for tests in (SpreadTests(2, 5), SpreadTests(9, 1), SpreadTests(3, math.nan)):
            assert visible_differences(1.0, 4, 1, 5, tests=tests) == plain
        assert visible_differences(1.0, 4, 1, 5, tests=SpreadTests(3, 5)).found > plain.found

    def test_is_in_the_units_of_the_sd(self):
        assert visible_differences(3.0, 6, 3, 3).found == pytest.approx(
            3 * visible_differences(1.0, 6, 3, 3).found
        )
        assert visible_differences(0.0, 6, 3, 3).found == 0

    @pytest.mark.parametrize("design", [(NAN, 6, 3, 3), (1.0, 0, 3, 3), (1.0, 6, 0, 3)])
    def test_nothing_to_compare(self, design):
        assert math.isnan(visible_differences(*design).found)
